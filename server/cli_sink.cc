// `bukubesar sink postgres`, `sink kafka`, `export sqlite`: the figures where other programs look for them.
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <filesystem>

#include "adapters/kafka_sink.h"
#include "adapters/postgres_sink.h"
#include "adapters/sqlite_store.h"
#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "config/broker_security.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

std::atomic<bool> stop_asked{false};
void ask_to_stop(int) { stop_asked = true; }

void stop_on_signals() {
  struct sigaction action {};
  action.sa_handler = ask_to_stop;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void print_status(const CliContext& context, const MartStatus& status, const std::string& where) {
  const Json json = {{"where", where},
                     {"cut", to_json(status.cut)},
                     {"phase", status.phase},
                     {"transfers", status.transfers},
                     {"findings", status.findings}};
  switch (context.format) {
    case OutputFormat::json:
      fmt::print("{}\n", to_text(json));
      break;
    case OutputFormat::csv:
      fmt::print("{}", measures_csv(json));
      break;
    case OutputFormat::table:
      fmt::print("{} {}: {} transfers and {} findings stored by this run\n", where,
                 status.cut.sizes().empty() ? "was not reached" : "is at " + status.cut.text(), for_people(status.transfers),
                 for_people(status.findings));
  }
}

void sink_postgres(CliContext& context, PostgresSinkOptions options) {
  auto client = context.client();
  if (!client.ok()) return context.fail(client.status());
  options.client = *std::move(client);
  spdlog::set_level(spdlog::level::info);
  options.say = [](std::string_view text) { spdlog::info("{}", printable(text)); };
  stop_on_signals();
  absl::StatusOr<MartStatus> done;
  {
    TerminalProgress bar;
    options.progress = [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); };
    done = run_postgres_sink(options, stop_asked);
  }
  if (!done.ok()) return context.fail(done.status());
  print_status(context, *done, "schema mart");
}

void sink_kafka(CliContext& context, KafkaSinkRun run) {
  auto client = context.client();
  if (!client.ok()) return context.fail(client.status());
  run.client = *std::move(client);
  const absl::StatusOr<Config> config = context.config();
  if (!config.ok()) return context.fail(config.status());
  auto properties = broker_properties(config->broker);
  if (!properties.ok()) return context.fail(properties.status());
  run.topic.properties = *std::move(properties);
  if (run.topic.bootstrap_servers.empty()) run.topic.bootstrap_servers = config->broker.bootstrap_servers;
  if (run.topic.bootstrap_servers.empty())
    return context.fail(invalid_argument("--bootstrap-servers: which Kafka? (or broker.bootstrap_servers of the configuration)"));
  spdlog::set_level(spdlog::level::info);
  run.say = [](std::string_view text) { spdlog::info("{}", printable(text)); };
  stop_on_signals();
  const absl::StatusOr<KafkaSinkStatus> done = run_kafka_sink(run, stop_asked);
  if (!done.ok()) return context.fail(done.status());
  const Json json = {{"topic", run.topic.topic}, {"cut", done->cut}, {"records", done->records}, {"transactions", done->transactions}};
  if (context.format == OutputFormat::json) return fmt::print("{}\n", to_text(json));
  if (context.format == OutputFormat::csv) return fmt::print("{}", measures_csv(json));
  fmt::print("topic {} is at {}: {} records in {} transactions written by this run\n", run.topic.topic, done->cut,
             for_people(done->records), for_people(done->transactions));
}

absl::StatusOr<MartStatus> write_sqlite(const CliContext& context, const std::string& path, const std::string& as_of) {
  ASSIGN_OR_RETURN(const HttpClientOptions http, context.client());
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(http));
  ASSIGN_OR_RETURN(HttpClient ahead, HttpClient::make(http));
  ASSIGN_OR_RETURN(const std::unique_ptr<SqliteStore> store, SqliteStore::make(path));
  TerminalProgress bar;
  MartOptions options;
  options.as_of = as_of;
  options.progress = [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); };
  MartLoader loader(client, ahead, *store, options);
  RETURN_IF_ERROR(loader.open());
  RETURN_IF_ERROR(loader.catch_up(""));
  RETURN_IF_ERROR(store->finish());
  return loader.status();
}

// Under another name until it is whole: nobody shall take half a snapshot for one.
void export_sqlite(CliContext& context, const std::string& path, const std::string& as_of) {
  std::error_code error;
  if (std::filesystem::exists(path, error))
    return context.fail(failed_precondition("{}: is there already; a snapshot is never written over", path));
  const std::string unfinished = path + ".unfinished";
  std::filesystem::remove(unfinished, error);
  const absl::StatusOr<MartStatus> done = write_sqlite(context, unfinished, as_of);
  if (!done.ok()) {
    std::filesystem::remove(unfinished, error);
    return context.fail(done.status());
  }
  std::filesystem::rename(unfinished, path, error);
  if (error) return context.fail(unavailable("{}: {}", path, error.message()));
  print_status(context, *done, path);
}

}  // namespace

