// CloudEvents headers, binary mode above all: no crash, both JSON readers give one judgement, and an event that is accepted in binary mode
// is the same event when the same attributes are written in structured mode.
//
// An input is text: lines "name: value" (a line without a colon is a header whose value is null; "key: …" is the record's key), an empty
// line, and the value.
#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "events/decoder.h"
#include "events/rules.h"
#include "tests/events/corpus.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

struct Input {
  std::optional<std::string_view> key;
  std::vector<Header> headers;
  std::optional<std::string_view> value;
};

Input read_input(std::string_view text) {
  Input input;
  while (!text.empty()) {
    const auto [line, rest] = fuzz::split_line(text);
    text = rest;
    if (line.empty()) {
      input.value = rest;
      break;
    }
    const std::size_t colon = line.find(':');
    Header header{line.substr(0, colon), std::nullopt};
    if (colon != std::string_view::npos) header.value = line.substr(std::min(line.size(), line.find_first_not_of(' ', colon + 1)));
    if (header.name == "key")
      input.key = header.value;
    else
      input.headers.push_back(header);
    if (header.name == "ce_subject" && !input.key) input.key = header.value;
  }
  return input;
}

// What the judgement says, as text; the event's own bytes are read for it.
std::string text_of(const Judgement& judgement) {
  std::string text(name_of(judgement.reason));
  text += " | " + judgement.detail + " | ";
  text.append(reinterpret_cast<const char*>(judgement.fingerprint.data()), judgement.fingerprint.size());
  if (judgement.event != nullptr) text += describe(*judgement.event);
  return text;
}

// The same event with its attributes inside the value.
std::string structured(const Input& input) {
  std::string json = "{";
  for (const Header& header : input.headers) {
    for (const std::string_view name : {"specversion", "type", "source", "id", "subject", "time"}) {
      if (header.name != "ce_" + std::string(name) || !header.value) continue;
      json += "\"" + std::string(name) + "\":" + nlohmann::json(std::string(*header.value)).dump() + ",";
    }
  }
  return json + "\"data\":" + std::string(*input.value) + "}";
}

void try_headers(std::string_view text) {
  const Input input = read_input(text);
  const std::string payload = encode_payload(input.key, input.headers, input.value);
  PayloadView parsed;
  require(parse_payload(payload, parsed), "what was encoded is a payload");
  require(parsed.key == input.key && parsed.value == input.value && parsed.headers.size() == input.headers.size(), "of the same parts");
  for (const PartitionId partition : {PartitionId(0), PartitionId::reference()}) {
    Arena arena(256);
    Judge judge{Routing{}};
    Judge strict(Routing{}, JsonPath::strict_only);
    const Judgement judgement = judge.judge(1, partition, payload, arena);
    require(text_of(judgement) == text_of(strict.judge(1, partition, payload, arena)), "both JSON paths give the same judgement");
    require(same_event(payload, payload), "a payload is the same event as itself");
    if (judgement.event == nullptr || envelope_of(parsed).mode != ContentMode::binary) continue;
    const std::string twin =
        encode_payload(input.key, std::vector<Header>{{"content-type", "application/cloudevents+json"}}, structured(input));
    const Judgement other = judge.judge(1, partition, twin, arena);
    if (other.reason == Reason::too_deep) continue;  // data stands one level deeper there
    require(other.event != nullptr, "an event of binary mode is one in structured mode");
    require(describe(*judgement.event) == describe(*other.event), "and states the same");
    require(judgement.fingerprint == other.fingerprint, "under the same fingerprint");
  }
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bukubesar::try_headers({reinterpret_cast<const char*>(data), size});
  return 0;
}
