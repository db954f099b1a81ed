// What is asked of a real broker outside the stream: the topic contract, topics to make, the cluster's id.
#include <librdkafka/rdkafka.h>

#include <chrono>
#include <map>
#include <optional>
#include <thread>

#include "base/status.h"
#include "config/broker_security.h"
#include "consumers/intake.h"
#include "consumers/kafka_handle.h"

namespace bukubesar {

namespace {

constexpr int kTimeoutMs = 10'000;
constexpr int kKnownLooks = 100;    // 100 ms apart
constexpr int kCreateRetries = 50;  // DeleteTopic answers before the name is free
constexpr std::int64_t kMessageBytes = 5 << 20;
constexpr std::int64_t kRetentionWarnMs = std::int64_t{30} * 24 * 3600 * 1000;

using Event = std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)>;
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, decltype(&rd_kafka_AdminOptions_destroy)>;

Options admin_options(rd_kafka_t* handle, rd_kafka_admin_op_t operation, int timeout_ms = kTimeoutMs) {
  Options options(rd_kafka_AdminOptions_new(handle, operation), &rd_kafka_AdminOptions_destroy);
  char text[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, text, sizeof text);
  return options;
}

Event wait_event(rd_kafka_queue_t* queue, int timeout_ms = kTimeoutMs) {
  return {rd_kafka_queue_poll(queue, timeout_ms * 2), &rd_kafka_event_destroy};
}

using TopicSettings = std::map<std::string, std::string>;

absl::Status no_settings(const std::string& topic, rd_kafka_resp_err_t error, const char* why) {
  const std::string text = fmt::format("settings of topic {}: {}", topic, why == nullptr ? rd_kafka_err2str(error) : why);
  const bool refused = error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
  return refused ? absl::PermissionDeniedError(text) : absl::UnavailableError(text);
}

// PermissionDenied: the principal may not ask. Unavailable: no answer this time.
absl::StatusOr<TopicSettings> describe(rd_kafka_t* handle, const std::string& topic, int timeout_ms) {
  const KafkaQueue queue(rd_kafka_queue_new(handle));
  const Options options = admin_options(handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout_ms);
  rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
  rd_kafka_DescribeConfigs(handle, &resource, 1, options.get(), queue.get());
  rd_kafka_ConfigResource_destroy(resource);
  const Event event = wait_event(queue.get(), timeout_ms);
  if (event == nullptr) return unavailable("no answer about the settings of topic {}", topic);
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return no_settings(topic, error, rd_kafka_event_error_string(event.get()));
  std::size_t count = 0;
  const rd_kafka_ConfigResource_t** found =
      rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  if (count != 1) return unavailable("settings of topic {}: no answer", topic);
  if (const auto error = rd_kafka_ConfigResource_error(found[0]); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return no_settings(topic, error, rd_kafka_ConfigResource_error_string(found[0]));
  const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(found[0], &count);
  TopicSettings settings;
  for (std::size_t i = 0; i < count; ++i) {
    const char* const value = rd_kafka_ConfigEntry_value(entries[i]);
    settings[rd_kafka_ConfigEntry_name(entries[i])] = value == nullptr ? "" : value;
  }
  return settings;
}

std::int64_t number(const TopicSettings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() || found->second.empty() ? 0 : std::strtoll(found->second.c_str(), nullptr, 10);
}
std::string text(const TopicSettings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? "" : found->second;
}

struct Topic {
  std::string name;
  int partitions = 1;
  bool log_append_time = true;
};

void check_settings(const Topic& topic, const TopicSettings& settings, int replicas, std::vector<ContractFinding>& findings) {
  const auto add = [&](bool fatal, std::string what) { findings.push_back({fatal, fmt::format("topic {}: {}", topic.name, what)}); };
  if (const std::int64_t bytes = number(settings, "max.message.bytes"); bytes < kMessageBytes) {
    add(false, fmt::format("max.message.bytes is {}, should be at least {}: larger events are refused by Kafka", bytes, kMessageBytes));
  }
  if (const std::string policy = text(settings, "cleanup.policy"); policy != "delete") {
    add(true, fmt::format("cleanup.policy is {}, must be delete: compaction removes records that the ledger has to account for", policy));
  }
  const std::int64_t retention_ms = number(settings, "retention.ms");
  if (retention_ms >= 0 && retention_ms < kRetentionWarnMs) {
    add(true, fmt::format("retention.ms is {}, must be -1 (unlimited), 30 days ({}) at the very least", retention_ms, kRetentionWarnMs));
  } else if (retention_ms >= 0) {
    add(false, fmt::format("retention.ms is {}, should be -1 (unlimited): history that Kafka drops cannot be read again", retention_ms));
  }
  if (const std::int64_t bytes = number(settings, "retention.bytes"); bytes >= 0) {
    add(false, fmt::format("retention.bytes is {}, should be -1 (unlimited)", bytes));
  }
  if (text(settings, "unclean.leader.election.enable") == "true") {
    add(true, "unclean.leader.election.enable is true, must be false: acknowledged records could vanish");
  }
  if (const std::string type = text(settings, "message.timestamp.type"); topic.log_append_time && type != "LogAppendTime") {
    add(true,
        fmt::format(
            "message.timestamp.type is {}, must be LogAppendTime: ledger time comes from it (or the definition says \"clock\":\"none\")",
            type));
  }
  if (const std::int64_t in_sync = number(settings, "min.insync.replicas"); replicas > 1 && in_sync < 2) {
    add(true, fmt::format("min.insync.replicas is {} with {} replicas, must be at least 2", in_sync, replicas));
  }
}

struct Shape {
  int partitions = 0, replicas = 0;
};

absl::StatusOr<Shape> shape_of(rd_kafka_t* handle, const std::string& topic, int timeout_ms) {
  ASSIGN_OR_RETURN(const int partitions, kafka_partition_count(handle, topic, timeout_ms));
  const rd_kafka_metadata_t* metadata = nullptr;
  ASSIGN_OR_RETURN(const KafkaTopic handle_of_topic, make_kafka_topic(handle, topic));
  const rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, handle_of_topic.get(), &metadata, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("no broker answers: {}", rd_kafka_err2str(error));
  Shape shape{partitions, 0};
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    if (metadata->topics[i].partition_cnt > 0) shape.replicas = metadata->topics[i].partitions[0].replica_cnt;
  }
  rd_kafka_metadata_destroy(metadata);
  return shape;
}

// The topics that the definition's newest sources name; by the configuration where there is no definition yet.
std::vector<Topic> topics_of(const Config& config, const Definition* definition) {
  if (definition == nullptr || definition->sources.empty()) {
    return {{config.broker.purchases_topic, static_cast<int>(config.ledger.partitions)}, {config.broker.reference_topic, 1}};
  }
  std::map<std::string, int> counts;
  for (const PartitionId partition : definition->all_partitions()) {
    const SourceStatement* const source = definition->source_of(partition);
    if (source == nullptr) continue;
    int& count = counts[source->topic];
    count = std::max(count, source->kafka_partition + 1);
  }
  std::vector<Topic> topics;
  for (const auto& [name, count] : counts) topics.push_back({name, count, definition->clock == LedgerClock::kafka});
  return topics;
}

void check_sources(const Definition& definition, const std::string& cluster, const std::string& servers,
                   std::vector<ContractFinding>& findings) {
  for (const PartitionId partition : definition.all_partitions()) {
    const SourceStatement* const source = definition.source_of(partition);
    if (source == nullptr) {
      findings.push_back({true, fmt::format("partition {}: the definition has no source for it", partition.name())});
    } else if (source->cluster != cluster) {
      findings.push_back({true, fmt::format("partition {}: the definition's source is cluster {}, {} is cluster {}", partition.name(),
                                            source->cluster, servers, cluster)});
    }
  }
}

absl::Status check_topic(rd_kafka_t* handle, const Topic& topic, int timeout_ms, std::vector<ContractFinding>& findings) {
  const absl::StatusOr<Shape> shape = shape_of(handle, topic.name, timeout_ms);
  if (absl::IsNotFound(shape.status())) {
    findings.push_back({true, fmt::format("topic {} does not exist: create it (--create-topics, or broker.create_topics)", topic.name)});
    return absl::OkStatus();
  }
  if (!shape.ok()) return shape.status();
  if (shape->partitions != topic.partitions) {
    findings.push_back({true, fmt::format("topic {} has {} partitions, the ledger {}: the count is fixed for a ledger's life", topic.name,
                                          shape->partitions, topic.partitions)});
  }
  const absl::StatusOr<TopicSettings> settings = describe(handle, topic.name, timeout_ms);
  if (absl::IsPermissionDenied(settings.status())) {  // one may read the topic and not its settings
    findings.push_back({false, fmt::format("{}: the topic contract cannot be checked", message_of(settings.status()))});
    return absl::OkStatus();
  }
  if (!settings.ok()) return settings.status();
  check_settings(topic, *settings, shape->replicas, findings);
  return absl::OkStatus();
}

// Remembers what went wrong with a connection, which the request that waited for it does not say.
class Trouble final : public KafkaCallbacks {
 public:
  void on_error(std::string_view text) override {
    if (first_.empty()) first_ = text;
  }
  [[nodiscard]] const std::string& first() const { return first_; }

