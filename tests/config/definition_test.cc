#include "config/definition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"

namespace bukubesar {
namespace {

using testing::HasSubstr;

const std::string kLedger =
    R"({"ledger":{"name":"kalsel","format":1,"partitions":2,"partitioner":"murmur2","clock":"kafka","zone":"+08:00"}})";
const std::string kRules = R"({"rules":{"version":1,"from":"1970-01-01T00:00:00Z"}})";

std::string source(unsigned epoch, const std::string& partition, std::uint64_t size, const std::string& topic = "purchases") {
  SourceStatement statement;
  statement.epoch = Epoch(epoch);
  statement.partition = *PartitionId::parse(partition);
  statement.cluster = "c1";
  statement.topic = topic;
  statement.size = size;
  statement.root = std::string(as_view(sha256(fmt::format("{}", size))));
  statement.reason = "moved";
  statement.decided_by = "head of office";
  return to_line(statement);
}

std::string lines(const std::vector<std::string>& all) {
  std::string text;
  for (const std::string& each : all) text += each + "\n";
  return text;
}

// The message of a parse that must fail.
std::string refused(const std::vector<std::string>& all) {
  const auto parsed = parse_definition(lines(all), "d.jsonl");
  EXPECT_FALSE(parsed.ok());
  return parsed.ok() ? "" : message_of(parsed.status());
}

std::string temporary(const std::string& name) {
  const std::string path = fmt::format("{}/definition_{}_{}", testing::TempDir(), ::getpid(), name);
  std::filesystem::remove(path);
  return path;
}

TEST(Definition, ReadsEveryStatement) {
  const std::string epoch1 = source(1, "0", 812, "purchases-2");
  const auto parsed = parse_definition(
      lines({kLedger, kRules, R"({"rules":{"version":2,"from":"2024-01-01T00:00:00+08:00"}})", source(0, "0", 0), source(0, "1", 0),
             source(0, "reference", 0, "facts"), epoch1, R"({"feed":{"system":"e-katalog-6","institution":"*","source":"/feed/a"}})",
             R"({"feed":{"system":"e-katalog-6","institution":"D262","source":"/feed/b"}})",
             R"({"authority":{"source":"/feed/inspectorate"}})"}),
      "d.jsonl");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->name, "kalsel");
  EXPECT_EQ(parsed->partitions, 2U);
  EXPECT_EQ(parsed->zone_minutes, 480);
  EXPECT_EQ(parsed->all_partitions(), (std::vector<PartitionId>{PartitionId(0), PartitionId(1), PartitionId::reference()}));
  EXPECT_EQ(parsed->origin(PartitionId::reference()), "kalsel/reference");
  ASSERT_NE(parsed->source_of(PartitionId(0)), nullptr);
  EXPECT_EQ(parsed->source_of(PartitionId(0))->epoch, Epoch(1));
  EXPECT_EQ(parsed->source_of(PartitionId(0))->size, 812U);
  EXPECT_EQ(parsed->source_of(PartitionId(0))->line, epoch1) << "verbatim: it becomes a payload";
  EXPECT_EQ(parsed->source_of(PartitionId(0), Epoch(0))->topic, "purchases");
  EXPECT_EQ(parsed->source_of(PartitionId(0), Epoch(2)), nullptr);
  EXPECT_EQ(parsed->feeds.size(), 2U);
  EXPECT_EQ(parsed->authorities, std::vector<std::string>{"/feed/inspectorate"});
}

TEST(Definition, ItsTextReadsBackEqual) {
  const std::string text =
      lines({kLedger, kRules, source(0, "0", 0), source(1, "0", 7),
             R"({"feed":{"system":"tender","institution":"*","source":"/feed/\"quoted\""}})", R"({"authority":{"source":"/feed/x"}})"});
  const auto parsed = parse_definition(text, "d.jsonl");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(to_text(*parsed), text);
  const auto again = parse_definition(to_text(*parsed), "d.jsonl");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(to_text(*again), text);
}

TEST(Definition, RulesHoldFromTheirLedgerTimeOn) {
  const auto parsed =
      parse_definition(lines({kLedger, kRules, R"({"rules":{"version":3,"from":"2024-01-01T00:00:00+08:00"}})"}), "d.jsonl");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const std::int64_t from = 1704038400000;
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(0), Offset(5), 0), 1);
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(0), Offset(5), from - 1), 1);
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(0), Offset(5), from), 3);
}

