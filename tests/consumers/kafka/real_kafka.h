// A real broker for tests, by ops/kafka, and what tests do to it through librdkafka.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bukubesar::testing_support {

struct RawRecord {
  std::optional<std::string> key;
  std::vector<std::pair<std::string, std::optional<std::string>>> headers;
  std::optional<std::string> value;
};

class RealKafka {
 public:
  RealKafka();
  ~RealKafka();
  void start();
  void stop();
  [[nodiscard]] std::string bootstrap() const;

  // Each fails the test where the broker refuses.
  void create_topic(const std::string& name, int partitions, const std::map<std::string, std::string>& settings = {});
  void delete_topic(const std::string& name);
  void raise_partitions(const std::string& name, int partitions);
  void delete_records(const std::string& name, std::int64_t before_offset);
  [[nodiscard]] std::int64_t high_watermark(const std::string& name);
  void produce(const std::string& topic, const std::vector<RawRecord>& records, const std::string& codec = "none");
  // In one transaction.
  void transact(const std::string& topic, const std::vector<RawRecord>& records, bool commit);

 private:
  void ops(const std::string& verb);
  void await_known(const std::string& name, int partitions);
  std::string directory_;
  int port_ = 0;
};

}  // namespace bukubesar::testing_support
