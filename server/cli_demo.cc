// bukubesar demo: a synthetic year, sent at a pace. adapters/ does the work; here are options and what people see.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "adapters/demo_run.h"
#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "base/time.h"
#include "config/broker_security.h"
#include "server/cli.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr std::string_view kCheck = "/v1/totals?by=district&region=63&fiscal_year=2023&catalogue_kind=local&until=2023-06-15";
// 15 June comes after about 2.9 events for each purchase of the default number: with one event a second for each hundred purchases it
// comes within five minutes, whatever the number.
constexpr double kPurchasesPerRate = 85;
constexpr auto kPlainLineEvery = std::chrono::seconds(15);
constexpr std::uint32_t kAttemptsMax = 60;  // a server that restarts under the demo is waited for, minutes long

struct DemoCommand {
  DemoRunOptions run;
  std::optional<double> rate;
  std::string until, direct, out;
  bool from_start = false;
};

absl::StatusOr<std::unique_ptr<EventSink>> open_sink(const CliContext& context, const DemoCommand& command, const HttpClientOptions& http) {
  if (!command.out.empty()) return make_file_sink(command.out);
  if (command.direct.empty()) {
    HttpSinkOptions options;
    options.client = http;
    return make_http_sink(options);
  }
  ASSIGN_OR_RETURN(const Config config, context.config());
  KafkaSinkOptions options;
  options.bootstrap_servers = command.direct;
  options.purchases_topic = config.broker.purchases_topic;
  options.reference_topic = config.broker.reference_topic;
  options.partitioner = config.ledger.partitioner;
  ASSIGN_OR_RETURN(options.properties, broker_properties(config.broker));
  return make_kafka_sink(options);
}

std::string grouped(std::uint64_t number) {
  std::string digits = fmt::format("{}", number);
  for (std::size_t at = digits.size(); at > 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

// "Rp 431.27 bn"
std::string billions(MoneySum sen) { return fmt::format("Rp {:.2f} bn", static_cast<double>(sen) / 1e11); }

std::string progress_text(const DemoProgress& progress) {
  const std::string when = format_instant_ms(progress.simulated_ms, kDemoZoneMinutes).substr(0, 10);
  return fmt::format("synthetic {}  {} events  {} purchases  Kalsel, local, 2023, broad: {}  {:.0f}/s", when,
                     grouped(progress.sent + progress.passed), grouped(progress.purchases), billions(progress.broad_kalsel), progress.rate);
}

void print_report(const CliContext& context, const DemoCommand& command, const DemoReport& report, const std::string& url) {
  const PublishCounts& sent = report.published;
  // Events on standard output stay alone there.
  std::FILE* to = command.out == "-" ? stderr : stdout;
  if (context.format != OutputFormat::table) {
    const nlohmann::ordered_json json{{"synthetic", true},
                                      {"seed", command.run.demo.seed},
                                      {"purchases", command.run.demo.purchases},
                                      {"events_sent", report.last.sent},
                                      {"events_known_before", report.last.passed},
                                      {"purchases_begun", report.last.purchases},
                                      {"simulated_until", format_instant_ms(report.last.simulated_ms, kDemoZoneMinutes)},
                                      {"year_over", report.year_over},
                                      {"bad_records_sent", report.bad_sent},
                                      {"accepted", sent.accepted},
                                      {"same", sent.same},
                                      {"different", sent.different},
                                      {"rejected", sent.rejected},
                                      {"rejected_reasons", sent.rejected_reasons},
                                      {"rejected_unexpectedly", sent.unexpected}};
    fmt::print(to, "{}", context.format == OutputFormat::json ? json.dump(2) + "\n" : measures_csv(json));
    return;
  }
  fmt::print(to, "{}\n", progress_text(report.last));
  fmt::print(to, "sent {}: accepted {}, duplicate (same) {}, duplicate (different) {}, rejected {} (bad records on purpose: {})\n",
             sent.sent, sent.accepted, sent.same, sent.different, sent.rejected, report.bad_sent);
  if (sent.verbatim_left_out != 0) fmt::print(to, "left out {} bad records: a line of JSON can't hold them\n", sent.verbatim_left_out);
  for (const std::string& line : sent.unexpected) fmt::print(to, "  rejected, and should not be: {}\n", line);
  if (command.out.empty()) fmt::print(to, "All of it is synthetic. The check: curl '{}{}'\n", url, kCheck);
}

// True where every record that should be rejected was, and nothing else.
bool as_meant(const DemoCommand& command, const DemoReport& report) {
  if (!command.out.empty() || !command.direct.empty()) return true;  // no receipts there
  return report.published.unexpected_rejections() == 0 && report.published.verbatim_rejected == report.bad_sent;
}

absl::Status run(CliContext& context, DemoCommand& command) {
  if (!command.direct.empty() && !command.out.empty()) return invalid_argument("--direct and --out: one of them");
  if (!command.until.empty()) {
    const auto date = parse_date(command.until);
    if (!date) return invalid_argument("--until {}: want a date like 2023-06-18", command.until);
    command.run.until_ms = day_start_ms(*date, kDemoZoneMinutes);
  }
  const bool live = command.direct.empty() && command.out.empty();
  command.run.rate = command.rate.value_or(live ? static_cast<double>(command.run.demo.purchases) / kPurchasesPerRate : 0);
  ASSIGN_OR_RETURN(HttpClientOptions http, context.client());
  http.attempts_max = kAttemptsMax;
  ASSIGN_OR_RETURN(const std::unique_ptr<EventSink> sink, open_sink(context, command, http));
  std::optional<HttpClient> reader;
  if (live && !command.from_start) {
    ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(http));
    reader.emplace(std::move(client));
  }
  absl::StatusOr<DemoReport> report;
  {
    TerminalProgress bar;
    auto said = std::chrono::steady_clock::now();
    report = run_demo(command.run, *sink, reader ? &*reader : nullptr, [&](const DemoProgress& progress) {
      bar.line(progress_text(progress));
      if (bar.is_terminal() || std::chrono::steady_clock::now() - said < kPlainLineEvery) return;
      said = std::chrono::steady_clock::now();
      fmt::print(stderr, "{}\n", progress_text(progress));
    });
  }
  if (!report.ok()) return report.status();
  print_report(context, command, *report, http.url);
  context.exit_code = as_meant(command, *report) ? 0 : 1;
  return absl::OkStatus();
}

}  // namespace

