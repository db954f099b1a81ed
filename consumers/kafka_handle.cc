#include "consumers/kafka_handle.h"

#include <librdkafka/rdkafka.h>
#include <spdlog/spdlog.h>

#include "base/status.h"
#include "config/broker_security.h"
#include "config/settings.h"

namespace bukubesar {

namespace {

// librdkafka repeats itself while a broker is away; SourceStatus tells people, so its own lines are for debugging.
void on_log(const rd_kafka_t* handle, int level, const char* facility, const char* text) {
  // 2.0 waits out a refused fetch by itself and tells it to its log alone; the other reasons for BROKERUA are those of other requests.
  constexpr std::string_view kRefused = "broker unavailable: fetch: ";
  auto* const callbacks = handle == nullptr ? nullptr : static_cast<KafkaCallbacks*>(rd_kafka_opaque(handle));
  if (callbacks != nullptr && std::string_view(facility) == "BROKERUA") {
    const std::string_view line(text);
    if (const std::size_t at = line.find(kRefused); at != std::string_view::npos)
      callbacks->on_fetch_refused(line.substr(at + kRefused.size()));
  }
  // Of what is fatal on_error tells, too; here it would be said again for each new handle.
  const bool told_elsewhere = callbacks != nullptr && std::string_view(facility) == "FATAL";
  const auto to = level <= 2 && !told_elsewhere ? spdlog::level::err : level < 7 ? spdlog::level::debug : spdlog::level::trace;
  spdlog::log(to, "librdkafka {}: {}", facility, text);
}

// "…: Authentication failed (after 313ms in state AUTH_REQ, 1 identical error(s) suppressed)" says the same each time but for its end.
std::string_view without_timing(std::string_view text) { return text.substr(0, text.rfind(" (after ")); }

void on_error(rd_kafka_t* handle, int error, const char* reason, void* opaque) {
  // One of several brokers being away is librdkafka's to live with; losing a connection that stood, or all brokers, is ours to hear.
  if (opaque == nullptr ||
      (error == RD_KAFKA_RESP_ERR__TRANSPORT && std::string_view(reason).find("Connect to ") != std::string_view::npos))
    return;
  char fatal_text[512] = "";
  if (error == RD_KAFKA_RESP_ERR__FATAL) rd_kafka_fatal_error(handle, fatal_text, sizeof fatal_text);
  std::string text = fmt::format("{}: {}", rd_kafka_err2str(static_cast<rd_kafka_resp_err_t>(error)),
                                 fatal_text[0] != '\0' ? fatal_text : without_timing(reason));
  text += broker_advice(text);
  static_cast<KafkaCallbacks*>(opaque)->on_error(text);
}

void on_delivery(rd_kafka_t* /*handle*/, const rd_kafka_message_t* message, void* opaque) {
  static_cast<KafkaCallbacks*>(opaque)->on_delivery(message);
}

absl::Status set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  char text[512];
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) == RD_KAFKA_CONF_OK) return absl::OkStatus();
  if (is_secret_property(name)) return invalid_argument("broker.properties: {}: librdkafka refuses its value", name);
  return invalid_argument("broker.properties: {}={}: {}", name, value, text);
}

// Quick to notice and to come back, without hammering: the operator may change these.
const KafkaSettings& common_defaults() {
  static const KafkaSettings settings = {{"socket.timeout.ms", "10000"},
                                         {"socket.nagle.disable", "true"},
                                         {"reconnect.backoff.ms", "50"},
                                         {"reconnect.backoff.max.ms", "2000"},
                                         {"socket.connection.setup.timeout.ms", "5000"}};
  return settings;
}

}  // namespace

KafkaAddress kafka_address(const BrokerConfig& config) { return {config.bootstrap_servers, config}; }

