#include "adapters/publisher.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "adapters/json_answer.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::size_t kUnexpectedMax = 20;
constexpr const char* kEventsTarget = "/v1/events";

// FNV-1a: which connection a key's events take. Any function of the key does; this one is the same everywhere.
std::uint64_t key_hash(std::string_view key) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : key) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return hash;
}

void add_counts(PublishCounts& to, const PublishCounts& from) {
  to.sent += from.sent;
  to.accepted += from.accepted;
  to.same += from.same;
  to.different += from.different;
  to.rejected += from.rejected;
  to.verbatim_rejected += from.verbatim_rejected;
  for (const auto& [reason, count] : from.rejected_reasons) to.rejected_reasons[reason] += count;
  for (const auto& line : from.unexpected)
    if (to.unexpected.size() < kUnexpectedMax) to.unexpected.push_back(line);
}

using Run = std::vector<const Outgoing*>;

// Counts one receipt.
absl::Status take_receipt(const nlohmann::json& receipt, const Outgoing& record, PublishCounts& counts) {
  const std::string verdict = text_member(receipt, "verdict");
  const std::string reason = text_member(receipt, "reason");
  ++counts.sent;
  if (verdict == "accepted") {
    ++counts.accepted;
  } else if (verdict == "duplicate") {
    ++(reason == "different" ? counts.different : counts.same);
  } else if (verdict == "rejected") {
    ++counts.rejected;
    ++counts.rejected_reasons[reason];
    if (record.verbatim) {
      ++counts.verbatim_rejected;
    } else if (counts.unexpected.size() < kUnexpectedMax) {
      counts.unexpected.push_back(fmt::format("{}: {}", record.key, reason));
    }
  } else {
    return unavailable("{}: the server's receipt has no verdict: {}", record.key, receipt.dump());
  }
  return absl::OkStatus();
}

absl::Status take_receipts(const HttpResponse& response, const Run& run, PublishCounts& counts) {
  RETURN_IF_ERROR(status_of(response));
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  const auto results = json.is_object() ? json.find("results") : json.end();
  if (!json.is_object() || results == json.end() || !results->is_array() || results->size() != run.size())
    return unavailable("POST {}: the answer does not have {} receipts: {}", kEventsTarget, run.size(), response.body.substr(0, 200));
  for (std::size_t i = 0; i < run.size(); ++i) RETURN_IF_ERROR(take_receipt((*results)[i], *run[i], counts));
  return absl::OkStatus();
}

absl::Status post_batch(HttpClient& client, const Run& run, PublishCounts& counts) {
  std::string body = "[";
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (i != 0) body += ',';
    body += *run[i]->value;
  }
  body += ']';
  const auto response = client.post(kEventsTarget, "application/cloudevents-batch+json", body, {}, SendTwice::harmless);
  if (!response.ok()) return response.status();
  return take_receipts(*response, run, counts);
}

absl::Status post_verbatim(HttpClient& client, const Outgoing& record, PublishCounts& counts) {
  // A null value goes as an empty body.
  const HttpHeaders headers{{"Bukubesar-Key", record.key}, {"Bukubesar-Topic", record.reference_topic ? "reference" : "purchases"}};
  const auto response = client.post(kEventsTarget, "application/cloudevents+json", record.value.value_or(""), headers, SendTwice::harmless);
  if (!response.ok()) return response.status();
  return take_receipts(*response, {&record}, counts);
}

// Sends the records of one connection, in order.
absl::Status post_all(HttpClient& client, const Run& records, const HttpSinkOptions& options, PublishCounts& counts) {
  Run run;
  std::uint64_t bytes = 0;
  for (const Outgoing* record : records) {
    const std::uint64_t size = record->value ? record->value->size() + 1 : 0;
    const bool full = run.size() >= options.batch_events_max || bytes + size > options.batch_bytes_max;
    if (!run.empty() && (full || record->verbatim)) {
      RETURN_IF_ERROR(post_batch(client, run, counts));
      run.clear();
      bytes = 0;
    }
    if (record->verbatim) {
      RETURN_IF_ERROR(post_verbatim(client, *record, counts));
    } else {
      run.push_back(record);
      bytes += size;
    }
  }
  return run.empty() ? absl::OkStatus() : post_batch(client, run, counts);
}

class HttpSink final : public EventSink {
 public:
  HttpSink(HttpSinkOptions options, std::vector<HttpClient> clients) : options_(std::move(options)), clients_(std::move(clients)) {}

  absl::Status send(std::span<const Outgoing> records) override {
    const std::size_t lanes = records.size() <= options_.batch_events_max / 4 ? 1 : clients_.size();
    std::vector<Run> runs(lanes);
    for (const Outgoing& record : records) runs[key_hash(record.key) % lanes].push_back(&record);
    std::vector<PublishCounts> counts(lanes);
    std::vector<absl::Status> results(lanes);
    const auto work = [&](std::size_t lane) { results[lane] = post_all(clients_[lane], runs[lane], options_, counts[lane]); };
    {
      std::vector<std::jthread> threads;
      for (std::size_t lane = 1; lane < lanes; ++lane) threads.emplace_back(work, lane);
      work(0);
    }
    absl::Status first;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      add_counts(counts_, counts[lane]);
      if (first.ok()) first = results[lane];
    }
    return first;
  }
  absl::Status flush() override { return absl::OkStatus(); }

 private:
  HttpSinkOptions options_;
  std::vector<HttpClient> clients_;
};

class FileSink final : public EventSink {
 public:
  FileSink(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {}
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  ~FileSink() override {
    if (file_ != stdout) std::fclose(file_);
  }

  absl::Status send(std::span<const Outgoing> records) override {
    for (const Outgoing& record : records) {
      if (record.verbatim) {
        ++counts_.verbatim_left_out;
        continue;
      }
      const std::string& text = *record.value;
      if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fputc('\n', file_) == EOF) return failed();
      ++counts_.sent;
    }
    return absl::OkStatus();
  }
  absl::Status flush() override { return std::fflush(file_) == 0 ? absl::OkStatus() : failed(); }

 private:
  absl::Status failed() const { return unavailable("{}: {}", path_, std::strerror(errno)); }

  std::FILE* file_;
  std::string path_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<EventSink>> make_http_sink(const HttpSinkOptions& options) {
  std::vector<HttpClient> clients;
  for (std::uint32_t i = 0; i < std::max<std::uint32_t>(options.connections, 1); ++i) {
    ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(options.client));
    clients.push_back(std::move(client));
  }
  return std::unique_ptr<EventSink>(std::make_unique<HttpSink>(options, std::move(clients)));
}

absl::StatusOr<std::unique_ptr<EventSink>> make_file_sink(const std::string& path) {
  std::FILE* file = path == "-" ? stdout : std::fopen(path.c_str(), "wb");
  if (file == nullptr) return unavailable("{}: {}", path, std::strerror(errno));
  return std::unique_ptr<EventSink>(std::make_unique<FileSink>(file, path));
}

}  // namespace bukubesar
