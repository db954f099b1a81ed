// Where events go: the server's POST /v1/events, a real broker's topics, or a file.
//
// Order    events with one key keep the order in which they were given; others may overtake one another within one send().
// Errors   a status where it is unknown whether all arrived: sending the same again is harmless, since event ids are deterministic.
//          What the ledger answered is in counts(), never an error: a rejected event is stored and has its reason.
// Threads  one at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "adapters/http_client.h"

namespace bukubesar {

// One record on its way.
struct Outgoing {
  bool reference_topic = false;
  std::string key;                   // the event's subject
  std::optional<std::string> value;  // the event's text; nothing: a null value
  // Not one of our events but bytes that the ledger is meant to reject (demo): goes alone, verbatim, with just this key.
  bool verbatim = false;
};

struct PublishCounts {
  std::uint64_t sent = 0;  // records handed over: by HTTP those answered, by Kafka those acknowledged, to a file those written
  std::uint64_t accepted = 0, same = 0, different = 0, rejected = 0;  // by HTTP only
  std::map<std::string, std::uint64_t> rejected_reasons;              // of `verbatim` ones too
  std::uint64_t verbatim_rejected = 0, verbatim_left_out = 0;         // left out: a line of NDJSON can't hold them
  std::vector<std::string> unexpected;                                // "<subject>: <reason>", of events that were rejected; at most 20
  // Events that the ledger rejected though they were meant to be accepted.
  [[nodiscard]] std::uint64_t unexpected_rejections() const { return rejected - verbatim_rejected; }
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  // Returns when the ledger has committed them (HTTP), or when they are handed over (Kafka, file: see flush).
  [[nodiscard]] virtual absl::Status send(std::span<const Outgoing> records) = 0;
  // Returns when everything that was sent is where it should be.
  [[nodiscard]] virtual absl::Status flush() = 0;
  [[nodiscard]] const PublishCounts& counts() const { return counts_; }

 protected:
  PublishCounts counts_;
};

struct HttpSinkOptions {
  HttpClientOptions client;
  std::uint32_t connections = 4;  // requests in flight
  std::uint32_t batch_events_max = 500;
  std::uint64_t batch_bytes_max = 4U << 20;
};
[[nodiscard]] absl::StatusOr<std::unique_ptr<EventSink>> make_http_sink(const HttpSinkOptions& options);

struct KafkaSinkOptions {
  std::string bootstrap_servers;
  std::string purchases_topic, reference_topic;
  std::string partitioner = "murmur2";            // murmur2 or crc32, as the ledger's definition says
  std::map<std::string, std::string> properties;  // librdkafka's own, from the configuration
  std::uint32_t flush_timeout_ms = 60'000;
};
[[nodiscard]] absl::StatusOr<std::unique_ptr<EventSink>> make_kafka_sink(const KafkaSinkOptions& options);

// One event a line; "-" is standard output.
[[nodiscard]] absl::StatusOr<std::unique_ptr<EventSink>> make_file_sink(const std::string& path);

}  // namespace bukubesar
