// Definition: the file that makes a ledger what it is. JSON Lines, one statement a line, appended to and never rewritten.
//
//   {"ledger":{"name":"kalsel","format":1,"partitions":1,"partitioner":"murmur2","clock":"kafka","zone":"+08:00"}}   first line
//   {"rules":{"version":1,"from":"1970-01-01T00:00:00Z"}}             from a ledger time on; or
//   {"rules":{"version":2,"from":{"partition":"0","epoch":0,"offset":812}}}     (CreateTime source) from an offset on
//   {"source":{"epoch":0,"partition":"0","cluster":"…","topic":"…","kafka_partition":0,"first_offset":0,"transactional":false,
//              "size":0,"root":"<base64>","reason":"…","decided_by":"…"}}       size and root: what it continues from
//   {"feed":{"system":"e-katalog-6","institution":"*","source":"/feed/inaproc-realisasi"}}
//   {"authority":{"source":"/feed/inspectorate"}}
//
// Threads  a Definition is a value; DefinitionFile belongs to one thread.
// Errors   InvalidArgument "definition.jsonl:7: …", one line for each thing that is wrong.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace bukubesar {

// Where ledger time comes from: Kafka's LogAppendTime; the stamp that only our intake sets (embedded broker); or none,
// where the topic has CreateTime: then as-of is by cut only.
enum class LedgerClock : std::uint8_t { kafka, intake, none };

struct SourceStatement {
  Epoch epoch;
  PartitionId partition;
  std::string cluster;
  std::string topic;
  std::int32_t kafka_partition = 0;
  Offset first_offset{0};
  bool transactional = false;
  std::uint64_t size = 0;  // entries that it continues from
  std::string root;        // 32 bytes; of the tree of that size
  std::string reason;
  std::string decided_by;
  std::string line;  // verbatim, without its newline: the value of the source statement's payload
};

struct RulesStatement {
  std::uint16_t version = 1;
  std::optional<std::int64_t> from_ledger_time_ms;  // exactly one of the two forms
  struct Place {
    PartitionId partition;
    Epoch epoch;
    Offset offset;
  };
  std::optional<Place> from_place;
};

struct FeedStatement {
  std::string system, institution, source;  // institution "*": every one without a line of its own
};

struct Definition {
  std::string name;  // key-name safe: no space, no '+', no '/', no control characters
  std::uint32_t partitions = 1;
  std::string partitioner = "murmur2";
  LedgerClock clock = LedgerClock::kafka;
  int zone_minutes = 480;
  std::vector<RulesStatement> rules;
  std::vector<SourceStatement> sources;
  std::vector<FeedStatement> feeds;
  std::vector<std::string> authorities;
  std::string text;  // the file, verbatim: what was there once stays, byte for byte

  // The numbered partitions, then the reference partition.
  [[nodiscard]] std::vector<PartitionId> all_partitions() const;
  // The newest source statement of the partition; null where there is none.
  [[nodiscard]] const SourceStatement* source_of(PartitionId partition) const;
  [[nodiscard]] const SourceStatement* source_of(PartitionId partition, Epoch epoch) const;
  // The checkpoint origin, `<name>/<partition>`.
  [[nodiscard]] std::string origin(PartitionId partition) const;
  // The rules version for a record with this ledger time, epoch and offset.
  [[nodiscard]] std::uint16_t rules_version(PartitionId partition, Epoch epoch, Offset offset, std::int64_t ledger_time_ms) const;
};

[[nodiscard]] absl::StatusOr<Definition> parse_definition(std::string_view text, std::string_view file_name);

// One line of the file, without newline, for each statement: what the operator gives to every node.
[[nodiscard]] std::string to_line(const SourceStatement& statement);
[[nodiscard]] std::string to_line(const RulesStatement& statement);
[[nodiscard]] std::string to_line(const FeedStatement& statement);
[[nodiscard]] std::string authority_line(std::string_view source);
[[nodiscard]] std::string ledger_line(const Definition& definition);
// All lines: the ledger's, then rules, sources (verbatim where they were read), feeds and authorities.
[[nodiscard]] std::string to_text(const Definition& definition);

// The file on this node. Lines are only ever added, each synced before it is acted on.
// Threads  definition() from any, beside one that appends; what it returned stays as it was.
class DefinitionFile {
 public:
  static absl::StatusOr<DefinitionFile> load(const std::string& path);
  // Rules version 1 from the beginning is added where `first` names no rules. FailedPrecondition where the file exists.
  static absl::StatusOr<DefinitionFile> create(const std::string& path, const Definition& first);
  [[nodiscard]] const Definition& definition() const { return *newest_->load(); }
  [[nodiscard]] const std::string& path() const { return path_; }
  // The definition as it would be with the line. InvalidArgument where it is refused.
  [[nodiscard]] absl::StatusOr<Definition> with(std::string_view line) const;
  // Parses the line with all that stands before it, appends it and syncs; the file is unchanged where it is refused.
  // FailedPrecondition where somebody else changed the file since it was read.
  [[nodiscard]] absl::Status append(std::string_view line);

 private:
  std::string path_;
  void take(Definition definition);
  std::string text_;
  std::vector<std::unique_ptr<const Definition>> versions_;  // every one that was given out
  std::unique_ptr<std::atomic<const Definition*>> newest_ = std::make_unique<std::atomic<const Definition*>>();
};

}  // namespace bukubesar