TEST(Definition, RulesHoldFromTheirOffsetOnWhereThereIsNoLedgerTime) {
  std::string ledger = kLedger;
  ledger.replace(ledger.find("\"kafka\""), 7, "\"none\"");
  const auto parsed = parse_definition(lines({ledger, kRules, R"({"rules":{"version":2,"from":{"partition":"0","epoch":0,"offset":812}}})",
                                              R"({"rules":{"version":2,"from":{"partition":"reference","epoch":1,"offset":3}}})"}),
                                       "d.jsonl");
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(0), Offset(811), INT64_MAX), 1);
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(0), Offset(812), 0), 2);
  EXPECT_EQ(parsed->rules_version(PartitionId(0), Epoch(1), Offset(0), 0), 2);
  EXPECT_EQ(parsed->rules_version(PartitionId(1), Epoch(1), Offset(9), 0), 1);
  EXPECT_EQ(parsed->rules_version(PartitionId::reference(), Epoch(0), Offset(9), 0), 1);
  EXPECT_EQ(parsed->rules_version(PartitionId::reference(), Epoch(1), Offset(3), 0), 2);
}

struct WrongDefinition {
  std::vector<std::string> all;
  std::string message;  // the whole of it, or a part
};

TEST(Definition, NamesWhatIsWrongAndItsLine) {
  const std::string no_time = R"({"ledger":{"name":"k","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})";
  const std::vector<WrongDefinition> all = {
      {{}, "d.jsonl:1: is empty"},
      {{kRules}, "d.jsonl:1: the first line must be the ledger statement"},
      {{kLedger, kLedger}, "d.jsonl:2: ledger: stands twice"},
      {{kLedger, ""}, "d.jsonl:2: is empty"},
      {{kLedger, kRules + "\r"}, "d.jsonl:2: ends with a carriage return"},
      {{kLedger, "{"}, "d.jsonl:2: syntax error"},
      {{kLedger, kRules + " x"}, "d.jsonl:2: syntax error"},
      {{kLedger, "// no comments here"}, "d.jsonl:2: syntax error"},
      {{kLedger, "\"\xFF\""}, "d.jsonl:2: syntax error"},
      {{kLedger, "[]"}, "d.jsonl:2: must be an object with one member"},
      {{kLedger, R"({"rules":{},"feed":{}})"}, "d.jsonl:2: must be an object with one member"},
      {{kLedger, R"({"rules":1})"}, "d.jsonl:2: rules: must be an object, is a whole number"},
      {{kLedger, R"({"rule":{}})"}, "d.jsonl:2: \"rule\" is no kind of statement"},
      {{R"({"ledger":{"name":"a b","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "d.jsonl:1: ledger.name: \"a b\""},
      {{R"({"ledger":{"name":"a+b","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "d.jsonl:1: ledger.name: \"a+b\""},
      {{R"({"ledger":{"name":"a/b","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "d.jsonl:1: ledger.name: \"a/b\""},
      {{R"({"ledger":{"name":"k","format":2,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "ledger.format: 2 is not within 1 … 1"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":0,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "ledger.partitions: 0 is not within"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":1.5,"partitioner":"any","clock":"none","zone":"Z"}})"}, "must be a whole number"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":1,"partitioner":"md5","clock":"none","zone":"Z"}})"},
       "must be one of murmur2, crc32, any"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":1,"partitioner":"any","clock":"sun","zone":"Z"}})"},
       "must be one of kafka, intake, none"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"WITA"}})"},
       "ledger.zone: must be an offset"},
      {{R"({"ledger":{"format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"}, "d.jsonl:1: ledger.name: is missing"},
      {{R"({"ledger":{"name":"k","name":"l","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})"},
       "\"name\" stands twice"},
      {{R"({"ledger":{"name":"k","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z","x":1}})"},
       "ledger.x: is not known here"},
      {{kLedger, R"({"rules":{"version":1,"from":"2024-01-01T00:00:00Z"}})"}, "d.jsonl:2: rules.from: the first rules line must hold from"},
      {{kLedger, R"({"rules":{"version":1,"from":"yesterday"}})"}, "rules.from: is no instant"},
      {{kLedger, R"({"rules":{"version":0,"from":"1970-01-01T00:00:00Z"}})"}, "rules.version: 0 is not within"},
      {{kLedger, R"({"rules":{"version":1,"from":7}})"}, "rules.from: must be an instant, or an object"},
      {{kLedger, R"({"rules":{"version":1}})"}, "rules.from: is missing"},
      {{kLedger, kRules, kRules}, "d.jsonl:3: rules.version: 1 does not come after version 1"},
      {{kLedger, kRules, R"({"rules":{"version":2,"from":"1970-01-01T00:00:00Z"}})"}, "rules.from: does not come after the line before it"},
      {{kLedger, kRules, R"({"rules":{"version":2,"from":{"partition":"0","epoch":0,"offset":1}}})"},
       "rules.from: this ledger has ledger time"},
      {{no_time, kRules, R"({"rules":{"version":2,"from":"2024-01-01T00:00:00Z"}})"}, "rules.from: this ledger has no ledger time"},
      {{no_time, kRules, R"({"rules":{"version":2,"from":{"partition":"1","epoch":0,"offset":1}}})"},
       "rules.from.partition: 1 does not exist"},
      {{no_time, kRules, R"({"rules":{"version":2,"from":{"partition":"0","epoch":0,"offset":9}}})",
        R"({"rules":{"version":3,"from":{"partition":"0","epoch":0,"offset":9}}})"},
       "d.jsonl:4: rules.from: does not come after"},
      {{kLedger, source(1, "0", 5)}, "d.jsonl:2: source.epoch: must be 0, the next one of partition 0"},
      {{kLedger, source(0, "0", 5)}, "d.jsonl:2: source.size: must be 0"},
      {{kLedger, source(0, "0", 0), source(0, "0", 0)}, "d.jsonl:3: source.epoch: must be 1"},
      {{kLedger, source(0, "0", 0), source(2, "0", 5)}, "d.jsonl:3: source.epoch: must be 1"},
      {{kLedger, source(0, "0", 0), source(1, "0", 5), source(2, "0", 5)}, "d.jsonl:4: source.size: 5 is less than 6"},
      {{kLedger, source(0, "2", 0)}, "d.jsonl:2: source.partition: 2 does not exist"},
      {{kLedger, source(0, "0", 0, "no topic")}, "source.topic: \"no topic\" is no topic name"},
      {{kLedger,
        R"({"source":{"epoch":0,"partition":"00","cluster":"c","topic":"t","kafka_partition":0,"first_offset":0,"reason":"","decided_by":""}})"},
       "source.partition: \"00\" is no partition"},
      {{kLedger,
        R"({"source":{"epoch":0,"partition":"0","cluster":"c","topic":"t","kafka_partition":0,"first_offset":-1,"reason":"","decided_by":""}})"},
       "source.first_offset: -1 is not within"},
      {{kLedger,
        R"({"source":{"epoch":0,"partition":"0","cluster":"c","topic":"t","kafka_partition":0,"first_offset":18446744073709551615,"reason":"","decided_by":""}})"},
       "source.first_offset: 18446744073709551615 is not within"},
      {{kLedger,
        R"({"source":{"epoch":0,"partition":"0","cluster":"c","topic":"t","kafka_partition":0,"first_offset":0,"root":"AA==","reason":"","decided_by":""}})"},
       "source.root: must be 32 bytes in base64"},
      {{kLedger, source(0, "0", 0),
        R"({"source":{"epoch":1,"partition":"0","cluster":"c","topic":"t","kafka_partition":0,"first_offset":0,"reason":"r","decided_by":"d"}})"},
       "source.size: is missing"},
      {{kLedger, R"({"feed":{"system":"e katalog","institution":"*","source":"/f"}})"}, "feed.system: \"e katalog\" is no code"},
      {{kLedger, R"({"feed":{"system":"s","institution":"","source":"/f"}})"}, "feed.institution: \"\" is neither a code nor"},
      {{kLedger, R"({"feed":{"system":"s","institution":"*","source":"a\u0000b"}})"}, "feed.source: must be 1 … 512 bytes"},
      {{kLedger, R"({"feed":{"system":"s","institution":"*","source":"/f"}})",
        R"({"feed":{"system":"s","institution":"*","source":"/g"}})"},
       "d.jsonl:3: feed.institution: * of s has a feed already, /f"},
      {{kLedger, R"({"authority":{"source":"/a"}})", R"({"authority":{"source":"/a"}})"}, "d.jsonl:3: authority.source: /a stands twice"},
  };
  for (const WrongDefinition& wrong : all) EXPECT_THAT(refused(wrong.all), HasSubstr(wrong.message)) << lines(wrong.all);
}

