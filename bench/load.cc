// bench_load: writes synthetic purchase events of about 500 bytes to a real broker, as fast as it takes them or at a rate.
//
// Each purchase has up to five events: ordered, advanced three times, paid. The purchases of a window interleave, as they do in
// life. The same numbers give the same bytes. Some events can be sent a second time, as producers do.
#include <fmt/format.h>
#include <librdkafka/rdkafka.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include "base/bytes.h"
#include "base/sha256.h"
#include "events/rules.h"

namespace {

using namespace bukubesar;

constexpr std::uint64_t kEventsPerPurchaseMax = 5;

struct Options {
  std::string bootstrap = "127.0.0.1:9092";
  std::string topic = "bukubesar.purchases";
  std::uint64_t events = 1'000'000;
  std::uint64_t purchases = 0;  // instead of events; 0: not said
  std::uint64_t events_per_purchase = kEventsPerPurchaseMax;
  std::uint64_t vendors = 20'000;
  std::uint64_t window = 1000;  // purchases under way at once
  std::uint64_t first = 0;      // purchases are numbered from here
  std::uint32_t partitions = 1;
  std::uint64_t rate = 0;          // events a second; 0: no limit
  std::uint64_t repeat_every = 0;  // after so many events an earlier one is sent again; 0: never
};

// Spreads small numbers over 64 bits (splitmix64), so that every purchase has its own dimensions.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

constexpr const char* kStages[] = {"contracted", "shipping", "delivered", "completed"};
constexpr const char* kScales[] = {"micro", "small", "medium", "large"};

void write_event(std::string& to, const Options& options, std::uint64_t purchase, std::uint64_t step, std::string& key) {
  const std::uint64_t r = mix(purchase);
  key.clear();
  fmt::format_to(std::back_inserter(key), "e-katalog-6/P{:010}", purchase);
  to.clear();
  const char* what = step == 0 ? "ordered" : step == 4 ? "paid" : "advanced";
  fmt::format_to(std::back_inserter(to),
                 R"({{"specversion":"1.0","type":"id.bukubesar.purchase.{}.v1","source":"/feed/load","id":"{:016x}{:016x}","subject":"{}",)"
                 R"("time":"2023-{:02}-{:02}T09:12:{:02}+08:00","datacontenttype":"application/json","data":{{"salt":"{:016x}{:016x}",)",
                 what, r, step, key, 1 + r % 12, 1 + (r >> 8) % 28, step * 10, mix(r), mix(r + step));
  if (step == 0) {
    fmt::format_to(
        std::back_inserter(to),
        R"("document":{{"revision":1,"fiscal_year":2023,"order_date":"2023-{:02}-{:02}","stage":"{}","method":"e-purchasing",)"
        R"("institution":"D{}","work_unit":"{}","vendor":"p-{}","stated":{{"region":"63.{:02}","scale":"{}"}},"funding":["APBD"],"commodity":"k-{}",)"
        R"("catalogue_kind":"local","amounts":{{"total":"{}.00"}}}}}}}})",
        1 + r % 12, 1 + (r >> 8) % 28, kStages[0], 200 + r % 60, 100000 + r % 900, (r >> 16) % options.vendors, 1 + (r >> 5) % 11,
        kScales[(r >> 20) % 4], (r >> 24) % 300, 100'000 + (r >> 30) % 90'000'000);
  } else if (step == 4) {
    fmt::format_to(std::back_inserter(to), R"("amount":"{}.00","reference":"SP2D-{}","date":"2023-12-01"}}}})",
                   100'000 + (r >> 30) % 90'000'000, purchase);
  } else {
    fmt::format_to(
        std::back_inserter(to),
        R"("observation":"{:016x}{:016x}","stage":"{}","source_status":{{"package":"ON_PROCESS","shipment":"{}","note":"{:016x}{:016x}{:016x}{:016x}"}}}}}})",
        mix(r + 7), mix(r + 8), kStages[step], kStages[step], mix(r + step), mix(r + 11 + step), mix(r + 12), mix(r + 13));
  }
}

bool set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
  char error[512];
  if (rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof error) == RD_KAFKA_CONF_OK) return true;
  std::fprintf(stderr, "bench_load: %s=%s: %s\n", name, value.c_str(), error);
  return false;
}

rd_kafka_t* make_producer(const Options& options) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  bool ok = true;
  for (const auto& [name, value] : {std::pair<const char*, std::string>{"bootstrap.servers", options.bootstrap},
                                    {"linger.ms", options.rate == 0 ? "20" : "1"},
                                    {"acks", "1"},
                                    {"compression.codec", options.rate == 0 ? "lz4" : "none"},
                                    {"queue.buffering.max.messages", "500000"},
                                    {"batch.size", "1000000"}})
    ok = set(conf, name, value) && ok;
  char error[512];
  rd_kafka_t* producer = ok ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error) : nullptr;
  if (ok && producer == nullptr) std::fprintf(stderr, "bench_load: %s\n", error);
  return producer;
}

