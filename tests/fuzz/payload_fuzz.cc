// Payloads of any kind: no crash, both JSON readers agree, and an event's text lives in payload and arena alone.
//
// The first byte of an input chooses the partition and how the rest is read: as a whole payload, as a value in structured mode, or
// as a value in binary mode. The key is then the
// subject, so that decoding and not routing is what is tried.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "events/json.h"
#include "events/rules.h"
#include "tests/events/corpus.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

// What stands between the quotes of the first "subject":"…", as a producer would have set the key.
std::string subject_in(std::string_view value) {
  constexpr std::string_view kBefore = "\"subject\":\"";
  const std::size_t from = value.find(kBefore);
  if (from == std::string_view::npos) return "e-katalog-5/8812345";
  const std::string_view rest = value.substr(from + kBefore.size());
  return std::string(rest.substr(0, rest.find('"')));
}

std::string payload_of(std::uint8_t choice, std::string_view rest) {
  const std::vector<Header> structured = {{"content-type", "application/cloudevents+json"}};
  const std::vector<Header> binary = {{"ce_specversion", "1.0"},
                                      {"ce_type", "id.bukubesar.purchase.ordered.v1"},
                                      {"ce_source", "/feed/fuzz"},
                                      {"ce_id", "1"},
                                      {"ce_subject", "e-katalog-5/8812345"}};
  switch (choice % 3) {
    case 0:
      return std::string(rest);
    case 1:
      return encode_payload(subject_in(rest), structured, rest);
    default:
      return encode_payload("e-katalog-5/8812345", binary, rest);
  }
}

std::string text_of(const Judgement& judgement) {
  std::string text(name_of(judgement.reason));
  text += " | " + judgement.detail + " | ";
  text.append(reinterpret_cast<const char*>(judgement.fingerprint.data()), judgement.fingerprint.size());
  if (judgement.event != nullptr) text += describe(*judgement.event);
  return text;
}

void try_payload(const std::string& payload, PartitionId partition) {
  // An own copy of exactly that size: a read past its end is found.
  const std::unique_ptr<char[]> bytes(new char[payload.size()]);
  std::copy(payload.begin(), payload.end(), bytes.get());
  const std::string_view view(bytes.get(), payload.size());
  Arena arena(256);
  Judgement fast;
  {
    Judge judge{Routing{}};
    fast = judge.judge(1, partition, view, arena);
  }
  // The judge and its buffers are gone: reading a view into them is a use after free.
  Judge strict(Routing{}, JsonPath::strict_only);
  const Judgement slow = strict.judge(1, partition, view, arena);
  require(text_of(fast) == text_of(slow), "both JSON paths give the same judgement");
  require((fast.event != nullptr) == (fast.reason == Reason::none), "an event exactly where nothing is wrong");
  require(fast.detail.empty() == (fast.reason == Reason::none), "a detail exactly where something is wrong");
  require(same_event(view, view), "a payload is the same event as itself");

  PayloadView parsed;
  if (!parse_payload(view, parsed)) return;
  require(encode_payload(parsed.key, parsed.headers, parsed.value) == payload, "one encoding for one payload");
  if (!parsed.value) return;
  FastJsonReader reader;
  JsonTree tree;
  const bool fast_accepts = reader.read(*parsed.value, arena, tree);
  const bool strict_accepts = read_json_strict(*parsed.value, arena, tree).reason == Reason::none;
  require(!fast_accepts || strict_accepts, "the fast reader accepts nothing that the strict one refuses");
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::uint8_t choice = data[0];
  const std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto partition = (choice & 0x80U) != 0 ? bukubesar::PartitionId::reference() : bukubesar::PartitionId(0);
  bukubesar::try_payload(bukubesar::payload_of(choice & 0x7FU, rest), partition);
  return 0;
}
