// What the projections' tests share: a node's ledger in a directory of its own, fed with events as an intake would feed it.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "config/definition.h"
#include "events/payload.h"
#include "events/rules.h"
#include "ledger/ledger.h"
#include "projections/projections.h"

namespace bukubesar {

class TestDirectory {
 public:
  TestDirectory() {
    static int count = 0;
    path_ =
        std::filesystem::path(testing::TempDir()) / ("bukubesar-projections-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestDirectory() { std::filesystem::remove_all(path_); }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline Definition test_definition(std::uint32_t partitions = 1) {
  Definition definition;
  definition.name = "test";
  definition.partitions = partitions;
  definition.zone_minutes = 480;
  return definition;
}

// A ledger with an intake in front of it that judges, finds duplicates and commits.
class Node {
 public:
  explicit Node(const Definition& definition = test_definition()) : definition_(definition) {
    auto opened = Ledger::open({directory_ / "ledger", false, {}}, definition_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    ledger_ = *std::move(opened);
  }

  // A record with this key and CloudEvents text; the clock moves on by a second with each.
  Node& add(const std::string& key, const std::string& value, bool reference = false) {
    const PartitionId partition = reference
                                      ? PartitionId::reference()
                                      : PartitionId(partition_of(*parse_partitioner(definition_.partitioner), key, definition_.partitions));
    Part& part = parts_[partition];
    if (part.batch.entries.empty()) begin(partition, part);
    const std::string& payload = *part.payloads->emplace_back(
        std::make_unique<std::string>(encode_payload(key, std::vector<Header>{{"content-type", "application/cloudevents+json"}}, value)));
    const Judgement judgement = judge_.judge(1, partition, payload, *part.arena);
    Entry entry;
    entry.rules_version = 1;
    entry.epoch = part.batch.epoch;
    entry.offset = part.batch.next_offset;
    entry.payload_size = static_cast<std::uint32_t>(payload.size());
    entry.payload_hash = sha256(payload);
    entry.timestamp_present = entry.log_append_time = true;
    entry.timestamp_ms = clock_ms_ += 1000;
    entry.fingerprint = judgement.fingerprint;
    const Event* event = judgement.event;
    if (event == nullptr) {
      entry.verdict = Verdict::rejected;
      entry.reason = judgement.reason;
      last_rejection_ = judgement.detail;
    } else {
      decide(partition, part, payload, entry, event);
    }
    part.batch.entries.push_back(entry);
    part.batch.payloads.push_back(payload);
    part.batch.events.push_back(event);
    part.batch.next_offset = part.batch.next_offset + 1;
    return *this;
  }

  // Nothing happens for so long.
  void pass(std::chrono::milliseconds time) { clock_ms_ += time.count(); }

  // Commits what was added, in one commit.
  std::shared_ptr<const Commit> commit() {
    auto commit = std::make_shared<Commit>();
    for (auto& [partition, part] : parts_) {
      if (part.batch.entries.empty()) continue;
      part.batch.keep_alive = {part.payloads, part.arena};
      commit->parts.push_back(std::move(part.batch));
      part = Part();
    }
    if (commit->parts.empty()) return commit;
    const auto cost = ledger_->commit(*commit);
    EXPECT_TRUE(cost.ok()) << cost.status();
    return commit;
  }

  [[nodiscard]] Ledger& ledger() { return *ledger_; }
  [[nodiscard]] const Definition& definition() const { return definition_; }
  [[nodiscard]] std::string segments() const { return directory_ / "segments"; }
  [[nodiscard]] const TestDirectory& directory() const { return directory_; }
  [[nodiscard]] const std::string& last_rejection() const { return last_rejection_; }

  [[nodiscard]] ProjectionsOptions options(std::uint64_t segment_rows = 65'536, const std::string& segments_directory = "segments") const {
    ProjectionsOptions options;
    options.directory = directory_ / segments_directory;
    options.ledger = ledger_.get();
    options.definition = &definition_;
    options.views_text = R"({"views":[{"name":"regions","title":"t","by":["region"]},
      {"name":"umkm","title":"t","by":["umkm"]},{"name":"local","title":"t","by":["district"],"where":{"catalogue_kind":["local"]}}]})";
    options.segment_rows = segment_rows;
    return options;
  }

 private:
  struct Part {
    PartitionBatch batch;
    std::shared_ptr<std::vector<std::unique_ptr<std::string>>> payloads = std::make_shared<std::vector<std::unique_ptr<std::string>>>();
    std::shared_ptr<Arena> arena = std::make_shared<Arena>();
  };
  struct Accepted {
    Sequence sequence;
    std::string payload;
  };

  void begin(PartitionId partition, Part& part) {
    const PartitionHead head = ledger_->head(partition);
    part.batch.partition = partition;
    part.batch.first = Sequence(head.size);
    part.batch.epoch = head.epoch;
    part.batch.next_offset = head.next_offset;
  }
  void decide(PartitionId partition, const Part& part, const std::string& payload, Entry& entry, const Event*& event) {
    auto& accepted = accepted_[partition];
    const std::string id(as_view(entry.fingerprint));
    const auto found = accepted.find(id);
    if (found == accepted.end()) {
      entry.verdict = Verdict::accepted;
      accepted[id] = {part.batch.first + part.batch.entries.size(), payload};
      return;
    }
    entry.verdict = Verdict::duplicate;
    entry.reason = same_event(found->second.payload, payload) ? Reason::same : Reason::different;
    entry.duplicate_of = found->second.sequence;
    event = nullptr;
  }

  TestDirectory directory_;
  Definition definition_;
  std::unique_ptr<Ledger> ledger_;
  Judge judge_{Routing{*parse_partitioner(definition_.partitioner), definition_.partitions}};
  std::map<PartitionId, Part> parts_;
  std::map<PartitionId, std::map<std::string, Accepted>> accepted_;
  std::int64_t clock_ms_ = 1'700'000'000'000;
  std::string last_rejection_;
};

inline std::unique_ptr<Projections> open_projections(const ProjectionsOptions& options) {
  auto opened = Projections::open(options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

}  // namespace bukubesar