 private:
  std::string first_;
};

// Runs `work` on a handle of its own.
template <class Work>
auto ask_broker(const Config& config, Work work) -> decltype(work(static_cast<rd_kafka_t*>(nullptr))) {
  Trouble trouble;
  ASSIGN_OR_RETURN(const KafkaHandle handle, make_kafka_handle(KafkaRole::producer, kafka_address(config.broker), {}, &trouble));
  auto result = work(handle.get());
  if (result.ok()) return result;
  rd_kafka_poll(handle.get(), 0);
  absl::Status status;
  if constexpr (std::is_same_v<decltype(result), absl::Status>)
    status = result;
  else
    status = result.status();
  if (trouble.first().empty()) return status;
  return absl::Status(status.code(), fmt::format("{}: {}", message_of(status), trouble.first()));
}

absl::StatusOr<std::string> cluster_id_of(rd_kafka_t* handle, const std::string& servers, int timeout_ms = kTimeoutMs) {
  char* const id = rd_kafka_clusterid(handle, timeout_ms);
  if (id == nullptr) return unavailable("no broker answers at {}", servers);
  std::string text = id;
  rd_kafka_mem_free(handle, id);
  return text;
}

// True where the topic stands afterwards; false: its name is not free yet.
absl::StatusOr<bool> create_topic(rd_kafka_t* handle, const Topic& topic, std::uint32_t replicas) {
  char error_text[512];
  const std::unique_ptr<rd_kafka_NewTopic_t, decltype(&rd_kafka_NewTopic_destroy)> wanted(
      rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions, static_cast<int>(replicas), error_text, sizeof error_text),
      &rd_kafka_NewTopic_destroy);
  if (wanted == nullptr) return invalid_argument("topic {}: {}", topic.name, error_text);
  TopicSettings settings = {{"retention.ms", "-1"},
                            {"retention.bytes", "-1"},
                            {"message.timestamp.type", "LogAppendTime"},
                            {"max.message.bytes", std::to_string(kMessageBytes)},
                            {"cleanup.policy", "delete"},
                            {"unclean.leader.election.enable", "false"}};
  if (replicas > 1) settings["min.insync.replicas"] = "2";
  for (const auto& [name, value] : settings) rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str());
  const KafkaQueue queue(rd_kafka_queue_new(handle));
  const Options options = admin_options(handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
  rd_kafka_AdminOptions_set_operation_timeout(options.get(), kTimeoutMs, error_text, sizeof error_text);
  rd_kafka_NewTopic_t* list[] = {wanted.get()};
  rd_kafka_CreateTopics(handle, list, 1, options.get(), queue.get());
  const Event event = wait_event(queue.get());
  if (event == nullptr) return unavailable("topic {}: no answer to its creation", topic.name);
  if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return unavailable("topic {}: {}", topic.name, rd_kafka_event_error_string(event.get()));
  }
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  if (count != 1) return unavailable("topic {}: no answer to its creation", topic.name);
  const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
  if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
  if (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) return kafka_partition_count(handle, topic.name, kTimeoutMs).ok();
  const char* const why = rd_kafka_topic_result_error_string(results[0]);
  const std::string words = why != nullptr ? why : rd_kafka_err2str(error);
  return failed_precondition("topic {}: {}{}", topic.name, words, broker_advice(rd_kafka_err2str(error)));
}