// The second line is held against the first, which has no ledger time to be compared with.
TEST(Definition, ARefusedRulesLineOfTheOtherFormIsNotComparedWith) {
  const std::string ledger = R"({"ledger":{"name":"a","format":1,"partitions":1,"partitioner":"any","clock":"kafka","zone":"Z"}})"
                             "\n";
  const auto read = parse_definition(ledger +
                                         R"({"rules":{"version":1,"from":{"partition":"0","epoch":0,"offset":0}}})"
                                         "\n" +
                                         R"({"rules":{"version":2,"from":"2026-01-01T00:00:00Z"}})"
                                         "\n",
                                     "d");
  EXPECT_EQ(read.status().message(), "d:2: rules.from: the first rules line must hold from \"1970-01-01T00:00:00Z\" on");
}

// nlohmann/json takes a NUL for the end of the text.
TEST(Definition, ANulByteEndsNothing) {
  const std::string text =
      std::string(R"({"ledger":{"name":"a","format":1,"partitions":1,"partitioner":"any","clock":"none","zone":"Z"}})") + '\0' + "\n";
  EXPECT_EQ(parse_definition(text, "d").status().message(), "d:1: holds a NUL byte, which no JSON text does");
}

TEST(Definition, NamesAllThatIsWrongAtOnce) {
  const std::string message = refused({kLedger, "{", kRules, R"({"authority":{}})"});
  EXPECT_THAT(message, HasSubstr("d.jsonl:2: "));
  EXPECT_THAT(message, HasSubstr("\nd.jsonl:4: authority.source: is missing"));
}

