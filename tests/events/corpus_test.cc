#include "tests/events/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/bytes.h"

namespace bukubesar {
namespace {

const std::string kCorpusPath = std::string(BUKUBESAR_SOURCE_DIR) + "/tests/events/corpus/v1.jsonl";

struct Outcome {
  std::string verdict, reason, detail, fingerprint, event;
};

Outcome outcome_of(const CorpusCase& test_case, JsonPath path) {
  Arena arena;
  Outcome outcome;
  Judge judge(test_case.routing, path);
  const Judgement judgement = judge.judge(1, test_case.partition, test_case.payload, arena);
  outcome.verdict = name_of(judgement.reason == Reason::none ? Verdict::accepted : Verdict::rejected);
  outcome.reason = name_of(judgement.reason);
  outcome.detail = judgement.detail;
  if (judgement.fingerprint != Fingerprint{}) outcome.fingerprint = hex(as_view(judgement.fingerprint));
  if (judgement.event != nullptr) outcome.event = describe(*judgement.event);
  return outcome;
}

// The line with its outcome members set anew, the others as they were.
std::string with_outcome(const std::string& line, const Outcome& outcome) {
  auto json = nlohmann::ordered_json::parse(line);
  const auto set = [&json](const char* name, const std::string& value) {
    json.erase(name);
    if (!value.empty()) json[name] = value;
  };
  set("verdict", outcome.verdict);
  set("reason", outcome.reason);
  set("detail", outcome.detail);
  set("fingerprint", outcome.fingerprint);
  set("event", outcome.event);
  return json.dump();
}

// With BUKUBESAR_UPDATE_GOLDEN=1 the outcomes are written instead; they are then reviewed as a diff. Rules are frozen: once a
// ledger uses a version, a changed line means a broken promise.
TEST(Corpus, RulesVersion1SaysWhatItAlwaysSaid) {
  const std::vector<CorpusCase> cases = read_corpus(kCorpusPath);
  ASSERT_GT(cases.size(), 200U);
  const bool update = std::getenv("BUKUBESAR_UPDATE_GOLDEN") != nullptr;
  std::string updated;
  for (const CorpusCase& test_case : cases) {
    const std::string line = with_outcome(test_case.line, outcome_of(test_case, JsonPath::fast_first));
    if (!update) {
      EXPECT_EQ(line, test_case.line) << test_case.name;
    }
    updated += line + "\n";
  }
  if (update) std::ofstream(kCorpusPath) << updated;
}

TEST(Corpus, TheStrictReaderAloneSaysTheSame) {
  for (const CorpusCase& test_case : read_corpus(kCorpusPath)) {
    EXPECT_EQ(with_outcome(test_case.line, outcome_of(test_case, JsonPath::fast_first)),
              with_outcome(test_case.line, outcome_of(test_case, JsonPath::strict_only)))
        << test_case.name;
  }
}

TEST(Corpus, ReachesEveryReasonARuleCanGive) {
  std::set<std::string> reached;
  for (const CorpusCase& test_case : read_corpus(kCorpusPath)) reached.insert(outcome_of(test_case, JsonPath::fast_first).reason);
  for (const ReasonInfo& info : all_reasons()) {
    if (info.verdict == Verdict::rejected) {
      EXPECT_TRUE(reached.contains(std::string(info.name))) << info.name;
    }
  }
}

TEST(Corpus, BothModesOfATypeDecodeToTheSameEvent) {
  std::map<std::string, std::set<std::string>> events;
  std::map<std::string, int> modes;
  for (const CorpusCase& test_case : read_corpus(kCorpusPath)) {
    const std::size_t comma = test_case.name.find(", ");
    const std::string mode = comma == std::string::npos ? "" : test_case.name.substr(comma + 2);
    if (mode != "structured" && mode != "binary") continue;
    const Outcome outcome = outcome_of(test_case, JsonPath::fast_first);
    ASSERT_EQ(outcome.verdict, "accepted") << test_case.name << ": " << outcome.detail;
    events[test_case.name.substr(0, comma)].insert(outcome.event);
    ++modes[test_case.name.substr(0, comma)];
  }
  EXPECT_EQ(events.size(), 14U);
  for (const auto& [type, described] : events) {
    EXPECT_EQ(modes[type], 2) << type;
    EXPECT_EQ(described.size(), 1U) << type << ": " << testing::PrintToString(described);
    EXPECT_EQ(described.begin()->substr(0, type.size()), type);
  }
}

TEST(Corpus, FingerprintsStandExactlyWhereTheEventDecoded) {
  const std::set<std::string> placed = {"none", "key_mismatch", "misrouted", "purchase_on_reference_topic", "reference_on_purchase_topic"};
  for (const CorpusCase& test_case : read_corpus(kCorpusPath)) {
    const Outcome outcome = outcome_of(test_case, JsonPath::fast_first);
    EXPECT_EQ(!outcome.fingerprint.empty(), placed.contains(outcome.reason)) << test_case.name;
    EXPECT_EQ(outcome.detail.empty(), outcome.reason == "none") << test_case.name;
  }
}

}  // namespace
}  // namespace bukubesar
