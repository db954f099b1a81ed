// The Kafka sink against librdkafka's in-process broker.
#include <gmock/gmock.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <map>

#include "adapters/publisher.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

constexpr int kPartitions = 3;

struct Consumed {
  std::int32_t partition = 0;
  std::string key, content_type;
  std::optional<std::string> value;
};

class KafkaSinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char text[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    ASSERT_NE(handle_, nullptr) << text;
    cluster_ = rd_kafka_mock_cluster_new(handle_, 1);
    ASSERT_NE(cluster_, nullptr);
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "purchases", kPartitions, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    ASSERT_EQ(rd_kafka_mock_topic_create(cluster_, "reference", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void TearDown() override {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }

  KafkaSinkOptions options() const {
    KafkaSinkOptions options;
    options.bootstrap_servers = rd_kafka_mock_cluster_bootstraps(cluster_);
    options.purchases_topic = "purchases";
    options.reference_topic = "reference";
    return options;
  }

  // Everything in the topic, partition after partition, in order of offsets.
  std::vector<Consumed> consume(const char* topic, int partitions) {
    char text[256];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(cluster_), text, sizeof text);
    rd_kafka_conf_set(conf, "enable.partition.eof", "true", text, sizeof text);
    rd_kafka_conf_set(conf, "group.id", "test", text, sizeof text);
    rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_topic_t* handle = rd_kafka_topic_new(consumer, topic, nullptr);
    std::vector<Consumed> all;
    for (int partition = 0; partition < partitions; ++partition) {
      rd_kafka_consume_start(handle, partition, RD_KAFKA_OFFSET_BEGINNING);
      for (bool end = false; !end;) {
        rd_kafka_message_t* message = rd_kafka_consume(handle, partition, 10'000);
        if (message == nullptr) {
          ADD_FAILURE() << "no end of partition " << partition;
          break;
        }
        end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) all.push_back(read(*message));
        rd_kafka_message_destroy(message);
      }
      rd_kafka_consume_stop(handle, partition);
    }
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(consumer);
    return all;
  }

 private:
  static Consumed read(const rd_kafka_message_t& message) {
    Consumed out;
    out.partition = message.partition;
    out.key.assign(static_cast<const char*>(message.key), message.key_len);
    if (message.payload != nullptr) out.value.emplace(static_cast<const char*>(message.payload), message.len);
    rd_kafka_headers_t* headers = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
        rd_kafka_header_get_last(headers, "content-type", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR)
      out.content_type.assign(static_cast<const char*>(value), size);
    return out;
  }

  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
};

TEST_F(KafkaSinkTest, EveryRecordComesInThePartitionOfItsKeyAndInOrder) {
  for (const char* partitioner : {"murmur2", "crc32"}) {
    const Partitioner rule = *parse_partitioner(partitioner);
    KafkaSinkOptions with = options();
    with.partitioner = partitioner;
    const std::string topic = std::string("purchases-") + partitioner;
    with.purchases_topic = topic;
    auto sink = make_kafka_sink(with);
    ASSERT_TRUE(sink.ok()) << sink.status();
    std::vector<Outgoing> records;
    for (int i = 0; i < 2000; ++i) records.push_back({false, "e-katalog-6/P" + std::to_string(i % 101), std::to_string(i), false});
    records.push_back({true, "vendor/v-1", "fact", false});
    ASSERT_TRUE((*sink)->send(records).ok());
    ASSERT_TRUE((*sink)->flush().ok());
    EXPECT_EQ((*sink)->counts().sent, records.size());

    // The broker makes a topic that it doesn't know with four partitions.
    constexpr int kMadePartitions = 4;
    std::map<std::string, int> last;
    const auto all = consume(topic.c_str(), kMadePartitions);
    EXPECT_EQ(all.size(), 2000U);
    for (const Consumed& record : all) {
      EXPECT_EQ(static_cast<std::uint32_t>(record.partition), partition_of(rule, record.key, kMadePartitions)) << record.key;
      EXPECT_EQ(record.content_type, "application/cloudevents+json");
      const int number = std::stoi(*record.value);
      const auto at = last.find(record.key);
      if (at != last.end()) {
        EXPECT_GT(number, at->second);
      }
      last[record.key] = number;
    }
  }
  EXPECT_EQ(consume("reference", 1).size(), 2U);
}

TEST_F(KafkaSinkTest, ANullValueStaysNullAndBadBytesStayAsTheyAre) {
  auto sink = make_kafka_sink(options());
  ASSERT_TRUE(sink.ok()) << sink.status();
  ASSERT_TRUE((*sink)->send(std::vector<Outgoing>{{false, "k", std::nullopt, true}, {false, "k", std::string("\xff{\0", 3), true}}).ok());
  ASSERT_TRUE((*sink)->flush().ok());
  const auto all = consume("purchases", kPartitions);
  ASSERT_EQ(all.size(), 2U);
  EXPECT_FALSE(all[0].value.has_value());
  EXPECT_EQ(all[1].value, std::string("\xff{\0", 3));
}

TEST_F(KafkaSinkTest, ASettingThatLibrdkafkaDoesNotKnowIsNamed) {
  KafkaSinkOptions with = options();
  with.properties["no.such.setting"] = "1";
  const auto sink = make_kafka_sink(with);
  EXPECT_EQ(sink.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(sink.status().message()).find("no.such.setting"), std::string::npos);
}

}  // namespace
}  // namespace bukubesar
