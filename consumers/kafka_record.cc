#include "consumers/kafka_record.h"

#include <librdkafka/rdkafka.h>

#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"

namespace bukubesar {

namespace {

TimestampType timestamp_type(rd_kafka_timestamp_type_t type) {
  switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME:
      return TimestampType::create_time;
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME:
      return TimestampType::log_append_time;
    default:
      return TimestampType::none;
  }
}

std::string_view name_of(TimestampType type) {
  return type == TimestampType::create_time ? "CreateTime" : type == TimestampType::log_append_time ? "LogAppendTime" : "no timestamp";
}

std::optional<std::string_view> bytes_of(const void* data, std::size_t size) {
  if (data == nullptr) return std::nullopt;
  return std::string_view(static_cast<const char*>(data), size);
}

}  // namespace

Record kafka_record(rd_kafka_message_s& message, Arena& arena, std::vector<Header>& headers) {
  Record record;
  record.offset = Offset(message.offset);
  rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
  const std::int64_t stamp = rd_kafka_message_timestamp(&message, &type);
  record.timestamp_type = stamp < 0 ? TimestampType::none : timestamp_type(type);
  record.timestamp_ms = record.timestamp_type == TimestampType::none ? 0 : stamp;
  headers.clear();
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(&message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    for (std::size_t i = 0; rd_kafka_header_get_all(list, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR; ++i) {
      headers.push_back({name, bytes_of(value, size)});
    }
  }
  const auto key = bytes_of(message.key, message.key_len);
  const auto value = bytes_of(message.payload, message.len);
  const std::size_t size = payload_size(key, headers, value);
  char* to = arena.raw(size);
  encode_payload(key, headers, value, to);
  record.payload = {to, size};
  return record;
}

std::optional<std::string> difference_from(const Anchor& anchor, rd_kafka_message_s& message) {
  Arena scratch(4096);
  std::vector<Header> headers;
  const Record found = kafka_record(message, scratch, headers);
  const Hash256 hash = sha256(found.payload);
  if (hash == anchor.payload_hash && found.timestamp_ms == anchor.timestamp_ms && found.timestamp_type == anchor.timestamp_type) {
    return std::nullopt;
  }
  return fmt::format("the record at offset {} of {} [{}] is not the one stored: stored {} at {} ms ({}), Kafka has {} at {} ms ({})",
                     anchor.offset.value(), rd_kafka_topic_name(message.rkt), message.partition, hex(as_view(anchor.payload_hash)),
                     anchor.timestamp_ms, name_of(anchor.timestamp_type), hex(as_view(hash)), found.timestamp_ms,
                     name_of(found.timestamp_type));
}

}  // namespace bukubesar
