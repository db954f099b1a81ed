#include "events/json_peek.h"

#include <simdjson.h>

namespace bukubesar {

std::optional<std::string> peek_raw(std::string_view json, std::initializer_list<std::string_view> path) {
  thread_local simdjson::ondemand::parser parser;
  const simdjson::padded_string text(json.data(), json.size());
  simdjson::ondemand::document document;
  if (path.size() == 0 || parser.iterate(text).get(document) != simdjson::SUCCESS) return std::nullopt;
  simdjson::ondemand::value value;
  bool outermost = true;
  for (std::string_view name : path) {
    const auto error = outermost ? document.find_field_unordered(name).get(value) : value.find_field_unordered(name).get(value);
    if (error != simdjson::SUCCESS) return std::nullopt;
    outermost = false;
  }
  std::string_view raw;
  if (simdjson::to_json_string(value).get(raw) != simdjson::SUCCESS) return std::nullopt;
  return std::string(raw);
}

PeekedEvent peek_event(std::string_view json) {
  thread_local simdjson::ondemand::parser parser;
  const simdjson::padded_string text(json.data(), json.size());
  PeekedEvent peeked;
  for (const bool subject : {true, false}) {
    simdjson::ondemand::document document;
    std::string_view value;
    if (parser.iterate(text).get(document) != simdjson::SUCCESS) return peeked;
    if (document.find_field_unordered(subject ? "subject" : "type").get_string().get(value) == simdjson::SUCCESS)
      (subject ? peeked.subject : peeked.type) = std::string(value);
  }
  return peeked;
}

}  // namespace bukubesar
