// kafka_handle: what every librdkafka handle of ours shares: settings, callbacks, logging, and who frees it.
//
// Threads  callbacks run on the thread that polls the handle.
// Limits   librdkafka 2.0.2; librdkafka itself is included by kafka_*.cc only, so its types are only named here.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "config/config.h"

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_queue_s;
struct rd_kafka_message_s;

namespace bukubesar {

using KafkaSettings = std::vector<std::pair<std::string, std::string>>;

// Where to, and as whom. Files that `broker` names are read whenever a handle is made.
struct KafkaAddress {
  std::string bootstrap_servers;
  BrokerConfig broker;
};
[[nodiscard]] KafkaAddress kafka_address(const BrokerConfig& config);

class KafkaCallbacks {
 public:
  virtual ~KafkaCallbacks() = default;
  // A connection was lost or refused, or the handle is fatally wrong. The text is the same for the same trouble, and says what to look at.
  virtual void on_error(std::string_view text) = 0;
  virtual void on_delivery(const rd_kafka_message_s* /*message*/) {}
  // The leader refused a fetch (no such topic, not the leader any more, …) and librdkafka tries again by itself. Only of a handle with
  // `debug` "topic"; called at once, on librdkafka's own thread, before the next fetch of that partition.
  virtual void on_fetch_refused(std::string_view /*text*/) {}
};

enum class KafkaRole : std::uint8_t { consumer, producer };

struct KafkaHandleDeleter {
  void operator()(rd_kafka_s* handle) const;
};
struct KafkaTopicDeleter {
  void operator()(rd_kafka_topic_s* topic) const;
};
struct KafkaQueueDeleter {
  void operator()(rd_kafka_queue_s* queue) const;
};
struct KafkaMessageDeleter {
  void operator()(rd_kafka_message_s* message) const;
};
using KafkaHandle = std::unique_ptr<rd_kafka_s, KafkaHandleDeleter>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_s, KafkaTopicDeleter>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_s, KafkaQueueDeleter>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_s, KafkaMessageDeleter>;

// `fixed` wins over the operator's settings: it is what the design insists on. `callbacks` must outlive the handle; may be null.
// InvalidArgument names the setting that librdkafka refuses; other errors are of broker_properties().
[[nodiscard]] absl::StatusOr<KafkaHandle> make_kafka_handle(KafkaRole role, const KafkaAddress& address, const KafkaSettings& fixed,
                                                            KafkaCallbacks* callbacks);
// With the topic settings of its handle: librdkafka ignores other ones where it has met the topic before, in a metadata request for
// instance.
[[nodiscard]] absl::StatusOr<KafkaTopic> make_kafka_topic(rd_kafka_s* handle, const std::string& name);

// Gives a handle that lives on the password that the file has now.
[[nodiscard]] absl::Status renew_password(rd_kafka_s* handle, const KafkaAddress& address);

// Partition count of a topic, asked of the broker. NotFound where there is no such topic; Unavailable where no broker answered.
[[nodiscard]] absl::StatusOr<int> kafka_partition_count(rd_kafka_s* handle, const std::string& topic, int timeout_ms);

}  // namespace bukubesar
