// Rules: numbered, frozen versions of the function record → verdict. Duplicates are the intake's to find: a rule sees one record.
//
// Threads  judge() from any thread, one Judge for each thread (it keeps parser buffers).
// Errors   none: whatever the bytes are, the answer is an event or a reason.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "base/ids.h"
#include "events/event.h"
#include "events/payload.h"
#include "events/reason.h"

namespace bukubesar {

inline constexpr std::uint16_t kRulesVersionNewest = 1;

enum class Partitioner : std::uint8_t { murmur2, crc32, any };
[[nodiscard]] std::string_view name_of(Partitioner);
[[nodiscard]] std::optional<Partitioner> parse_partitioner(std::string_view);
// The numbered partition that `key` must have come in. murmur2 as Java clients compute it, crc32 as librdkafka's `consistent`.
// `any` binds no key to a partition: 0.
[[nodiscard]] std::uint32_t partition_of(Partitioner partitioner, std::string_view key, std::uint32_t partitions);

// What of the definition decides a verdict.
struct Routing {
  Partitioner partitioner = Partitioner::murmur2;
  std::uint32_t partitions = 1;
};

struct Judgement {
  Reason reason = Reason::none;  // none: accepted (unless it turns out to be a duplicate)
  // Set where the payload decoded as an event: where it is accepted, and where only its place was wrong (key_mismatch, misrouted,
  // purchase_on_reference_topic, reference_on_purchase_topic). Zero with every other reason.
  Fingerprint fingerprint{};
  const Event* event = nullptr;  // null where rejected; lives in the arena
  std::string detail;            // for people, where rejected: the member and the value, "data.document.amounts.total: 1.234"
};

// Which JSON reader judges: strict_only is for tests and fuzzing, which compare the two.
enum class JsonPath : std::uint8_t { fast_first, strict_only };

class Judge {
 public:
  explicit Judge(Routing routing, JsonPath json_path = JsonPath::fast_first);
  ~Judge();
  Judge(Judge&&) noexcept;
  // rules_version: 1 … kRulesVersionNewest. `payload` must outlive the event, and `arena` too.
  [[nodiscard]] Judgement judge(std::uint16_t rules_version, PartitionId partition, std::string_view payload, Arena& arena);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether two accepted payloads of one (source, id) state the same event: attributes and data equal; other headers do not count.
[[nodiscard]] bool same_event(std::string_view payload_a, std::string_view payload_b);

}  // namespace bukubesar