void add_demo_command(CLI::App& app, CliContext& context) {
  const auto command = std::make_shared<DemoCommand>();
  CLI::App* demo = app.add_subcommand("demo", "Send a synthetic year of purchases: made up, and said to be wherever it is shown");
  demo->add_option("--purchases", command->run.demo.purchases, "How many; those beyond the default touch neither published figure")
      ->capture_default_str()
      ->check(CLI::Range(kDemoPurchasesMin, kDemoPurchasesMax));
  demo->add_option("--rate", command->rate, "Events a second, 0 as fast as possible. Default: 15 June 2023 comes within five minutes")
      ->check([](const std::string& text) {
        double rate = 0;
        return CLI::detail::lexical_cast(text, rate) && rate >= 0 && rate <= 1e9 ? std::string()
                                                                                 : "'" + text + "' is no rate: 0 to 1e9 events a second";
      });
  demo->add_option("--seed", command->run.demo.seed, "Another seed is another year")->capture_default_str();
  demo->add_option("--until", command->until, "Stop before this date of 2023");
  demo->add_option("--events", command->run.events_max, "Stop after this many events");
  demo->add_option("--direct", command->direct, "Produce to this Kafka's topics (bootstrap servers) instead of POST /v1/events");
  demo->add_option("--out", command->out, "Write the events to a file, one a line, instead of sending them; - is standard output");
  demo->add_flag("--from-start", command->from_start, "Send everything again, even what the ledger has: it comes back as duplicates");
  demo->footer(
      "By 15 June 2023 the purchases of fiscal year 2023 through the local catalogue come, by the broad definition, to exactly\n"
      "Rp 1,200,000,000,000 for Kalimantan Selatan (63) and Rp 23,000,000,000 for Tabalong (63.09), for every --purchases and --seed.\n"
      "A run that was interrupted continues where it stopped. Exit code 1: an event was rejected that should not be.\n\n"
      "Examples:\n"
      "  bukubesar demo\n"
      "  bukubesar demo --rate 0\n"
      "  bukubesar demo --purchases 10000000 --rate 0 --direct 127.0.0.1:9092\n"
      "  bukubesar demo --until 2023-06-18 --rate 0 --out year.ndjson");
  demo->callback([&context, command] {
    if (const absl::Status status = run(context, *command); !status.ok()) context.fail(status);
  });
}

}  // namespace bukubesar
