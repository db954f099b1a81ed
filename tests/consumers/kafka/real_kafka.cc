#include "tests/consumers/kafka/real_kafka.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <thread>

#include "gtest/gtest.h"
#include "tests/wait_until.h"

namespace bukubesar::testing_support {

namespace {

constexpr int kTimeoutMs = 30'000;

// As tests/e2e/harness.py does, with whose processes the ports are shared out: a byte of this file is locked for each.
bool lock_pair(int port) {
  static const int ports =
      open((::testing::TempDir() + "/bukubesar_ports_" + std::to_string(getuid())).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  struct flock pair {};
  pair.l_type = F_WRLCK;
  pair.l_whence = SEEK_SET;
  pair.l_start = port;
  pair.l_len = 2;
  return fcntl(ports, F_SETLK, &pair) == 0;
}

// A port that is free now, the next one too: the controller takes it.
int free_port_pair() {
  const auto bind_to = [](int port) -> std::pair<int, int> {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      close(fd);
      return {-1, 0};
    }
    return {fd, ntohs(address.sin_port)};
  };
  for (int i = 0; i < 100; ++i) {
    // Below the range that the kernel gives to outgoing connections.
    const int wanted = 20'000 + static_cast<int>(std::random_device()() % 12'000);
    if (!lock_pair(wanted)) continue;
    const auto [fd, port] = bind_to(wanted);
    if (fd < 0) continue;
    const auto [next_fd, next_port] = bind_to(port + 1);
    close(fd);
    if (next_fd >= 0) {
      close(next_fd);
      return port;
    }
  }
  ADD_FAILURE() << "no two free ports";
  return 0;
}

using Handle = std::unique_ptr<rd_kafka_t, decltype(&rd_kafka_destroy)>;

Handle producer(const std::string& bootstrap, const std::map<std::string, std::string>& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char text[512];
  EXPECT_EQ(rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), text, sizeof text), RD_KAFKA_CONF_OK) << text;
  for (const auto& [name, value] : settings) {
    EXPECT_EQ(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), text, sizeof text), RD_KAFKA_CONF_OK) << text;
  }
  return {rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text), &rd_kafka_destroy};
}

// Runs one admin request and returns its event.
template <class Send>
std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> ask(rd_kafka_t* handle, Send send) {
  rd_kafka_queue_t* queue = rd_kafka_queue_new(handle);
  send(queue);
  std::unique_ptr<rd_kafka_event_t, decltype(&rd_kafka_event_destroy)> event(rd_kafka_queue_poll(queue, kTimeoutMs),
                                                                             &rd_kafka_event_destroy);
  rd_kafka_queue_destroy(queue);
  EXPECT_NE(event, nullptr) << "the broker does not answer";
  return event;
}

void send_all(rd_kafka_t* handle, const std::string& topic, const std::vector<RawRecord>& records) {
  for (const RawRecord& record : records) {
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.c_str(), -1, value ? value->data() : nullptr, value ? static_cast<ssize_t>(value->size()) : 0);
    }
    rd_kafka_vu_t arguments[6] = {};
    arguments[0].vtype = RD_KAFKA_VTYPE_TOPIC;
    arguments[0].u.cstr = topic.c_str();
    arguments[1].vtype = RD_KAFKA_VTYPE_PARTITION;
    arguments[1].u.i32 = 0;
    arguments[2].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
    arguments[2].u.i = RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK;
    arguments[3].vtype = RD_KAFKA_VTYPE_KEY;
    if (record.key) arguments[3].u.mem = {const_cast<char*>(record.key->data()), record.key->size()};
    arguments[4].vtype = RD_KAFKA_VTYPE_VALUE;
    if (record.value) arguments[4].u.mem = {const_cast<char*>(record.value->data()), record.value->size()};
    arguments[5].vtype = RD_KAFKA_VTYPE_HEADERS;
    arguments[5].u.headers = headers;
    rd_kafka_error_t* error = rd_kafka_produceva(handle, arguments, 6);
    ASSERT_EQ(error, nullptr) << rd_kafka_error_string(error);
  }
}

}  // namespace

RealKafka::RealKafka() : directory_(::testing::TempDir() + "/bukubesar_kafka_" + std::to_string(getpid())), port_(free_port_pair()) {
  start();
}
RealKafka::~RealKafka() {
  stop();
  std::filesystem::remove_all(directory_);
}

