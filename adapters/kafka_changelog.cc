#include "adapters/kafka_changelog.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "base/status.h"
#include "config/broker_security.h"
#include "config/settings.h"

namespace bukubesar {

namespace {

constexpr int kPollMs = 200;

struct ErrorDeleter {
  void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
};
using Error = std::unique_ptr<rd_kafka_error_t, ErrorDeleter>;
struct ClientDeleter {
  void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
};
using Client = std::unique_ptr<rd_kafka_t, ClientDeleter>;
struct ListDeleter {
  void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
};
using PartitionList = std::unique_ptr<rd_kafka_topic_partition_list_t, ListDeleter>;

absl::Status status_of(std::string_view what, rd_kafka_resp_err_t code, std::string_view words) {
  const std::string text = fmt::format("kafka: {}: {}{}", what, words, broker_advice(words));
  if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH)
    return absl::FailedPreconditionError(text + ": another writer has taken over this topic");
  if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || code == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
      code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
    return absl::FailedPreconditionError(text);
  return absl::UnavailableError(text);
}

absl::Status status_of(std::string_view what, const Error& error) {
  if (error == nullptr) return absl::OkStatus();
  return status_of(what, rd_kafka_error_code(error.get()), rd_kafka_error_string(error.get()));
}

absl::StatusOr<Client> make_client(rd_kafka_type_t type, const std::map<std::string, std::string>& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512] = "";
  for (const auto& [name, value] : settings) {
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) continue;
    rd_kafka_conf_destroy(conf);
    return is_secret_property(name) ? invalid_argument("kafka: {}: librdkafka refuses its value", name)
                                    : invalid_argument("kafka: {} = {}: {}", name, value, std::string(text));
  }
  rd_kafka_conf_set_log_cb(conf, nullptr);
  Client client(rd_kafka_new(type, conf, text, sizeof text));
  if (client == nullptr) {
    rd_kafka_conf_destroy(conf);
    return unavailable("kafka: {}", std::string(text));
  }
  return client;
}

}  // namespace

struct KafkaChangelog::Impl {
  explicit Impl(const KafkaChangelogOptions& given) : options(given) {}

  [[nodiscard]] std::map<std::string, std::string> settings_with(std::map<std::string, std::string> own) const {
    std::map<std::string, std::string> all = options.properties;
    for (auto& [name, value] : own) all[name] = std::move(value);
    all["bootstrap.servers"] = options.bootstrap_servers;
    return all;
  }
  absl::Status find_topic();
  absl::Status create_topic();
  absl::Status check_policy();
  absl::Status read_all();
  absl::Status read_partitions(rd_kafka_t* consumer, std::map<std::int32_t, std::int64_t> ends);
  // Runs one call of the admin interface and returns its event.
  template <class Call>
  rd_kafka_event_t* admin(Call call) const;

  const KafkaChangelogOptions options;
  Client producer;
  std::int32_t partitions = 0;
  std::map<std::string, ViewRows> views;
};

absl::Status KafkaChangelog::Impl::find_topic() {
  for (bool created = false;;) {
    rd_kafka_topic_t* const topic = rd_kafka_topic_new(producer.get(), options.topic.c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(producer.get(), 0, topic, &metadata, static_cast<int>(options.timeout_ms));
    rd_kafka_topic_destroy(topic);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return status_of(options.bootstrap_servers, error, rd_kafka_err2str(error));
    const auto of_topic = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(metadata);
    if (of_topic == RD_KAFKA_RESP_ERR_NO_ERROR && partitions > 0) return check_policy();
    if (of_topic != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && !created)
      return status_of("topic " + options.topic, of_topic, rd_kafka_err2str(of_topic));
    if (!options.create_topic)
      return not_found("kafka {}: no topic {}; --create-topic makes it, compacted", options.bootstrap_servers, options.topic);
    if (!created) RETURN_IF_ERROR(create_topic());
    created = true;
  }
}

template <class Call>
rd_kafka_event_t* KafkaChangelog::Impl::admin(Call call) const {
  rd_kafka_queue_t* const queue = rd_kafka_queue_new(producer.get());
  call(queue);
  rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, static_cast<int>(options.timeout_ms));
  rd_kafka_queue_destroy(queue);
  return event;
}

