// The Kafka sink of adapters/publisher.h: the only file of adapters/ that sees librdkafka.
#include <librdkafka/rdkafka.h>

#include <iterator>
#include <utility>

#include "adapters/publisher.h"
#include "base/status.h"
#include "config/broker_security.h"
#include "config/settings.h"

namespace bukubesar {

namespace {

constexpr int kQueueWaitMs = 50;

class KafkaSink final : public EventSink {
 public:
  explicit KafkaSink(KafkaSinkOptions options) : options_(std::move(options)) {}
  KafkaSink(const KafkaSink&) = delete;
  KafkaSink& operator=(const KafkaSink&) = delete;
  ~KafkaSink() override {
    if (producer_ == nullptr) return;
    if (purchases_ != nullptr) rd_kafka_topic_destroy(purchases_);
    if (reference_ != nullptr) rd_kafka_topic_destroy(reference_);
    rd_kafka_destroy(producer_);
  }

  absl::Status open() {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    // Idempotence keeps the order of one key, and sends each record once, through broker retries.
    std::map<std::string, std::string> settings{{"linger.ms", "20"},
                                                {"compression.codec", "lz4"},
                                                {"batch.size", "1000000"},
                                                {"queue.buffering.max.messages", "500000"},
                                                {"enable.idempotence", "true"},
                                                {"message.max.bytes", "5242880"}};
    for (const auto& [name, value] : options_.properties) settings[name] = value;
    settings["bootstrap.servers"] = options_.bootstrap_servers;
    settings["acks"] = "all";
    settings["partitioner"] = options_.partitioner == "crc32" ? "consistent" : "murmur2";
    char text[512] = "";
    for (const auto& [name, value] : settings) {
      if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text) != RD_KAFKA_CONF_OK) {
        rd_kafka_conf_destroy(conf);
        return is_secret_property(name) ? invalid_argument("kafka: {}: librdkafka refuses its value", name)
                                        : invalid_argument("kafka: {} = {}: {}", name, value, std::string(text));
      }
    }
    rd_kafka_conf_set_opaque(conf, this);
    rd_kafka_conf_set_dr_msg_cb(conf, &KafkaSink::delivered);
    rd_kafka_conf_set_error_cb(conf, &KafkaSink::met);
    rd_kafka_conf_set_log_cb(conf, nullptr);  // what matters comes back as delivery reports
    producer_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (producer_ == nullptr) {
      rd_kafka_conf_destroy(conf);
      return unavailable("kafka: {}", std::string(text));
    }
    purchases_ = rd_kafka_topic_new(producer_, options_.purchases_topic.c_str(), nullptr);
    reference_ = rd_kafka_topic_new(producer_, options_.reference_topic.c_str(), nullptr);
    if (purchases_ == nullptr || reference_ == nullptr)
      return invalid_argument("kafka: topics {} and {}: {}", options_.purchases_topic, options_.reference_topic,
                              std::string(rd_kafka_err2str(rd_kafka_last_error())));
    return check_topics();
  }

  absl::Status send(std::span<const Outgoing> records) override {
    for (const Outgoing& record : records) RETURN_IF_ERROR(produce(record));
    rd_kafka_poll(producer_, 0);
    return failure_;
  }

  absl::Status flush() override {
    const auto error = rd_kafka_flush(producer_, static_cast<int>(options_.flush_timeout_ms));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
      return unavailable("kafka {}: {} records not acknowledged after {} ms", options_.bootstrap_servers, rd_kafka_outq_len(producer_),
                         options_.flush_timeout_ms);
    return failure_;
  }

