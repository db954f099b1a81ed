#include "consumers/kafka_producer.h"

#include <absl/synchronization/mutex.h>
#include <librdkafka/rdkafka.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <utility>

#include "base/private_file.h"
#include "base/status.h"
#include "base/thread.h"
#include "config/broker_security.h"
#include "consumers/kafka_embedded.h"

namespace bukubesar {

namespace {

constexpr int kPollMs = 20;
constexpr int kStopFlushMs = 1000;
constexpr std::chrono::seconds kPasswordInterval{1};
constexpr std::chrono::seconds kRenewInterval{2};

KafkaSettings producer_settings(const KafkaProducerOptions& options) {
  return {{"enable.idempotence", "true"},
          {"acks", "all"},
          {"linger.ms", "0"},
          {"message.timeout.ms", "30000"},
          {"compression.codec", options.embedded ? "none" : "lz4"},
          // The in-process broker acknowledges, and then cannot serve, two consecutive batches over 5 MiB together.
          {"batch.size", "1000000"},
          // Key, headers and framing come on top of what the limits count.
          {"message.max.bytes", std::to_string(options.embedded ? kEmbeddedRecordBytesMax + 65'536 : 5U << 20)},
          {"queue.buffering.max.messages", std::to_string(options.records_max * 2)},
          {"queue.buffering.max.kbytes", std::to_string(options.bytes_max / 1024 * 2 + 1024)}};
}

// Why librdkafka does nothing more with this handle; empty: it goes on.
std::string fatal_reason(rd_kafka_t* handle) {
  char text[512] = "";
  if (rd_kafka_fatal_error(handle, text, sizeof text) == RD_KAFKA_RESP_ERR_NO_ERROR) return {};
  return text + broker_advice(text);
}

}  // namespace

struct KafkaProducer::Impl final : KafkaCallbacks {
  explicit Impl(KafkaProducerOptions given) : options(std::move(given)) {}

  void on_error(std::string_view text) override { spdlog::debug("producer: {}", text); }

  void on_delivery(const rd_kafka_message_t* message) override {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      options.delivered(message->_private, not_acknowledged(*message));
    } else if (message->offset < 0) {
      // An idempotent retry that had arrived already is acknowledged without its offset.
      options.delivered(message->_private,
                        unavailable("{} [{}]: stored, but the broker does not say at which offset; sent again it will be found "
                                    "as a duplicate",
                                    rd_kafka_topic_name(message->rkt), message->partition));
    } else {
      options.delivered(message->_private, Offset(message->offset));
      if (told_fatal != RD_KAFKA_RESP_ERR_NO_ERROR) spdlog::info("the producer goes on");
      told_fatal = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
  }

  [[nodiscard]] absl::Status not_acknowledged(const rd_kafka_message_t& message) const {
    const std::string fatal = fatal_reason(handle.get());
    const std::string why = fatal.empty() ? rd_kafka_err2str(message.err) : fatal;
    const std::string advice = fatal.empty() ? broker_advice(why) : "";
    if (!advice.empty()) return unavailable("{} [{}]: {}{}", rd_kafka_topic_name(message.rkt), message.partition, why, advice);
    return unavailable("{} [{}]: not acknowledged, it may or may not be stored: {}", rd_kafka_topic_name(message.rkt), message.partition,
                       why);
  }

  void run() {
    name_own_thread("producer");
    while (!stopping.load()) {
      rd_kafka_poll(handle.get(), kPollMs);
      if (options.tick) options.tick();
      watch_password();
      watch_fatal();
    }
  }

  absl::StatusOr<KafkaHandle> new_handle() {
    made_at = std::chrono::steady_clock::now();
    return make_kafka_handle(KafkaRole::producer, options.address, producer_settings(options), this);
  }

  // An idempotent handle that was refused its rights, fenced or lost its sequence stays so. What it holds is answered with the reason, and
  // a new one takes its place; what was on its way may be stored nevertheless, and sent again is found by its id.
  void watch_fatal() {
    const rd_kafka_resp_err_t error = rd_kafka_fatal_error(handle.get(), nullptr, 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return;
    if (error != told_fatal) spdlog::warn("nothing can be produced, so a new producer is tried: {}", fatal_reason(handle.get()));
    told_fatal = error;
    KafkaHandle replaced;                // ends without the lock: that may take a while
    const absl::MutexLock lock(&mutex);  // no record is half taken, and a fatal handle takes no more
    if (rd_kafka_outq_len(handle.get()) > 0) {
      rd_kafka_purge(handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
      return;
    }
    if (std::chrono::steady_clock::now() - made_at < kRenewInterval) return;
    absl::StatusOr<KafkaHandle> made = new_handle();
    if (!made.ok()) {
      if (!std::exchange(told_not_made, true)) spdlog::warn("no new producer can be made yet: {}", message_of(made.status()));
      return;
    }
    told_not_made = false;
    topics.clear();
    replaced = std::exchange(handle, *std::move(made));
  }

  // A handle may live as long as the node: a password that was changed has to reach it.
  void watch_password() {
    const std::string& file = options.address.broker.sasl_password_file;
    const auto now = std::chrono::steady_clock::now();
    if (file.empty() || now - password_looked_at < kPasswordInterval) return;
    password_looked_at = now;
    const FileStamp stamp = file_stamp(file);
    if (stamp == password_stamp) return;
    password_stamp = stamp;
    if (const absl::Status renewed = renew_password(handle.get(), options.address); !renewed.ok())
      spdlog::warn("the producer keeps the password that it has: {}", message_of(renewed));
  }

  absl::StatusOr<rd_kafka_topic_t*> topic(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    KafkaTopic& found = topics[name];
    if (found == nullptr) {
      ASSIGN_OR_RETURN(found, make_kafka_topic(handle.get(), name));
    }
    return found.get();
  }

  KafkaProducerOptions options;
  absl::Mutex mutex;
  KafkaHandle handle;  // replaced by the producer's own thread under the mutex: there it is read without, elsewhere with it
  std::map<std::string, KafkaTopic> topics ABSL_GUARDED_BY(mutex);
  std::atomic<bool> stopping = false;
  FileStamp password_stamp;
  std::chrono::steady_clock::time_point password_looked_at{};
  std::chrono::steady_clock::time_point made_at{};
  rd_kafka_resp_err_t told_fatal = RD_KAFKA_RESP_ERR_NO_ERROR;  // since the last record that was acknowledged
  bool told_not_made = false;
  std::jthread thread;
};

KafkaProducer::KafkaProducer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
KafkaProducer::~KafkaProducer() { stop(); }

absl::StatusOr<std::unique_ptr<KafkaProducer>> KafkaProducer::make(KafkaProducerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  impl->password_stamp = file_stamp(impl->options.address.broker.sasl_password_file);
  ASSIGN_OR_RETURN(impl->handle, impl->new_handle());
  Impl* raw = impl.get();
  impl->thread = std::jthread([raw] { raw->run(); });
  return std::unique_ptr<KafkaProducer>(new KafkaProducer(std::move(impl)));
}

absl::Status KafkaProducer::produce(const std::string& topic, std::int32_t kafka_partition, const OutgoingRecord& record,
                                    std::optional<std::int64_t> timestamp_ms, void* token) {
  const absl::MutexLock lock(&impl_->mutex);
  ASSIGN_OR_RETURN(rd_kafka_topic_t* const handle_of_topic, impl_->topic(topic));
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(), static_cast<ssize_t>(value.size()));
    }
  }
  rd_kafka_vu_t arguments[8];
  std::size_t count = 0;
  arguments[count].vtype = RD_KAFKA_VTYPE_RKT;
  arguments[count++].u.rkt = handle_of_topic;
  arguments[count].vtype = RD_KAFKA_VTYPE_PARTITION;
  arguments[count++].u.i32 = kafka_partition;
  arguments[count].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
  arguments[count++].u.i = RD_KAFKA_MSG_F_COPY;
  // Copied (above), so never written to: the C API only lacks the const.
  arguments[count].vtype = RD_KAFKA_VTYPE_VALUE;
  arguments[count].u.mem.ptr = record.value ? const_cast<char*>(record.value->data()) : nullptr;
  arguments[count++].u.mem.size = record.value ? record.value->size() : 0;
  arguments[count].vtype = RD_KAFKA_VTYPE_KEY;
  arguments[count].u.mem.ptr = record.key ? const_cast<char*>(record.key->data()) : nullptr;
  arguments[count++].u.mem.size = record.key ? record.key->size() : 0;
  arguments[count].vtype = RD_KAFKA_VTYPE_OPAQUE;
  arguments[count++].u.ptr = token;
  arguments[count].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
  arguments[count++].u.i64 = timestamp_ms.value_or(0);  // 0: librdkafka's now
  if (headers != nullptr) {
    arguments[count].vtype = RD_KAFKA_VTYPE_HEADERS;
    arguments[count++].u.headers = headers;
  }
  rd_kafka_error_t* error = rd_kafka_produceva(impl_->handle.get(), arguments, count);
  if (error == nullptr) return absl::OkStatus();
  const rd_kafka_resp_err_t code = rd_kafka_error_code(error);
  const std::string text = rd_kafka_error_string(error);
  rd_kafka_error_destroy(error);
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) return resource_exhausted("the producer's queue is full");
  if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) return invalid_argument("the record is too large for the topic: {}", text);
  const std::string fatal = fatal_reason(impl_->handle.get());
  return unavailable("{} [{}]: {}", topic, kafka_partition, fatal.empty() ? text : fatal);
}

void KafkaProducer::stop() {
  if (impl_->stopping.exchange(true)) return;
  if (impl_->thread.joinable()) impl_->thread.join();
  rd_kafka_flush(impl_->handle.get(), kStopFlushMs);
  rd_kafka_purge(impl_->handle.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(impl_->handle.get(), kStopFlushMs);
  const absl::MutexLock lock(&impl_->mutex);
  impl_->topics.clear();
}

}  // namespace bukubesar
