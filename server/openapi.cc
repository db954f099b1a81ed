#include "server/openapi.h"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/json_answer.h"
#include "base/ascii.h"
#include "server/html.h"
#include "server/roles.h"

namespace bukubesar {

namespace {

// A route that the file does not describe.
Json bare_operation(const Route& route) {
  Json parameters = Json::array();
  for (std::size_t at = route.pattern.find('{'); at != std::string::npos; at = route.pattern.find('{', at + 1)) {
    const std::string name = route.pattern.substr(at + 1, route.pattern.find('}', at) - at - 1);
    parameters.push_back({{"name", name}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  const auto role = role_needed(route.method, route.pattern);
  Json operation = {{"tags", {"server"}},
                    {"summary", route.method + " " + route.pattern},
                    {"x-undescribed", true},
                    {"x-role", role ? name_of(*role) : "none"},
                    {"responses", {{"default", {{"description", "See docs/API.md."}}}}}};
  if (!parameters.empty()) operation["parameters"] = parameters;
  return operation;
}

// What a "$ref" leads to.
const Json& resolved(const Json& document, const Json& object) {
  const std::string reference = text_member(object, "$ref");
  if (reference.empty()) return object;
  const Json::json_pointer pointer(reference.substr(1));
  return document.contains(pointer) ? document.at(pointer) : object;
}

std::string schema_text(const Json& schema) {
  if (!schema.is_object()) return "";
  std::string text = text_member(schema, "type");
  if (schema.contains("enum")) {
    text.clear();
    for (const Json& value : schema["enum"]) text += (text.empty() ? "" : ", ") + value.get<std::string>();
  }
  if (schema.contains("maximum")) text += fmt::format(" {} … {}", schema.value("minimum", 0), schema["maximum"].dump());
  if (schema.contains("default")) text += "; default " + schema["default"].dump();
  return text;
}

void append_operation(const Json& document, const std::string& path, const std::string& method, const Json& operation, std::string& to) {
  std::string shown = method;
  std::transform(shown.begin(), shown.end(), shown.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  to += fmt::format("<section><h2><code>{} {}</code></h2><p>{} <small>role: {}</small></p>", shown, html_escaped(path),
                    html_escaped(text_member(operation, "summary")), html_escaped(text_member(operation, "x-role")));
  if (operation.contains("parameters")) {
    to += "<table><tr><th>parameter</th><th>in</th><th>what</th><th>values</th></tr>";
    for (const Json& one : operation["parameters"]) {
      const Json& parameter = resolved(document, one);
      to +=
          fmt::format("<tr><td><code>{}</code>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>", html_escaped(text_member(parameter, "name")),
                      parameter.value("required", false) ? " *" : "", html_escaped(text_member(parameter, "in")),
                      html_escaped(text_member(parameter, "description")), html_escaped(schema_text(parameter.value("schema", Json()))));
    }
    to += "</table>";
  }
  to += "<details><summary>answers</summary><table>";
  for (const auto& [status, one] : operation["responses"].items()) {
    const Json& response = resolved(document, one);
    std::string media;
    if (response.contains("content"))
      for (const auto& [name, content] : response["content"].items()) media += (media.empty() ? "" : ", ") + name;
    to += fmt::format("<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>", html_escaped(status),
                      html_escaped(text_member(response, "description")), html_escaped(media));
  }
  to += "</table></details></section>\n";
}

}  // namespace

Json openapi_of(const Router& router) {
  Json document = Json::parse(openapi_text());
  const Json described = document["paths"];
  Json paths = Json::object();
  for (const Route& route : router.routes()) {
    const std::string method = lower(route.method);
    const bool known = described.contains(route.pattern) && described[route.pattern].contains(method);
    paths[route.pattern][method] = known ? described[route.pattern][method] : bare_operation(route);
  }
  document["paths"] = paths;
  return document;
}

std::string openapi_page(const Json& document) {
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, "
      "initial-scale=1\"><title>Bukubesar: HTTP</title><style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;"
      "max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid "
      "#8886;padding:.25rem .5rem;text-align:left;vertical-align:top}section{margin:2rem 0}h2{font-size:1.1rem}td{overflow-wrap:anywhere}"
      "</style></head><body>\n";
  page += fmt::format("<h1>{} {}</h1><p>{}</p><p><a href=\"/openapi.json\">openapi.json</a></p>\n",
                      html_escaped(text_member(document["info"], "title")), html_escaped(text_member(document["info"], "version")),
                      html_escaped(text_member(document["info"], "description")));
  for (const auto& [path, operations] : document["paths"].items())
    for (const auto& [method, operation] : operations.items()) append_operation(document, path, method, operation, page);
  return page + "</body></html>\n";
}

}  // namespace bukubesar