 private:
  // A missing topic would otherwise only show after message.timeout.ms.
  absl::Status check_topics() {
    for (rd_kafka_topic_t* topic : {purchases_, reference_}) {
      const rd_kafka_metadata_t* metadata = nullptr;
      const auto error = rd_kafka_metadata(producer_, 0, topic, &metadata, 10'000);
      if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_poll(producer_, 0);
        return unavailable("kafka {}: {}{}", options_.bootstrap_servers, std::string(rd_kafka_err2str(error)),
                           trouble_.empty() ? "" : ": " + trouble_ + broker_advice(trouble_));
      }
      const auto of_topic = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
      rd_kafka_metadata_destroy(metadata);
      const std::string name = rd_kafka_topic_name(topic), words = rd_kafka_err2str(of_topic);
      if (of_topic == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        return failed_precondition("kafka {}: topic {}: {}{}", options_.bootstrap_servers, name, words, broker_advice(words));
      if (of_topic != RD_KAFKA_RESP_ERR_NO_ERROR) return not_found("kafka {}: no topic {}", options_.bootstrap_servers, name);
    }
    return absl::OkStatus();
  }

  static void met(rd_kafka_t*, int, const char* reason, void* opaque) {
    auto* self = static_cast<KafkaSink*>(opaque);
    if (self->trouble_.empty()) self->trouble_ = reason;
  }

  static void delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
    auto* self = static_cast<KafkaSink*>(opaque);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++self->counts_.sent;
    } else if (self->failure_.ok()) {
      self->failure_ =
          unavailable("kafka {}: {}: {}", self->options_.bootstrap_servers,
                      std::string(static_cast<const char*>(message->key), message->key_len), std::string(rd_kafka_err2str(message->err)));
    }
  }

  // One element of librdkafka's argument list.
  static rd_kafka_vu_t argument(rd_kafka_vtype_t type) {
    rd_kafka_vu_t value{};
    value.vtype = type;
    return value;
  }
  static rd_kafka_vu_t bytes(rd_kafka_vtype_t type, const std::string* text) {
    rd_kafka_vu_t value = argument(type);
    value.u.mem.ptr = text == nullptr ? nullptr : const_cast<char*>(text->data());  // only copied from: RD_KAFKA_MSG_F_COPY
    value.u.mem.size = text == nullptr ? 0 : text->size();
    return value;
  }

  absl::Status produce(const Outgoing& record) {
    static const std::string kContentType = "application/cloudevents+json";
    for (;;) {
      rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
      rd_kafka_header_add(headers, "content-type", -1, kContentType.data(), static_cast<ssize_t>(kContentType.size()));
      rd_kafka_vu_t arguments[] = {argument(RD_KAFKA_VTYPE_RKT), argument(RD_KAFKA_VTYPE_MSGFLAGS), bytes(RD_KAFKA_VTYPE_KEY, &record.key),
                                   bytes(RD_KAFKA_VTYPE_VALUE, record.value ? &*record.value : nullptr), argument(RD_KAFKA_VTYPE_HEADERS)};
      arguments[0].u.rkt = record.reference_topic ? reference_ : purchases_;
      arguments[1].u.i = RD_KAFKA_MSG_F_COPY;
      arguments[4].u.headers = headers;
      rd_kafka_error_t* error = rd_kafka_produceva(producer_, arguments, std::size(arguments));
      if (error == nullptr) return absl::OkStatus();
      const auto code = rd_kafka_error_code(error);
      rd_kafka_error_destroy(error);
      rd_kafka_headers_destroy(headers);
      if (code != RD_KAFKA_RESP_ERR__QUEUE_FULL) return unavailable("kafka: {}: {}", record.key, std::string(rd_kafka_err2str(code)));
      rd_kafka_poll(producer_, kQueueWaitMs);  // the bounded queue is full: wait for acknowledgements
      RETURN_IF_ERROR(failure_);
    }
  }

  KafkaSinkOptions options_;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_topic_t* purchases_ = nullptr;
  rd_kafka_topic_t* reference_ = nullptr;
  std::string trouble_;   // the first of a connection
  absl::Status failure_;  // the first record that was not delivered
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSink>> make_kafka_sink(const KafkaSinkOptions& options) {
  auto sink = std::make_unique<KafkaSink>(options);
  RETURN_IF_ERROR(sink->open());
  return std::unique_ptr<EventSink>(std::move(sink));
}

}  // namespace bukubesar