void RealKafka::ops(const std::string& verb) {
  const std::string command = std::string(BUKUBESAR_SOURCE_DIR) + "/ops/kafka " + verb + " --dir " + directory_ + " --port " +
                              std::to_string(port_) + " >/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}
void RealKafka::start() { ops("start"); }
void RealKafka::stop() { ops("stop"); }
std::string RealKafka::bootstrap() const { return "127.0.0.1:" + std::to_string(port_); }

void RealKafka::create_topic(const std::string& name, int partitions, const std::map<std::string, std::string>& settings) {
  const Handle handle = producer(bootstrap(), {});
  char text[512];
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (;;) {  // a deleted topic's name is not free at once
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(name.c_str(), partitions, 1, text, sizeof text);
    std::map<std::string, std::string> all = {
        {"message.timestamp.type", "LogAppendTime"}, {"max.message.bytes", "5242880"}, {"retention.ms", "-1"}};
    for (const auto& [key, value] : settings) all[key] = value;
    for (const auto& [key, value] : all) rd_kafka_NewTopic_set_config(topic, key.c_str(), value.c_str());
    const auto event = ask(handle.get(), [&](rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(handle.get(), &topic, 1, nullptr, queue); });
    rd_kafka_NewTopic_destroy(topic);
    std::size_t count = 0;
    const rd_kafka_topic_result_t** results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
    ASSERT_EQ(count, 1U);
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[0]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return await_known(name, partitions);
    ASSERT_EQ(error, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) << rd_kafka_err2str(error);
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "the name does not become free";
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// The controller answers before the broker has heard of it.
void RealKafka::await_known(const std::string& name, int partitions) {
  const Handle handle = producer(bootstrap(), {});
  for (int partition = 0; partition < partitions; ++partition) {
    EXPECT_TRUE(wait_until([&] {
      std::int64_t low = -1, high = -1;
      return rd_kafka_query_watermark_offsets(handle.get(), name.c_str(), partition, &low, &high, kTimeoutMs) == RD_KAFKA_RESP_ERR_NO_ERROR;
    })) << name;
  }
}

void RealKafka::delete_topic(const std::string& name) {
  const Handle handle = producer(bootstrap(), {});
  rd_kafka_DeleteTopic_t* topic = rd_kafka_DeleteTopic_new(name.c_str());
  const auto event = ask(handle.get(), [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteTopics(handle.get(), &topic, 1, nullptr, queue); });
  rd_kafka_DeleteTopic_destroy(topic);
  EXPECT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void RealKafka::raise_partitions(const std::string& name, int partitions) {
  const Handle handle = producer(bootstrap(), {});
  char text[512];
  rd_kafka_NewPartitions_t* wanted = rd_kafka_NewPartitions_new(name.c_str(), static_cast<std::size_t>(partitions), text, sizeof text);
  const auto event =
      ask(handle.get(), [&](rd_kafka_queue_t* queue) { rd_kafka_CreatePartitions(handle.get(), &wanted, 1, nullptr, queue); });
  rd_kafka_NewPartitions_destroy(wanted);
  EXPECT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void RealKafka::delete_records(const std::string& name, std::int64_t before_offset) {
  const Handle handle = producer(bootstrap(), {});
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, name.c_str(), 0)->offset = before_offset;
  rd_kafka_DeleteRecords_t* wanted = rd_kafka_DeleteRecords_new(list);
  rd_kafka_topic_partition_list_destroy(list);
  const auto event = ask(handle.get(), [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteRecords(handle.get(), &wanted, 1, nullptr, queue); });
  rd_kafka_DeleteRecords_destroy(wanted);
  EXPECT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
}

std::int64_t RealKafka::high_watermark(const std::string& name) {
  const Handle handle = producer(bootstrap(), {});
  std::int64_t low = -1, high = -1;
  EXPECT_EQ(rd_kafka_query_watermark_offsets(handle.get(), name.c_str(), 0, &low, &high, kTimeoutMs), RD_KAFKA_RESP_ERR_NO_ERROR);
  return high;
}

void RealKafka::produce(const std::string& topic, const std::vector<RawRecord>& records, const std::string& codec) {
  const Handle handle = producer(bootstrap(), {{"compression.codec", codec}, {"message.max.bytes", "6000000"}, {"acks", "all"}});
  send_all(handle.get(), topic, records);
  ASSERT_EQ(rd_kafka_flush(handle.get(), kTimeoutMs), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void RealKafka::transact(const std::string& topic, const std::vector<RawRecord>& records, bool commit) {
  const auto begin = [this] { return producer(bootstrap(), {{"transactional.id", "test"}}); };
  const auto done = [](rd_kafka_error_t* error) {
    const std::string text = error == nullptr ? "" : rd_kafka_error_string(error);
    if (error != nullptr) rd_kafka_error_destroy(error);
    return text;
  };
  const Handle handle = begin();
  ASSERT_EQ(done(rd_kafka_init_transactions(handle.get(), kTimeoutMs)), "");
  ASSERT_EQ(done(rd_kafka_begin_transaction(handle.get())), "");
  send_all(handle.get(), topic, records);
  ASSERT_EQ(rd_kafka_flush(handle.get(), kTimeoutMs), RD_KAFKA_RESP_ERR_NO_ERROR);
  ASSERT_EQ(done(commit ? rd_kafka_commit_transaction(handle.get(), kTimeoutMs) : rd_kafka_abort_transaction(handle.get(), kTimeoutMs)),
            "");
  // The broker answers before the control record is in the topic; the next of this id may begin once it is.
  ASSERT_EQ(done(rd_kafka_init_transactions(begin().get(), kTimeoutMs)), "");
}

}  // namespace bukubesar::testing_support