// The first and the next offset. Made is not known yet: for a moment the broker still says that there is no such topic, or no leader.
rd_kafka_resp_err_t ends_of(rd_kafka_t* handle, const std::string& topic, int partition, std::int64_t& low, std::int64_t& high) {
  rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
  for (int look = 0; look < kKnownLooks; ++look) {
    if (look > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    error = rd_kafka_query_watermark_offsets(handle, topic.c_str(), partition, &low, &high, kTimeoutMs);
    const bool may_pass = error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION || error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
                          error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                          error == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (!may_pass) return error;
  }
  return error;
}

absl::Status wait_until_known(rd_kafka_t* handle, const Topic& topic) {
  for (int partition = 0; partition < topic.partitions; ++partition) {
    std::int64_t low = 0, high = 0;
    const rd_kafka_resp_err_t error = ends_of(handle, topic.name, partition, low, high);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return unavailable("topic {}: it was made, but the broker does not answer for it: {}", topic.name, rd_kafka_err2str(error));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<ContractFinding>> check_topic_contract(const Config& config, const Definition* definition,
                                                                  std::chrono::milliseconds timeout) {
  const int timeout_ms = static_cast<int>(timeout.count());
  std::vector<ContractFinding> findings;
  if (config.broker.kind == BrokerKind::embedded) return findings;  // it does not answer such questions, and keeps nothing
  const absl::Status asked = ask_broker(config, [&](rd_kafka_t* handle) -> absl::Status {
    ASSIGN_OR_RETURN(const std::string cluster, cluster_id_of(handle, config.broker.bootstrap_servers, timeout_ms));
    if (definition != nullptr) check_sources(*definition, cluster, config.broker.bootstrap_servers, findings);
    for (const Topic& topic : topics_of(config, definition)) RETURN_IF_ERROR(check_topic(handle, topic, timeout_ms, findings));
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(asked);
  return findings;
}

absl::Status create_topics(const Config& config, std::uint32_t partitions) {
  if (config.broker.kind == BrokerKind::embedded) return absl::OkStatus();  // it makes its own
  return ask_broker(config, [&](rd_kafka_t* handle) -> absl::Status {
    for (const Topic& topic :
         {Topic{config.broker.purchases_topic, static_cast<int>(partitions)}, Topic{config.broker.reference_topic, 1}}) {
      const auto there = kafka_partition_count(handle, topic.name, kTimeoutMs);
      if (there.ok()) continue;
      if (!absl::IsNotFound(there.status())) return there.status();
      bool stands = false;
      for (int i = 0; i < kCreateRetries && !stands; ++i) {
        if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
        ASSIGN_OR_RETURN(stands, create_topic(handle, topic, config.broker.replication_factor));
      }
      if (!stands) return unavailable("topic {}: its name does not become free", topic.name);
      RETURN_IF_ERROR(wait_until_known(handle, topic));
    }
    return absl::OkStatus();
  });
}

absl::Status check_broker_settings(const Config& config) {
  if (config.broker.kind == BrokerKind::embedded) return absl::OkStatus();
  return make_kafka_handle(KafkaRole::producer, kafka_address(config.broker), {}, nullptr).status();
}

absl::StatusOr<std::string> cluster_id(const Config& config) {
  if (config.broker.kind == BrokerKind::embedded) return std::string(kEmbeddedCluster);
  return ask_broker(config, [&](rd_kafka_t* handle) { return cluster_id_of(handle, config.broker.bootstrap_servers); });
}

absl::StatusOr<Offset> first_offset_of(const Config& config, const std::string& topic, std::int32_t kafka_partition) {
  if (config.broker.kind == BrokerKind::embedded) return Offset(0);
  return ask_broker(config, [&](rd_kafka_t* handle) -> absl::StatusOr<Offset> {
    ASSIGN_OR_RETURN(const int partitions, kafka_partition_count(handle, topic, kTimeoutMs));
    if (kafka_partition >= partitions) return not_found("topic {} has no partition {}", topic, kafka_partition);
    std::int64_t low = 0, high = 0;
    const rd_kafka_resp_err_t error = ends_of(handle, topic, kafka_partition, low, high);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return unavailable("{} [{}]: {}{}", topic, kafka_partition, rd_kafka_err2str(error), broker_advice(rd_kafka_err2str(error)));
    return Offset(low);
  });
}

}  // namespace bukubesar
