// What the ledger's tests share: a definition, a directory of its own, and batches that fit.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "config/definition.h"
#include "events/payload.h"
#include "events/rules.h"
#include "ledger/ledger.h"
#include "ledger/merkle.h"

namespace bukubesar {

inline const PartitionId kP0{0};

inline Definition make_definition(std::uint32_t partitions = 1, LedgerClock clock = LedgerClock::kafka) {
  Definition definition;
  definition.name = "test";
  definition.partitions = partitions;
  definition.clock = clock;
  // Events of all partitions are of one purchase, so that tests may put them where they like.
  if (partitions > 1) definition.partitioner = "any";
  return definition;
}

// A directory that is gone after the test; the ledger stands in <root>/ledger.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    static int count = 0;
    path_ = std::filesystem::path(testing::TempDir()) / ("bukubesar-ledger-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string ledger() const { return (path_ / "ledger").string(); }
  [[nodiscard]] std::filesystem::path path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string payload_of(std::string_view key, std::string_view value) { return encode_payload(key, {}, value); }

// Builds batches for one partition, record by record, as an intake would.
class BatchMaker {
 public:
  explicit BatchMaker(PartitionId partition, const PartitionHead& head = {}) : partition_(partition) { follow(head); }
  // After a commit, or to begin elsewhere.
  void follow(const PartitionHead& head) {
    batch_ = PartitionBatch();
    payloads_ = std::make_shared<std::vector<std::string>>();
    batch_.partition = partition_;
    batch_.first = Sequence(head.size);
    batch_.epoch = head.epoch;
    batch_.next_offset = head.next_offset;
    head_ = head;
  }
  BatchMaker& accepted(std::string_view id, std::int64_t timestamp_ms = 0) {
    Entry entry = record(event_payload(id), timestamp_ms);
    entry.verdict = Verdict::accepted;
    entry.fingerprint = fingerprint_of("/feed/test", id);
    return add(entry);
  }
  BatchMaker& duplicate(std::string_view id, Sequence first, std::int64_t timestamp_ms = 0) {
    Entry entry = record(event_payload(id), timestamp_ms);
    entry.verdict = Verdict::duplicate;
    entry.reason = Reason::same;
    entry.duplicate_of = first;
    entry.fingerprint = fingerprint_of("/feed/test", id);
    return add(entry);
  }
  BatchMaker& rejected(std::string_view text, std::int64_t timestamp_ms = 0) {
    Entry entry = record(payload_of("k", text), timestamp_ms);
    entry.verdict = Verdict::rejected;
    Arena arena;
    entry.reason = Judge(Routing{}).judge(1, partition_, payloads_->back(), arena).reason;
    EXPECT_NE(entry.reason, Reason::none) << text;
    return add(entry);
  }
  // Rejected for its size, kept as hash only.
  BatchMaker& oversize(std::uint32_t size) {
    Entry entry = record(std::string(16, 'x'), 0);
    entry.verdict = Verdict::rejected;
    entry.reason = Reason::oversize;
    entry.payload_size = size;
    payloads_->back().clear();
    hash_only_.push_back(batch_.entries.size());
    return add(entry);
  }
  BatchMaker& gap(std::int64_t count) {
    batch_.gaps.push_back({batch_.epoch, batch_.next_offset, batch_.next_offset + count});
    batch_.next_offset = batch_.next_offset + count;
    return *this;
  }
  BatchMaker& statement(const SourceStatement& source) {
    Entry entry;
    entry.kind = EntryKind::source_statement;
    entry.epoch = source.epoch;
    payloads_->push_back(encode_payload(std::nullopt, {}, source.line));
    entry.payload_size = static_cast<std::uint32_t>(payloads_->back().size());
    entry.payload_hash = sha256(payloads_->back());
    batch_.epoch = source.epoch;
    batch_.next_offset = source.first_offset;
    batch_.entries.push_back(entry);
    return *this;
  }
  // The batch as it stands; edit it to make it wrong.
  PartitionBatch take() {
    batch_.payloads.clear();
    for (std::size_t i = 0; i < payloads_->size(); ++i) {
      const bool hash_only = std::find(hash_only_.begin(), hash_only_.end(), i) != hash_only_.end();
      batch_.payloads.push_back(hash_only ? std::string_view() : std::string_view((*payloads_)[i]));
    }
    batch_.keep_alive = {payloads_};
    hash_only_.clear();
    return std::move(batch_);
  }
  [[nodiscard]] std::size_t count() const { return batch_.entries.size(); }

 private:
  // An event of /feed/test with this id, as the rules accept it in this partition.
  [[nodiscard]] std::string event_payload(std::string_view id) const {
    const bool reference = partition_.is_reference();
    const std::string_view subject = reference ? "commodity/k-1" : "e-katalog-6/P1";
    return payload_of(subject,
                      fmt::format(R"({{"specversion":"1.0","type":"id.bukubesar.{}.v1","source":"/feed/test","id":"{}","subject":"{}",)"
                                  R"("data":{{"salt":"00112233445566778899aabbccddeeff",{}}}}})",
                                  reference ? "reference.commodity" : "purchase.advanced", id, subject,
                                  reference ? R"("valid_from":"2023-01")" : R"("stage":"completed")"));
  }
  Entry record(std::string payload, std::int64_t timestamp_ms) {
    Entry entry;
    entry.rules_version = 1;
    entry.epoch = batch_.epoch;
    entry.offset = batch_.next_offset;
    entry.payload_size = static_cast<std::uint32_t>(payload.size());
    entry.payload_hash = sha256(payload);
    if (timestamp_ms != 0) {
      entry.timestamp_present = true;
      entry.log_append_time = true;
      entry.timestamp_ms = timestamp_ms;
    }
    payloads_->push_back(std::move(payload));
    return entry;
  }
  BatchMaker& add(const Entry& entry) {
    batch_.entries.push_back(entry);
    batch_.next_offset = batch_.next_offset + 1;
    return *this;
  }

  const PartitionId partition_;
  PartitionHead head_;
  PartitionBatch batch_;
  std::shared_ptr<std::vector<std::string>> payloads_;
  std::vector<std::size_t> hash_only_;
};

inline Commit commit_of(PartitionBatch batch) {
  Commit commit;
  commit.parts.push_back(std::move(batch));
  return commit;
}

inline std::unique_ptr<Ledger> open_ledger(const std::string& directory, const Definition& definition, bool read_only = false) {
  auto ledger = Ledger::open({directory, read_only, {}}, definition);
  EXPECT_TRUE(ledger.ok()) << ledger.status();
  return ledger.ok() ? *std::move(ledger) : nullptr;
}

// `count` accepted events in one commit, ids "<prefix><sequence>", ledger time 1000 ms a sequence.
inline absl::Status commit_events(Ledger& ledger, PartitionId partition, std::size_t count, const std::string& prefix = "e") {
  const PartitionHead head = ledger.head(partition);
  BatchMaker maker(partition, head);
  for (std::size_t i = 0; i < count; ++i)
    maker.accepted(prefix + std::to_string(head.size + i), static_cast<std::int64_t>(head.size + i + 1) * 1000);
  return ledger.commit(commit_of(maker.take())).status();
}

// RFC 6962 §2.1, word for word: nothing shared with the code under test but SHA-256.
inline Hash256 naive_root(const std::vector<std::string>& leaves, std::size_t first, std::size_t limit) {
  if (first == limit) return sha256("");
  if (limit - first == 1) return sha256(std::string(1, '\0') + leaves[first]);
  std::size_t k = 1;
  while (2 * k < limit - first) k *= 2;
  const Hash256 left = naive_root(leaves, first, first + k);
  const Hash256 right = naive_root(leaves, first + k, limit);
  return sha256(std::string(1, '\1') + std::string(as_view(left)) + std::string(as_view(right)));
}

}  // namespace bukubesar
