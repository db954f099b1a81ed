// The command line as people and scripts meet it: exit codes, formats, help.
#include "server/cli.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <filesystem>

#include "adapters/http_client.h"
#include "base/file.h"
#include "base/status.h"
#include "server/json.h"
#include "server/node.h"
#include "tests/logged.h"

namespace bukubesar {
namespace {

using AddCommand = void (*)(CLI::App&, CliContext&);
const std::vector<std::pair<std::string, AddCommand>>& commands() {
  static const std::vector<std::pair<std::string, AddCommand>> all{
      {"serve", add_serve_command},     {"import", add_import_command},     {"demo", add_demo_command},
      {"totals", add_totals_command},   {"entries", add_entries_command},   {"purchase", add_purchase_command},
      {"status", add_status_command},   {"verify", add_verify_command},     {"doctor", add_doctor_command},
      {"key", add_key_command},         {"config", add_config_command},     {"prove", add_prove_command},
      {"check", add_check_command},     {"export", add_export_command},     {"completeness", add_completeness_command},
      {"witness", add_witness_command}, {"backup", add_backup_command},     {"restore", add_restore_command},
      {"correct", add_correct_command}, {"redact", add_redact_command},     {"source", add_source_command},
      {"clone", add_clone_command},     {"evidence", add_evidence_command}, {"reads", add_reads_command}};
  return all;
}

struct Outcome {
  int exit_code = 0;
  std::string out, err;
};

class CliTest : public testing::Test {
 protected:
  void SetUp() override {
    spdlog::set_level(spdlog::level::off);  // outside main() it would write to standard output
    directory_ = fmt::format("{}/bukubesar_cli_{}_{}", testing::TempDir(), ::getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    spdlog::set_level(spdlog::level::info);
  }

  Outcome run(std::vector<std::string> arguments, OutputFormat format = OutputFormat::table) {
    CliContext context;
    context.flags = {{"data_dir", directory_}, {"http.port", "0"}};
    context.format = format;
    context.url = url_;
    context.config_file = config_file_;
    CLI::App app("test", "bukubesar");
    app.require_subcommand(1);
    for (const auto& [name, add] : commands()) add(app, context);
    std::reverse(arguments.begin(), arguments.end());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Outcome outcome;
    try {
      app.parse(arguments);
      outcome.exit_code = context.exit_code;
    } catch (const CLI::ParseError& error) {
      outcome.exit_code = app.exit(error) == 0 ? 0 : 2;
    }
    std::fflush(stdout);
    outcome.out = testing::internal::GetCapturedStdout();
    outcome.err = testing::internal::GetCapturedStderr();
    return outcome;
  }

  std::string directory_;
  std::string config_file_;
  std::string url_ = "http://127.0.0.1:1";  // nobody listens there
};

TEST_F(CliTest, EveryCommandHasHelpWithExamples) {
  for (const auto& [name, add] : commands()) {
    const Outcome help = run({name, "--help"});
    EXPECT_EQ(help.exit_code, 0) << name;
    EXPECT_NE(help.out.find("xample"), std::string::npos) << name << "\n" << help.out;
    EXPECT_NE(help.out.find("bukubesar"), std::string::npos) << name;
  }
}

TEST_F(CliTest, ExitCodesSayWhatWentWrong) {
  EXPECT_EQ(run({"nonsense"}).exit_code, 2);
  EXPECT_EQ(run({"purchase"}).exit_code, 2) << "the id is required";
  EXPECT_EQ(run({"key", "show"}).exit_code, 3) << "there is no key yet";
  const Outcome nobody = run({"status"});
  EXPECT_EQ(nobody.exit_code, 4);
  EXPECT_EQ(nobody.out, "");
  EXPECT_NE(nobody.err.find("bukubesar: "), std::string::npos) << nobody.err;
  EXPECT_EQ(run({"verify"}).exit_code, 3) << "there is no ledger yet";
}

TEST_F(CliTest, ServeTakesTheFlagThatItsMessagesName) {
  EXPECT_NE(run({"serve", "--help"}).out.find("--create-topics"), std::string::npos);
}

TEST_F(CliTest, WhoHasADataDirectoryIsToldWithoutTouchingIt) {
  const std::string file = directory_ + "/lock";
  EXPECT_EQ(*DataLock::owner(directory_), std::nullopt);
  run({"doctor"});
  EXPECT_FALSE(std::filesystem::exists(file)) << "doctor wrote";
  {
    const auto lock = DataLock::take(directory_);
    ASSERT_TRUE(lock.ok()) << lock.status();
    EXPECT_EQ(*DataLock::owner(directory_), std::to_string(::getpid()));
    EXPECT_EQ(DataLock::take(directory_).status().code(), absl::StatusCode::kFailedPrecondition);
  }
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  const auto written = std::filesystem::last_write_time(file);
  EXPECT_EQ(*DataLock::owner(directory_), std::nullopt) << "a process that has ended holds nothing";
  EXPECT_EQ(std::filesystem::last_write_time(file), written);
}

TEST_F(CliTest, AMissingFileIsSaidBeforeAKeyIsMade) {
  const Outcome missing = run({"import", "realisasi", directory_ + "/nothing.json"});
  EXPECT_EQ(missing.exit_code, 3) << missing.err;
  EXPECT_NE(missing.err.find("nothing.json"), std::string::npos) << missing.err;
  EXPECT_EQ(run({"import", "reference", directory_ + "/nothing.jsonl"}).exit_code, 3);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/import.key"));
}

TEST_F(CliTest, AsksTheServerWhereTheConfigurationHasItListen) {
  CliContext context;
  context.flags = {{"http.port", "8099"}};
  EXPECT_EQ(*context.server_url(), "http://127.0.0.1:8099");
  context.flags.emplace_back("http.address", "::1");
  EXPECT_EQ(*context.server_url(), "http://[::1]:8099");
  context.url = "http://127.0.0.1:1";
  EXPECT_EQ(*context.server_url(), "http://127.0.0.1:1");
}

TEST_F(CliTest, AWrongRateIsSaidShortly) {
  const Outcome wrong = run({"demo", "--rate", "-1"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_LT(wrong.err.size() + wrong.out.size(), 300U) << wrong.err << wrong.out;
}

TEST_F(CliTest, CsvHasRawFigures) {
  Config config;
  config.data_dir = directory_;
  config.http.port = 0;
  Node node(config, nullptr);
  ASSERT_TRUE(node.start().ok());
  url_ = fmt::format("http://127.0.0.1:{}", node.port());
  std::string body = "[{}";
  for (int i = 1; i < 1200; ++i) body += ",{}";
  HttpClientOptions options;
  options.url = url_;
  ASSERT_EQ(
      HttpClient::make(options)->post("/v1/events", "application/cloudevents-batch+json", body + "]", {}, SendTwice::harmless)->status,
      200U);
  const std::string csv = run({"status"}, OutputFormat::csv).out;
  EXPECT_EQ(
      csv.rfind("partition,entries,accepted,duplicate,rejected,next_offset,lag_records,source,signed_size\r\n0,1200,0,0,1200,1200,", 0), 0U)
      << csv;
  EXPECT_EQ(csv.find(",-"), std::string::npos) << csv;
  const std::string entries = run({"entries", "0", "--limit", "1"}, OutputFormat::csv).out;
  EXPECT_EQ(entries.find(",-"), std::string::npos) << "what is not known is empty: " << entries;
  EXPECT_EQ(entries.substr(entries.size() - 3), ",\r\n") << entries;
  EXPECT_EQ(run({"config", "check"}, OutputFormat::csv).exit_code, 2);
  EXPECT_EQ(run({"config", "show"}, OutputFormat::csv).exit_code, 2);
}

TEST_F(CliTest, AKeyIsMadeOnceAndNeverOverwritten) {
  const Outcome made = run({"key", "new"}, OutputFormat::json);
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Json keys = Json::parse(made.out);
  ASSERT_EQ(keys.size(), 3U) << "two partitions and the cut notes";
  EXPECT_EQ(keys[1]["origin"], "kalsel/reference");
  EXPECT_EQ(run({"key", "new"}).exit_code, 2);
  EXPECT_EQ(run({"key", "show"}, OutputFormat::json).out, made.out);
}

TEST_F(CliTest, ConfigCheckLooksIntoWhatSettingsPointTo) {
  config_file_ = directory_ + "/bukubesar.json";
  const auto check = [&](const std::string& text) {
    EXPECT_TRUE(write_file_durably(config_file_, text).ok());
    return run({"config", "check"});
  };
  ASSERT_TRUE(write_file_durably(directory_ + "/views.json", R"({"views":[{"name":"x","by":["nonsense"]}]})").ok());
  const Outcome views = check(R"({"projections":{"views_file":")" + directory_ + R"(/views.json"}})");
  EXPECT_EQ(views.exit_code, 2);
  EXPECT_NE(views.err.find("'nonsense' is no dimension"), std::string::npos) << views.err;
  const Outcome property = check(R"({"broker":{"kind":"kafka","bootstrap_servers":"127.0.0.1:1","properties":{"no.such.property":"1"}}})");
  EXPECT_EQ(property.exit_code, 2);
  EXPECT_NE(property.err.find("no.such.property"), std::string::npos) << property.err;
  const Outcome both = check("{\"http\":{\"port\":1,\n\"port\":2},\n\"nonsense\":{}}");
  EXPECT_NE(both.err.find("stands twice"), std::string::npos) << both.err;
  EXPECT_NE(both.err.find("nonsense"), std::string::npos) << "a doubled member hides nothing: " << both.err;
}

TEST_F(CliTest, TheDefaultConfigurationChecks) {
  const Outcome shown = run({"config", "show-default"});
  ASSERT_EQ(shown.exit_code, 0);
  EXPECT_EQ(run({"config", "check"}).exit_code, 0);
  EXPECT_FALSE(Json::parse(run({"config", "show"}).out, nullptr, false).is_discarded());
}

TEST_F(CliTest, DoctorSaysWhatIsMissingWithoutFailing) {
  const Outcome report = run({"doctor"}, OutputFormat::json);
  EXPECT_EQ(report.exit_code, 0) << report.out;
  const Json json = Json::parse(report.out);
  EXPECT_TRUE(json["ok"].get<bool>());
  EXPECT_NE(report.out.find("bukubesar key new"), std::string::npos);
  ASSERT_TRUE(write_file_durably(directory_ + "/definition.jsonl", "no definition\n").ok());
  EXPECT_EQ(run({"doctor"}).exit_code, 1);
}

TEST_F(CliTest, ReadsAServerAndVerifiesWhatItLeaves) {
  ASSERT_EQ(run({"key", "new"}).exit_code, 0);
  ASSERT_TRUE(write_file_durably(directory_ + "/facts.jsonl",
                                 R"({"table":"region","code":"63","valid_from":"2000-01","name":"Kalimantan Selatan"})"
                                 "\n")
                  .ok());
  Config config;
  config.data_dir = directory_;
  config.http.port = 0;
  {
    Node node(config, nullptr);
    ASSERT_TRUE(node.start().ok());
    url_ = fmt::format("http://127.0.0.1:{}", node.port());
    const Outcome totals = run({"totals", "--by", "region", "--region", "63", "--fiscal-year", "2023"});
    EXPECT_EQ(totals.exit_code, 0) << totals.err;
    EXPECT_NE(totals.out.find("total"), std::string::npos);
    EXPECT_EQ(run({"totals", "--by", "region"}, OutputFormat::csv).out,
              "region,region_key,packages,vendors,committed,strict,broad,stage_unknown,paid\r\n");
    EXPECT_EQ(Json::parse(run({"totals"}, OutputFormat::json).out)["total"]["packages"], 0);
    EXPECT_EQ(run({"totals", "--by", "nonsense"}).exit_code, 2);
    EXPECT_EQ(run({"totals", "--as-of", "0=99,reference=0"}).exit_code, 6);
    EXPECT_EQ(run({"entries", "0"}).exit_code, 0);
    EXPECT_EQ(run({"entries", "0", "7"}).exit_code, 3);
    EXPECT_EQ(run({"purchase", "e-katalog-6/none"}).exit_code, 3);
    const Outcome status = run({"status"});
    EXPECT_EQ(status.exit_code, 0) << status.err;
    EXPECT_NE(status.out.find("no access control"), std::string::npos);
    EXPECT_EQ(run({"config", "definition", "--append", R"({"authority":{"source":"/feed/x"}})"}).exit_code, 2) << "the server runs";
    const testing_support::Logged logged;
    const Outcome facts =
        run({"import", "reference", "--secret-file", directory_ + "/import.key", directory_ + "/facts.jsonl"}, OutputFormat::csv);
    EXPECT_EQ(facts.out, "measure,value\r\nfacts,1\r\nsent,1\r\naccepted,1\r\nsame,0\r\ndifferent,0\r\nrejected,0\r\n") << facts.err;
    const std::string secret = *read_file(directory_ + "/import.key");
    EXPECT_GE(secret.size(), 32U);
    EXPECT_EQ((facts.out + facts.err).find(secret.substr(0, 32)), std::string::npos);
    EXPECT_FALSE(logged.has(secret.substr(0, 32)));
    node.stop();
  }
  std::filesystem::remove(directory_ + "/lock");
  const Outcome sound = run({"verify"}, OutputFormat::json);
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/lock")) << "verify wrote";
  EXPECT_EQ(sound.exit_code, 0) << sound.out << sound.err;
  EXPECT_TRUE(Json::parse(sound.out)["ok"].get<bool>());
  // A copy without the secret key says that signatures were not checked, and takes the public ones.
  const Json keys = Json::parse(run({"key", "show"}, OutputFormat::json).out);
  EXPECT_GT(Json::parse(sound.out)["signatures_checked"], 0);
  std::filesystem::rename(directory_ + "/signing.key", directory_ + "/elsewhere.key");
  const Outcome unchecked = run({"verify"});
  EXPECT_EQ(unchecked.exit_code, 0) << unchecked.out;
  EXPECT_NE(unchecked.out.find("NOT checked"), std::string::npos) << unchecked.out;
  EXPECT_EQ(unchecked.out.find("all is well"), std::string::npos) << unchecked.out;
  const std::string key = keys[1]["verifier_key"];
  const Json with_key = Json::parse(run({"verify", "--vkey", key}, OutputFormat::json).out);
  EXPECT_TRUE(with_key["ok"].get<bool>()) << with_key;
  EXPECT_GT(with_key["signatures_checked"], 0);
  ASSERT_TRUE(SigningKeys::create(directory_ + "/other.key").ok());
  const std::string other = SigningKeys::load(directory_ + "/other.key")->verifier_key("kalsel/reference");
  EXPECT_EQ(run({"verify", "--vkey", other}).exit_code, 1) << "another's key";
  EXPECT_EQ(run({"verify", "--vkey", "nobody+00000000+AA=="}).exit_code, 1);
  std::filesystem::rename(directory_ + "/elsewhere.key", directory_ + "/signing.key");
  EXPECT_EQ(run({"config", "definition", "--append", "nonsense"}).exit_code, 2);
  const Outcome rules = run({"config", "definition", "--append", R"({"rules":{"version":2,"from":"2020-01-01T00:00:00Z"}})"});
  EXPECT_EQ(rules.exit_code, 2) << "a line that the ledger can't live with is not written";
  EXPECT_NE(rules.err.find("rules version 2"), std::string::npos) << rules.err;
  EXPECT_EQ(run({"config", "definition", "--append", R"({"authority":{"source":"/feed/x"}})"}).exit_code, 0);
  EXPECT_NE(run({"config", "definition"}).out.find("/feed/x"), std::string::npos);
  std::filesystem::remove_all(directory_ + "/ledger");
  EXPECT_EQ(run({"verify"}).exit_code, 1) << "the ledger is gone";
}

}  // namespace
}  // namespace bukubesar