void add_sqlite_export(CLI::App& parent, CliContext& context) {
  CLI::App* command = parent.add_subcommand("sqlite", "the star schema as one SQLite file, at a cut, for work without a server");
  const auto path = std::make_shared<std::string>();
  const auto as_of = std::make_shared<std::string>();
  command->add_option("file", *path, "made; must not exist")->required();
  command->add_option("--as-of", *as_of, "what was known: a cut, an instant, a date, or checkpoint:PARTITION/SIZE; default: now");
  command->footer(
      "Tables and views are those of the PostgreSQL mart (docs/MART.md); amounts are whole sen, in columns that end with _sen.\n\n"
      "Examples:\n"
      "  bukubesar export sqlite kalsel.sqlite\n"
      "  bukubesar export sqlite --as-of 2023-06-15 june.sqlite\n"
      "  sqlite3 kalsel.sqlite 'SELECT district, sum(broad_sen) / 100 FROM spend GROUP BY district'");
  command->callback([&context, path, as_of] { export_sqlite(context, *path, *as_of); });
}

namespace {

void add_kafka_sink(CLI::App& parent, CliContext& context) {
  CLI::App* command = parent.add_subcommand("kafka", "changes of the standing views in a compacted topic, for Kafka Connect and caches");
  const auto run = std::make_shared<KafkaSinkRun>();
  run->topic.topic = "bukubesar.views";
  command->add_option("--bootstrap-servers", run->topic.bootstrap_servers,
                      "which Kafka; default: broker.bootstrap_servers of the configuration");
  command->add_option("--topic", run->topic.topic, "its cleanup.policy must be compact")->capture_default_str();
  command->add_flag("--create-topic", run->topic.create_topic, "make it, with one partition, where it is missing");
  command->add_option("--view", run->views, "a standing view; repeatable; default: all")->allow_extra_args(false);
  command->add_flag("--once", run->once, "end when the topic is where the server is; a failure ends it too");
  command->add_option("--interval-ms", run->interval_ms, "between two looks at the server")
      ->capture_default_str()
      ->check(CLI::Range(10, 3'600'000));
  command->footer(
      "All views go to one cut in one transaction; however it ends, who reads committed records has the views as the server answers them "
      "at "
      "that\n"
      "cut. One sink writes to a topic: a second one takes over. docs/VIEW_CHANGES.md has the records.\n\n"
      "Examples:\n"
      "  bukubesar sink kafka --bootstrap-servers 127.0.0.1:9092 --create-topic\n"
      "  bukubesar sink kafka --topic bukubesar.views --view districts --view umkm_by_region --once");
  command->callback([&context, run] { sink_kafka(context, *run); });
}

}  // namespace

void add_sink_command(CLI::App& app, CliContext& context) {
  CLI::App* sink = app.add_subcommand("sink", "keep another system's copy of the figures where the ledger is");
  sink->require_subcommand(1);
  sink->fallthrough();
  sink->footer("Example:\n  bukubesar sink postgres --database 'host=127.0.0.1 dbname=bi user=bukubesar'");
  add_kafka_sink(*sink, context);
  CLI::App* command = sink->add_subcommand("postgres", "a star schema `mart` in PostgreSQL, for BI tools; loads, then follows");
  const auto options = std::make_shared<PostgresSinkOptions>();
  command->add_option("--database", options->database,
                      "libpq connection string or URI; what it leaves out is PGHOST, PGUSER, PGPASSWORD, ~/.pgpass …");
  command->add_flag("--once", options->once, "end when the mart is where the server is; a failure ends it too");
  command->add_option("--page-rows", options->page_rows, "transfers in one transaction")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--interval-ms", options->interval_ms, "between two looks at the server")
      ->capture_default_str()
      ->check(CLI::Range(10, 3'600'000));
  command->footer(
      "Makes schema `mart` and the role bi_reader, which may only read, where they are missing; docs/MART.md has tables and questions.\n"
      "Each step is one transaction with the ledger's cut in it (mart.cut): however it ends, nothing is lost or doubled, and the next run "
      "goes\n"
      "on there. A server or database that is down or full is tried again, up to every 30 seconds. SIGINT and SIGTERM end it. Passwords do "
      "not\n"
      "belong into arguments: use ~/.pgpass or PGPASSWORD.\n\n"
      "Examples:\n"
      "  bukubesar sink postgres --database 'host=127.0.0.1 dbname=bi user=bukubesar'\n"
      "  bukubesar sink postgres --database postgresql://bukubesar@db.example/bi?sslmode=verify-full --once\n"
      "  psql bi -c 'SELECT district, sum(broad) FROM mart.spend GROUP BY district'");
  command->callback([&context, options] { sink_postgres(context, *options); });
}

}  // namespace bukubesar