void KafkaHandleDeleter::operator()(rd_kafka_s* handle) const {
  // No group is ever joined, so there is none to leave: closing would only wait for brokers that may be gone.
  rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
void KafkaTopicDeleter::operator()(rd_kafka_topic_s* topic) const { rd_kafka_topic_destroy(topic); }
void KafkaQueueDeleter::operator()(rd_kafka_queue_s* queue) const { rd_kafka_queue_destroy(queue); }
void KafkaMessageDeleter::operator()(rd_kafka_message_s* message) const { rd_kafka_message_destroy(message); }

absl::StatusOr<KafkaHandle> make_kafka_handle(KafkaRole role, const KafkaAddress& address, const KafkaSettings& fixed,
                                              KafkaCallbacks* callbacks) {
  const std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)> holder(rd_kafka_conf_new(), &rd_kafka_conf_destroy);
  rd_kafka_conf_t* conf = holder.get();
  for (const auto& [name, value] : common_defaults()) RETURN_IF_ERROR(set(conf, name, value));
  ASSIGN_OR_RETURN(const auto properties, broker_properties(address.broker));
  for (const auto& [name, value] : properties) RETURN_IF_ERROR(set(conf, name, value));
  RETURN_IF_ERROR(set(conf, "bootstrap.servers", address.bootstrap_servers));
  for (const auto& [name, value] : fixed) RETURN_IF_ERROR(set(conf, name, value));
  rd_kafka_conf_set_log_cb(conf, &on_log);
  if (callbacks != nullptr) {
    rd_kafka_conf_set_opaque(conf, callbacks);
    if (role == KafkaRole::producer) rd_kafka_conf_set_dr_msg_cb(conf, &on_delivery);
  }
  rd_kafka_conf_set_error_cb(conf, &on_error);
  char text[512];
  rd_kafka_conf_t* taken = rd_kafka_conf_dup(conf);  // rd_kafka_new owns it only where it succeeds
  rd_kafka_t* handle = rd_kafka_new(role == KafkaRole::consumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, taken, text, sizeof text);
  if (handle == nullptr) {
    rd_kafka_conf_destroy(taken);
    return invalid_argument("broker.properties: librdkafka refuses them: {}{}", text, broker_advice(text));
  }
  return KafkaHandle(handle);
}

absl::Status renew_password(rd_kafka_t* handle, const KafkaAddress& address) {
  ASSIGN_OR_RETURN(const std::string password, broker_password(address.broker));
  rd_kafka_error_t* const error = rd_kafka_sasl_set_credentials(handle, address.broker.sasl_username.c_str(), password.c_str());
  if (error == nullptr) return absl::OkStatus();
  const absl::Status status = unavailable("broker.sasl_password_file: {}", rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return status;
}

absl::StatusOr<KafkaTopic> make_kafka_topic(rd_kafka_s* handle, const std::string& name) {
  rd_kafka_topic_t* topic = rd_kafka_topic_new(handle, name.c_str(), nullptr);
  if (topic == nullptr) return invalid_argument("topic {}: {}", name, rd_kafka_err2str(rd_kafka_last_error()));
  return KafkaTopic(topic);
}

absl::StatusOr<int> kafka_partition_count(rd_kafka_s* handle, const std::string& topic, int timeout_ms) {
  ASSIGN_OR_RETURN(const KafkaTopic handle_of_topic, make_kafka_topic(handle, topic));
  const rd_kafka_metadata_t* metadata = nullptr;
  const rd_kafka_resp_err_t error = rd_kafka_metadata(handle, 0, handle_of_topic.get(), &metadata, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return unavailable("no broker answers: {}", rd_kafka_err2str(error));
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> holder(metadata, &rd_kafka_metadata_destroy);
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& found = metadata->topics[i];
    if (topic != found.topic) continue;
    if (found.err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || found.err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC) break;
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const std::string why = rd_kafka_err2str(found.err);
      return unavailable("topic {}: {}{}", topic, why, broker_advice(why));
    }
    return found.partition_cnt;
  }
  return not_found("topic {} does not exist", topic);
}

}  // namespace bukubesar