absl::Status KafkaChangelog::Impl::create_topic() {
  char text[512] = "";
  rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(options.topic.c_str(), 1, -1, text, sizeof text);
  if (topic == nullptr) return invalid_argument("kafka: topic {}: {}", options.topic, std::string(text));
  rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
  rd_kafka_event_t* const event = admin([&](rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(producer.get(), &topic, 1, nullptr, queue); });
  rd_kafka_NewTopic_destroy(topic);
  if (event == nullptr) return unavailable("kafka: making topic {}: no answer", options.topic);
  absl::Status status;
  if (const auto error = rd_kafka_event_error(event); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    status = status_of("making topic " + options.topic, error, rd_kafka_event_error_string(event));
  if (const auto* result = rd_kafka_event_CreateTopics_result(event)) {
    std::size_t count = 0;
    const auto* const* topics = rd_kafka_CreateTopics_result_topics(result, &count);
    for (std::size_t i = 0; i < count; ++i)
      if (const auto error = rd_kafka_topic_result_error(topics[i]);
          error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        status = status_of("making topic " + options.topic, error, rd_kafka_err2str(error));
  }
  rd_kafka_event_destroy(event);
  return status;
}

// Without compaction the topic grows for ever; with deletion rows are lost that never change.
absl::Status KafkaChangelog::Impl::check_policy() {
  rd_kafka_ConfigResource_t* asked = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, options.topic.c_str());
  rd_kafka_event_t* const event =
      admin([&](rd_kafka_queue_t* queue) { rd_kafka_DescribeConfigs(producer.get(), &asked, 1, nullptr, queue); });
  rd_kafka_ConfigResource_destroy(asked);
  if (event == nullptr) return unavailable("kafka: topic {}: its configuration was not answered", options.topic);
  std::string policy;
  if (const auto* result = rd_kafka_event_DescribeConfigs_result(event)) {
    std::size_t count = 0;
    const auto* const* resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t entries = 0;
      const auto* const* configs = rd_kafka_ConfigResource_configs(resources[i], &entries);
      for (std::size_t at = 0; at < entries; ++at)
        if (std::string_view(rd_kafka_ConfigEntry_name(configs[at])) == "cleanup.policy") policy = rd_kafka_ConfigEntry_value(configs[at]);
    }
  }
  rd_kafka_event_destroy(event);
  if (policy != "compact" && !policy.empty())
    return failed_precondition(
        "kafka: topic {} has cleanup.policy={}, want compact: rows that never change would be lost, or it grows for ever", options.topic,
        policy);
  return absl::OkStatus();
}

