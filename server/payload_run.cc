#include "server/payload_run.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/status.h"

namespace bukubesar {

namespace {
constexpr std::uint8_t kKindPayload = 1;
constexpr std::uint8_t kKindHashOnly = 2;
constexpr std::uint8_t kKindErased = 3;
}  // namespace

std::string encode_payload_run(const std::vector<StoredEntry>& entries) {
  std::string run;
  const auto add = [&run](std::string_view text) {
    append_be(run, static_cast<std::uint32_t>(text.size()));
    run += text;
  };
  for (const StoredEntry& stored : entries) {
    if (stored.payload) {
      append_be(run, kKindPayload);
      add(*stored.payload);
    } else if (stored.redaction != nullptr) {
      append_be(run, kKindErased);
      append_be(run, stored.redaction->by.value());
      run += as_view(stored.redaction->event_digest);
      add(stored.redaction->substitute);
    } else {
      append_be(run, kKindHashOnly);
    }
    if (run.size() >= kPayloadRunBytesMax) break;
  }
  return run;
}

absl::StatusOr<std::vector<RunPayload>> decode_payload_run(std::string_view bytes) {
  std::vector<RunPayload> run;
  ByteReader reader(bytes);
  while (reader.ok() && !reader.at_end()) {
    RunPayload one;
    const auto kind = reader.be<std::uint8_t>();
    if (kind == kKindPayload) {
      one.payload = reader.take(reader.be<std::uint32_t>());
    } else if (kind == kKindErased) {
      auto redaction = std::make_shared<Redaction>();
      redaction->by = Sequence(reader.be<std::uint64_t>());
      const std::string_view digest = reader.take(redaction->event_digest.size());
      std::copy(digest.begin(), digest.end(), reinterpret_cast<char*>(redaction->event_digest.data()));
      redaction->substitute = std::string(reader.take(reader.be<std::uint32_t>()));
      redaction->gone = true;  // it never was here
      one.redaction = std::move(redaction);
    } else if (kind != kKindHashOnly) {
      return invalid_argument("payload run: {} is no kind of payload", kind);
    }
    if (!reader.ok() || run.size() == kPayloadRunEntriesMax) return invalid_argument("payload run: payload {} is cut off", run.size());
    run.push_back(std::move(one));
  }
  return run;
}

}  // namespace bukubesar