// The event at `position` of the stream.
void write_at(std::string& to, const Options& options, std::uint64_t position, std::string& key) {
  const std::uint64_t window = position / (options.window * options.events_per_purchase);
  const std::uint64_t in_window = position % (options.window * options.events_per_purchase);
  write_event(to, options, options.first + window * options.window + in_window % options.window, in_window / options.window, key);
}

bool send(rd_kafka_t* producer, rd_kafka_topic_t* topic, const Options& options, const std::string& key, const std::string& value) {
  const auto partition = static_cast<std::int32_t>(partition_of(Partitioner::murmur2, key, options.partitions));
  for (;;) {
    if (rd_kafka_produce(topic, partition, RD_KAFKA_MSG_F_COPY, const_cast<char*>(value.data()), value.size(), key.data(), key.size(),
                         nullptr) == 0)
      return true;
    if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      std::fprintf(stderr, "bench_load: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
      return false;
    }
    rd_kafka_poll(producer, 5);
  }
}

bool load(rd_kafka_t* producer, rd_kafka_topic_t* topic, const Options& options) {
  std::string key, value;
  std::uint64_t bytes = 0, sent = 0;
  const auto send_at = [&](std::uint64_t position) {
    write_at(value, options, position, key);
    bytes += value.size();
    ++sent;
    return send(producer, topic, options, key, value);
  };
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t position = 0; position < options.events; ++position) {
    if (!send_at(position)) return false;
    const bool repeat = options.repeat_every != 0 && position % options.repeat_every == options.repeat_every - 1;
    if (repeat && !send_at(position - options.repeat_every / 2)) return false;
    if (position % 64 == 0) rd_kafka_poll(producer, 0);
    if (options.rate != 0 && position % 16 == 0)
      std::this_thread::sleep_until(start + std::chrono::nanoseconds(position * 1'000'000'000ULL / options.rate));
  }
  const bool flushed = rd_kafka_flush(producer, 60'000) == RD_KAFKA_RESP_ERR_NO_ERROR;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("{\"records\":%llu,\"seconds\":%.3f,\"bytes_per_event\":%.1f}\n", static_cast<unsigned long long>(sent), seconds,
              static_cast<double>(bytes) / static_cast<double>(sent));
  return flushed;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Writes synthetic purchase events to a real broker, for bench/run.");
  app.add_option("--bootstrap", options.bootstrap, "host:port of the broker");
  app.add_option("--topic", options.topic, "the purchases topic");
  app.add_option("--events", options.events, "how many")->check(CLI::PositiveNumber);
  app.add_option("--purchases", options.purchases, "as many events as so many purchases have")
      ->check(CLI::PositiveNumber)
      ->excludes("--events");
  app.add_option("--events-per-purchase", options.events_per_purchase, "the first of: ordered, advanced three times, paid")
      ->check(CLI::Range(std::uint64_t{1}, kEventsPerPurchaseMax));
  app.add_option("--vendors", options.vendors, "how many there are")->check(CLI::PositiveNumber);
  app.add_option("--window", options.window, "purchases under way at once")->check(CLI::PositiveNumber);
  app.add_option("--repeat-every", options.repeat_every, "after so many events an earlier one is sent again; 0: never");
  app.add_option("--first", options.first, "number of the first purchase");
  app.add_option("--partitions", options.partitions, "partitions of the topic")->check(CLI::PositiveNumber);
  app.add_option("--rate", options.rate, "events a second; 0: as fast as the broker takes them");
  CLI11_PARSE(app, argc, argv);
  if (options.purchases != 0) options.events = options.purchases * options.events_per_purchase;
  rd_kafka_t* producer = make_producer(options);
  if (producer == nullptr) return 2;
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, options.topic.c_str(), nullptr);
  const bool ok = load(producer, topic, options);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  return ok ? 0 : 4;
}