absl::Status KafkaChangelog::Impl::read_all() {
  ASSIGN_OR_RETURN(const Client consumer,
                   make_client(RD_KAFKA_CONSUMER, settings_with({{"group.id", "bukubesar-changelog-" + options.topic},
                                                                 {"isolation.level", "read_committed"},
                                                                 {"enable.auto.commit", "false"},
                                                                 {"enable.partition.eof", "true"},
                                                                 {"auto.offset.reset", "error"}})));
  const PartitionList list(rd_kafka_topic_partition_list_new(partitions));
  std::map<std::int32_t, std::int64_t> ends;
  for (std::int32_t partition = 0; partition < partitions; ++partition) {
    std::int64_t low = 0, high = 0;
    const auto error = rd_kafka_query_watermark_offsets(consumer.get(), options.topic.c_str(), partition, &low, &high,
                                                        static_cast<int>(options.timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return status_of("topic " + options.topic, error, rd_kafka_err2str(error));
    if (high > low) ends[partition] = high;
    rd_kafka_topic_partition_list_add(list.get(), options.topic.c_str(), partition)->offset = low;
  }
  if (ends.empty()) return absl::OkStatus();
  if (const auto error = rd_kafka_assign(consumer.get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return status_of("topic " + options.topic, error, rd_kafka_err2str(error));
  return read_partitions(consumer.get(), std::move(ends));
}

// Markers of transactions take offsets too, so a partition is through when the broker says so.
absl::Status KafkaChangelog::Impl::read_partitions(rd_kafka_t* consumer, std::map<std::int32_t, std::int64_t> ends) {
  auto last = std::chrono::steady_clock::now();
  while (!ends.empty()) {
    rd_kafka_message_t* const message = rd_kafka_consumer_poll(consumer, kPollMs);
    if (message == nullptr) {
      if (std::chrono::steady_clock::now() - last > std::chrono::milliseconds(options.timeout_ms))
        return unavailable("kafka: topic {}: nothing came for {} ms while it was read", options.topic, options.timeout_ms);
      continue;
    }
    last = std::chrono::steady_clock::now();
    absl::Status status;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      ends.erase(message->partition);
    } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      status = status_of("topic " + options.topic, message->err, rd_kafka_message_errstr(message));
    } else {
      const std::string_view key(static_cast<const char*>(message->key), message->key_len);
      const auto value = message->payload == nullptr
                             ? std::nullopt
                             : std::optional<std::string_view>({static_cast<const char*>(message->payload), message->len});
      if (!apply_record(key, value, views))
        status = failed_precondition("kafka: topic {}: offset {} is no record of ours: the topic is used by something else", options.topic,
                                     message->offset);
    }
    rd_kafka_message_destroy(message);
    RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

KafkaChangelog::KafkaChangelog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaChangelog::~KafkaChangelog() = default;
const std::map<std::string, ViewRows>& KafkaChangelog::views() const { return impl_->views; }

absl::StatusOr<std::unique_ptr<KafkaChangelog>> KafkaChangelog::open(const KafkaChangelogOptions& options) {
  auto impl = std::make_unique<Impl>(options);
  ASSIGN_OR_RETURN(impl->producer,
                   make_client(RD_KAFKA_PRODUCER, impl->settings_with({{"transactional.id", "bukubesar-changelog-" + options.topic},
                                                                       {"compression.codec", "lz4"},
                                                                       {"linger.ms", "5"},
                                                                       {"partitioner", "murmur2"}})));
  RETURN_IF_ERROR(impl->find_topic());
  const Error fenced(rd_kafka_init_transactions(impl->producer.get(), static_cast<int>(options.timeout_ms)));
  RETURN_IF_ERROR(status_of("beginning to write", fenced));
  RETURN_IF_ERROR(impl->read_all());
  return std::unique_ptr<KafkaChangelog>(new KafkaChangelog(std::move(impl)));
}

namespace {

// Not the macros of rd_kafka_producev(): they hold casts that this build refuses.
Error produce(rd_kafka_t* producer, const std::string& topic, const ViewRecord& record) {
  rd_kafka_vu_t arguments[4] = {};
  arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
  arguments[0].u.cstr = topic.c_str();
  arguments[1].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  arguments[1].u.i = RD_KAFKA_MSG_F_COPY;
  arguments[2].vtype = RD_KAFKA_VTYPE_KEY;
  arguments[2].u.mem.ptr = const_cast<char*>(record.key.data());  // only copied from
  arguments[2].u.mem.size = record.key.size();
  arguments[3].vtype = RD_KAFKA_VTYPE_VALUE;
  if (record.value) {
    arguments[3].u.mem.ptr = const_cast<char*>(record.value->data());
    arguments[3].u.mem.size = record.value->size();
  }
  return Error(rd_kafka_produceva(producer, arguments, std::size(arguments)));
}

}  // namespace

absl::Status KafkaChangelog::write(const std::vector<ViewRecord>& records) {
  rd_kafka_t* const producer = impl_->producer.get();
  RETURN_IF_ERROR(status_of("a transaction", Error(rd_kafka_begin_transaction(producer))));
  for (const ViewRecord& record : records) {
    Error error = produce(producer, impl_->options.topic, record);
    while (error != nullptr && rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(producer, kPollMs);
      error = produce(producer, impl_->options.topic, record);
    }
    RETURN_IF_ERROR(status_of("topic " + impl_->options.topic, error));
  }
  RETURN_IF_ERROR(status_of("committing", Error(rd_kafka_commit_transaction(producer, static_cast<int>(impl_->options.timeout_ms)))));
  for (const ViewRecord& record : records)
    (void)apply_record(record.key, record.value ? std::optional<std::string_view>(*record.value) : std::nullopt, impl_->views);
  return absl::OkStatus();
}

}  // namespace bukubesar
