// The Kafka sink: view changes to a compacted topic, for as long as it is wanted. Whatever does not answer is tried again, with backoff.
//
// Threads  one.
// Errors   what trying again would not change: another writer, a topic that is not compacted, an unknown view, no role to read.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http_client.h"
#include "adapters/kafka_changelog.h"

namespace bukubesar {

struct KafkaSinkRun {
  HttpClientOptions client;
  KafkaChangelogOptions topic;
  std::vector<std::string> views;   // empty: all standing views
  std::uint32_t interval_ms = 500;  // between two looks at the server
  bool once = false;                // end when the topic is where the server is; then nothing is tried again
  std::function<void(std::string_view)> say;
};

struct KafkaSinkStatus {
  std::string cut;
  std::uint64_t records = 0, transactions = 0;  // written by this run
};
[[nodiscard]] absl::StatusOr<KafkaSinkStatus> run_kafka_sink(const KafkaSinkRun& run, const std::atomic<bool>& stopping);

}  // namespace bukubesar