TEST(Definition, ASizeThatIsNotZeroNeedsARootThatIsNotTheEmptyTrees) {
  std::string line = source(1, "0", 9);
  const std::string root = base64(as_view(sha256("9")));
  line.replace(line.find(root), root.size(), base64(as_view(sha256(""))));
  EXPECT_THAT(refused({kLedger, source(0, "0", 0), line}), HasSubstr("source.root: is not one of a tree of size 9"));
}

TEST(DefinitionFile, IsMadeOnceAndOnlyAddedTo) {
  const std::string path = temporary("made");
  Definition first;
  first.name = "demo";
  auto made = DefinitionFile::create(path, first);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_EQ(made->definition().rules.size(), 1U) << "rules from the beginning are never left open";
  const std::string before = *read_file(path);
  EXPECT_EQ(DefinitionFile::create(path, first).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(*read_file(path), before);

  ASSERT_TRUE(made->append(source(0, "0", 0)).ok());
  EXPECT_EQ(*read_file(path), before + source(0, "0", 0) + "\n");
  EXPECT_EQ(made->definition().sources.size(), 1U);
  const auto loaded = DefinitionFile::load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(to_text(loaded->definition()), to_text(made->definition()));
  std::filesystem::remove(path);
}

TEST(DefinitionFile, ARefusedLineChangesNothing) {
  const std::string path = temporary("refused");
  Definition first;
  first.name = "demo";
  auto made = DefinitionFile::create(path, first);
  ASSERT_TRUE(made.ok()) << made.status();
  const std::string before = *read_file(path);
  const absl::Status refusal = made->append(source(3, "0", 0));
  EXPECT_EQ(refusal.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(message_of(refusal), HasSubstr(path + ":3: source.epoch: must be 0"));
  EXPECT_EQ(made->append(source(0, "0", 0) + "\n" + source(1, "0", 1)).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(*read_file(path), before);
  EXPECT_TRUE(made->definition().sources.empty());
  ASSERT_TRUE(append_file_durably(path, source(0, "0", 0) + "\n").ok());
  EXPECT_EQ(made->append(authority_line("/feed/x")).code(), absl::StatusCode::kFailedPrecondition) << "somebody else wrote to it";
  EXPECT_EQ(made->append(source(0, "0", 0)), absl::OkStatus()) << "the line is there already, from a try whose sync failed";
  std::filesystem::remove(path);
}

TEST(DefinitionFile, ALastLineWithoutNewlineIsALine) {
  const std::string path = temporary("newline");
  ASSERT_TRUE(write_file_durably(path, kLedger).ok());
  auto loaded = DefinitionFile::load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  ASSERT_TRUE(loaded->append(kRules).ok());
  EXPECT_EQ(*read_file(path), kLedger + "\n" + kRules + "\n");
  std::filesystem::remove(path);
}

TEST(DefinitionFile, IsNotFoundWhereThereIsNone) {
  EXPECT_EQ(DefinitionFile::load(temporary("none")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace bukubesar
