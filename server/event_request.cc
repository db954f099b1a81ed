#include "server/event_request.h"

#include <algorithm>

#include "base/status.h"
#include "events/json_peek.h"
#include "server/json.h"
#include "server/query.h"

namespace bukubesar {

namespace {

constexpr std::string_view kStructured = "application/cloudevents+json";
constexpr std::string_view kBatch = "application/cloudevents-batch+json";

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "Application/CloudEvents+JSON; charset=utf-8" → "application/cloudevents+json"
std::string media_type(std::string_view content_type) {
  std::string type(trimmed(content_type.substr(0, content_type.find(';'))));
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return type;
}

bool is_reference_type(std::string_view type) {
  for (std::string_view prefix : {"id.bukubesar.reference.", "id.bukubesar.source.", "id.bukubesar.ledger."})
    if (type.substr(0, prefix.size()) == prefix) return true;
  return false;
}

// content_type: as it was said, parameters included, since the rules judge them.
OutgoingRecord structured_record(std::string_view value, std::string_view content_type) {
  OutgoingRecord record;
  PeekedEvent peek = peek_event(value);
  record.key = std::move(peek.subject);
  record.reference_topic = peek.type && is_reference_type(*peek.type);
  record.headers.emplace_back("content-type", content_type);
  record.value = std::string(value);
  return record;
}

// "\"a\\\"b\"" → "a\"b": what older versions of the binding wrote instead of percent-encoding blanks and quotes.
std::string unquoted(std::string_view value) {
  if (value.size() < 2 || value.front() != '"' || value.back() != '"') return std::string(value);
  std::string text;
  for (std::size_t at = 1; at + 1 < value.size(); ++at) {
    if (value[at] == '\\' && at + 2 < value.size()) ++at;
    text.push_back(value[at]);
  }
  return text;
}

// Source: CloudEvents HTTP protocol binding 1.0.2, §3.1.3.2: so that the event is the same one, whichever mode it came in.
absl::StatusOr<OutgoingRecord> binary_record(const ServerRequest& request) {
  OutgoingRecord record;
  for (const auto& [name, value] : request.headers) {
    if (name == "content-type") record.headers.emplace_back(name, value);
    if (name.substr(0, 3) != "ce-") continue;
    const auto decoded = percent_decode(unquoted(value));
    if (!decoded) return invalid_argument("header {}: '{}' is not percent-encoded: a percent sign itself is %25", name, value);
    record.headers.emplace_back("ce_" + name.substr(3), *decoded);
    if (name == "ce-subject") record.key = *decoded;
    if (name == "ce-type") record.reference_topic = is_reference_type(*decoded);
  }
  record.value = request.body;
  return record;
}

EventRequest refusal(unsigned status, std::string why) {
  EventRequest refused;
  refused.refused = status;
  refused.why = std::move(why);
  return refused;
}

}  // namespace

absl::StatusOr<std::vector<std::string_view>> split_json_array(std::string_view text) {
  const std::string_view array = trimmed(text);
  if (array.empty() || array.front() != '[') return invalid_argument("a batch is a JSON array of events");
  // For nlohmann/json a NUL is the end: what stands behind it would be neither refused nor published.
  if (!Json::accept(array) || array.find('\0') != std::string_view::npos)
    return invalid_argument("the batch is no valid JSON (RFC 8259, UTF-8); nothing of it was published");
  std::vector<std::string_view> elements;
  std::size_t depth = 0;
  std::size_t start = 1;
  bool in_string = false;
  for (std::size_t at = 0; at < array.size(); ++at) {
    const char c = array[at];
    if (in_string) {
      if (c == '\\')
        ++at;
      else if (c == '"')
        in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    const bool ends = (c == ',' && depth == 1) || depth == 0;
    if (!ends) continue;
    const std::string_view element = trimmed(array.substr(start, at - start));
    if (!element.empty()) elements.push_back(element);  // only "[]" has an empty one: the text is valid
    start = at + 1;
  }
  return elements;
}

EventRequest parse_event_request(const ServerRequest& request) {
  EventRequest parsed;
  const std::string_view content_type = request.header("content-type").value_or("");
  const std::string type = media_type(content_type);
  bool binary = false;
  for (const auto& [name, value] : request.headers) binary = binary || name.substr(0, 3) == "ce-";
  if (type == kBatch) {
    const auto elements = split_json_array(request.body);
    if (!elements.ok()) return refusal(400, message_of(elements.status()));
    // What was said of the batch was said of each of its events.
    const std::string of_each =
        std::string(kStructured) + std::string(content_type.substr(std::min(content_type.find(';'), content_type.size())));
    parsed.records.reserve(elements->size());
    for (std::string_view element : *elements) parsed.records.push_back(structured_record(element, of_each));
  } else if (type == kStructured) {
    parsed.records.push_back(structured_record(request.body, content_type));
  } else if (binary) {
    auto record = binary_record(request);
    if (!record.ok()) return refusal(400, message_of(record.status()));
    parsed.records.push_back(*std::move(record));
  } else {
    return refusal(415, fmt::format("content-type '{}': send {}, {}, or the binary mode with ce-… headers", type, kStructured, kBatch));
  }
  const auto key = request.header("bukubesar-key");
  const auto topic = request.header("bukubesar-topic");
  if (topic && *topic != "reference" && *topic != "purchases") return refusal(400, "Bukubesar-Topic is reference or purchases");
  for (OutgoingRecord& record : parsed.records) {
    if (key) record.key = std::string(*key);
    if (topic) record.reference_topic = *topic == "reference";
    // An empty body is a null value: no CloudEvent is empty, and HTTP has no other way to say it.
    if (record.value && record.value->empty()) record.value.reset();
  }
  return parsed;
}

}  // namespace bukubesar
