// KafkaChangelog: a compacted topic of view changes, read back at the start, written one transaction for each cut.
//
// Exactly once  The producer is transactional: whoever was there before is fenced off, and what it had begun is undone, before the topic is
//               read; so what a reader of committed records sees is the topic at the cut that it carries, and the next transaction begins
//               there.
// Threads       one at a time.
// Errors        Unavailable: the broker did not answer; make a new one and go on. FailedPrecondition: fenced off by another writer, or the
//               topic is not compacted. NotFound: there is no such topic.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/view_changes.h"

namespace bukubesar {

struct KafkaChangelogOptions {
  std::string bootstrap_servers, topic;
  std::map<std::string, std::string> properties;  // librdkafka's own, from the configuration
  bool create_topic = false;
  std::uint32_t timeout_ms = 30'000;
};

class KafkaChangelog {
 public:
  static absl::StatusOr<std::unique_ptr<KafkaChangelog>> open(const KafkaChangelogOptions& options);
  ~KafkaChangelog();
  // What the topic says, by view.
  [[nodiscard]] const std::map<std::string, ViewRows>& views() const;
  // All of it or nothing; views() says it then.
  [[nodiscard]] absl::Status write(const std::vector<ViewRecord>& records);

 private:
  struct Impl;
  explicit KafkaChangelog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
