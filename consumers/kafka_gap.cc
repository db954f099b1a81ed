// Looking once more into a gap: is there a record after all?
#include <librdkafka/rdkafka.h>

#include <memory>

#include "base/status.h"
#include "consumers/intake.h"
#include "consumers/kafka_handle.h"

namespace bukubesar {

namespace {

constexpr int kGapTimeoutMs = 3000;

}  // namespace

absl::StatusOr<std::optional<Offset>> record_in_gap(const Config& config, const SourceStatement& source, const Gap& gap) {
  // Wants one record: the first at or after the gap's beginning. The smallest fetch still brings a whole batch.
  ASSIGN_OR_RETURN(const KafkaHandle handle, make_kafka_handle(KafkaRole::consumer, kafka_address(config.broker),
                                                               {{"isolation.level", "read_committed"},
                                                                {"allow.auto.create.topics", "false"},
                                                                {"enable.partition.eof", "true"},
                                                                {"check.crcs", "true"},
                                                                {"queued.min.messages", "1"},
                                                                {"max.partition.fetch.bytes", "1024"},
                                                                {"auto.offset.reset", "error"},
                                                                {"auto.commit.enable", "false"}},
                                                               nullptr));
  ASSIGN_OR_RETURN(const KafkaTopic topic, make_kafka_topic(handle.get(), source.topic));
  const KafkaQueue queue(rd_kafka_queue_new(handle.get()));
  if (rd_kafka_consume_start_queue(topic.get(), source.kafka_partition, gap.first.value(), queue.get()) != 0)
    return unavailable("cannot consume {} [{}]: {}", source.topic, source.kafka_partition, rd_kafka_err2str(rd_kafka_last_error()));
  const KafkaMessage message(rd_kafka_consume_queue(queue.get(), kGapTimeoutMs));
  rd_kafka_consume_stop(topic.get(), source.kafka_partition);
  if (message == nullptr) return unavailable("{} [{}]: no broker answers", source.topic, source.kafka_partition);
  switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      return message->offset < gap.limit.value() ? std::optional(Offset(message->offset)) : std::nullopt;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:  // retention has passed the gap's beginning
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return std::optional<Offset>();
    default:
      return unavailable("{} [{}]: {}", source.topic, source.kafka_partition, rd_kafka_message_errstr(message.get()));
  }
}

}  // namespace bukubesar
