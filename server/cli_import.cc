// bukubesar import: source rows and facts → events. adapters/ does the work; here are options and reports.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "adapters/ledger_reader.h"
#include "adapters/realisation_import.h"
#include "adapters/reference_import.h"
#include "adapters/secret_file.h"
#include "adapters/terminal_progress.h"
#include "base/file.h"
#include "base/status.h"
#include "config/broker_security.h"
#include "config/names.h"
#include "server/cli.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr std::size_t kNotesShown = 10;

struct ImportCommand {
  ImportOptions options;
  std::string secret_file;
  std::string direct;  // bootstrap servers; empty: by HTTP
  bool all_notes = false;
};

absl::StatusOr<std::unique_ptr<EventSink>> open_sink(const CliContext& context, const std::string& direct) {
  if (direct.empty()) {
    HttpSinkOptions options;
    ASSIGN_OR_RETURN(options.client, context.client());
    return make_http_sink(options);
  }
  ASSIGN_OR_RETURN(const Config config, context.config());
  KafkaSinkOptions options;
  options.bootstrap_servers = direct;
  options.purchases_topic = config.broker.purchases_topic;
  options.reference_topic = config.broker.reference_topic;
  options.partitioner = config.ledger.partitioner;
  ASSIGN_OR_RETURN(options.properties, broker_properties(config.broker));
  return make_kafka_sink(options);
}

absl::StatusOr<std::string> load_secret(const CliContext& context, std::string path) {
  if (path.empty()) {
    ASSIGN_OR_RETURN(const Config config, context.config());
    path = (std::filesystem::path(config.data_dir) / "import.key").string();
  }
  ASSIGN_OR_RETURN(SecretFile file, read_or_make_secret(path));
  if (file.made)
    fmt::print(stderr,
               "bukubesar: made {}: the key of vendor codes and salts. Keep it, and keep it secret: with another key the same vendor "
               "gets another code.\n",
               path);
  return std::move(file.secret);
}

nlohmann::ordered_json remarks_json(const std::vector<ImportRemark>& remarks) {
  auto list = nlohmann::ordered_json::array();
  for (const ImportRemark& remark : remarks) {
    nlohmann::ordered_json item{{"file", remark.file}};
    if (remark.line != 0) item["line"] = remark.line;
    item["text"] = remark.text;
    list.push_back(std::move(item));
  }
  return list;
}

nlohmann::ordered_json to_json(const ImportReport& report, bool dry_run) {
  const PublishCounts& sent = report.published;
  return {
      {"dry_run", dry_run},
      {"rows", report.rows},
      {"ordered", report.ordered},
      {"amended", report.amended},
      {"advanced", report.advanced},
      {"withdrawn", report.withdrawn},
      {"unchanged", report.unchanged},
      {"held", report.held},
      {"repeated", report.repeated},
      {"refused", remarks_json(report.refused)},
      {"scopes_refused", remarks_json(report.scopes_refused)},
      {"facts", report.facts},
      {"observations", report.observations},
      {"total", format_rupiah(report.total.sen)},
      {"domestic", format_rupiah(report.domestic.sen)},
      {"receipts",
       {{"sent", sent.sent}, {"accepted", sent.accepted}, {"same", sent.same}, {"different", sent.different}, {"rejected", sent.rejected}}},
      {"rejected", sent.unexpected},
      {"notes", remarks_json(report.notes)}};
}

std::string place(const ImportRemark& remark) { return remark.line == 0 ? remark.file : fmt::format("{}:{}", remark.file, remark.line); }

void print_remarks(const char* title, const std::vector<ImportRemark>& remarks, std::size_t count_max) {
  if (remarks.empty()) return;
  fmt::print("\n{} ({}):\n", title, remarks.size());
  for (std::size_t i = 0; i < std::min(remarks.size(), count_max); ++i) fmt::print("  {}: {}\n", place(remarks[i]), remarks[i].text);
  if (remarks.size() > count_max) fmt::print("  … and {} more: --all-notes, or --format json\n", remarks.size() - count_max);
}

void print_table(const ImportReport& report, bool dry_run, bool all_notes) {
  const PublishCounts& sent = report.published;
  const std::pair<const char*, std::uint64_t> counts[] = {
      {"rows", report.rows},         {"new (ordered)", report.ordered},    {"amended", report.amended},
      {"advanced", report.advanced}, {"withdrawn", report.withdrawn},      {"unchanged", report.unchanged},
      {"held", report.held},         {"repeated", report.repeated},        {"refused", report.refused.size()},
      {"facts", report.facts},       {"observations", report.observations}};
  for (const auto& [name, count] : counts) fmt::print("{:<16}{:>12}\n", name, count);
  fmt::print("{:<16}{:>26}\n{:<16}{:>26}\n", "value, Rp", format_rupiah(report.total.sen), "of it PDN, Rp",
             format_rupiah(report.domestic.sen));
  if (dry_run) {
    fmt::print("\nDry run: nothing was sent.\n");
  } else {
    fmt::print("\nsent {}: accepted {}, duplicate (same) {}, duplicate (different) {}, rejected {}\n", sent.sent, sent.accepted, sent.same,
               sent.different, sent.rejected);
  }
  const std::size_t all = ~std::size_t{0};
  print_remarks("Refused rows", report.refused, all);
  print_remarks("Refused scopes", report.scopes_refused, all);
  print_remarks("Notes", report.notes, all_notes ? all : kNotesShown);
  for (const std::string& line : sent.unexpected) fmt::print("  rejected by the ledger: {}\n", line);
}

// Before a key is made for files that can't be read.
absl::Status check_files(const std::vector<std::string>& files) {
  for (const std::string& path : files) RETURN_IF_ERROR(with_context(read_file(path).status(), path));
  return absl::OkStatus();
}

absl::Status run_realisation(CliContext& context, ImportCommand& command) {
  RETURN_IF_ERROR(check_files(command.options.files));
  ASSIGN_OR_RETURN(command.options.secret, load_secret(context, command.secret_file));
  ASSIGN_OR_RETURN(const HttpClientOptions http, context.client());
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(http));
  std::unique_ptr<EventSink> sink;
  if (!command.options.dry_run) {
    ASSIGN_OR_RETURN(sink, open_sink(context, command.direct));
  }
  absl::StatusOr<ImportReport> report;
  {
    TerminalProgress bar;
    const KnownReader known{
        [&](const Scope& scope) { return read_known_purchases(client, scope); },
        [&](const std::string& source, const std::string& institution) { return read_known_years(client, source, institution); }};
    report = import_realisation(command.options, known, sink.get(),
                                [&](std::string_view what, std::uint64_t done, std::uint64_t total) { bar.show(what, done, total); });
  }
  if (!report.ok()) return report.status();
  switch (context.format) {
    case OutputFormat::json:
      fmt::print("{}\n", to_json(*report, command.options.dry_run).dump(2));
      break;
    case OutputFormat::csv:
      fmt::print("{}", measures_csv(to_json(*report, command.options.dry_run)));
      break;
    case OutputFormat::table:
      print_table(*report, command.options.dry_run, command.all_notes);
  }
  context.exit_code = report->clean() ? 0 : 1;
  return absl::OkStatus();
}

absl::Status run_reference(CliContext& context, const ImportCommand& command) {
  if (!is_code_text(command.options.feed)) return invalid_argument("--feed {}: no feed name", command.options.feed);
  RETURN_IF_ERROR(check_files(command.options.files));
  ASSIGN_OR_RETURN(const std::string secret, load_secret(context, command.secret_file));
  EventIds ids(secret);
  std::vector<Outgoing> all;
  for (const std::string& path : command.options.files) {
    ASSIGN_OR_RETURN(const std::string text, read_file(path));
    ASSIGN_OR_RETURN(std::vector<Outgoing> events, reference_events(text, path, "/feed/" + command.options.feed, ids));
    all.insert(all.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
  }
  PublishCounts sent;
  if (!command.options.dry_run) {
    ASSIGN_OR_RETURN(const std::unique_ptr<EventSink> sink, open_sink(context, command.direct));
    RETURN_IF_ERROR(sink->send(all));
    RETURN_IF_ERROR(sink->flush());
    sent = sink->counts();
  }
  const nlohmann::ordered_json json{{"facts", all.size()}, {"sent", sent.sent},           {"accepted", sent.accepted},
                                    {"same", sent.same},   {"different", sent.different}, {"rejected", sent.unexpected}};
  if (context.format == OutputFormat::json) {
    fmt::print("{}\n", json.dump(2));
  } else if (context.format == OutputFormat::csv) {
    fmt::print("{}", measures_csv(json));
  } else {
    fmt::print("{} facts, sent {}: accepted {}, known already {}, different {}, rejected {}\n", all.size(), sent.sent, sent.accepted,
               sent.same, sent.different, sent.rejected);
    for (const std::string& line : sent.unexpected) fmt::print("  rejected by the ledger: {}\n", line);
  }
  context.exit_code = sent.unexpected_rejections() == 0 ? 0 : 1;
  return absl::OkStatus();
}

void add_shared_options(CLI::App& app, const std::shared_ptr<ImportCommand>& command) {
  app.add_option("files", command->options.files, "Files to import")->required()->type_name("FILE");
  app.add_option("--feed", command->options.feed, "Name of the feed; events have the source /feed/NAME")->capture_default_str();
  app.add_option("--secret-file", command->secret_file,
                 "Key of salts and vendor codes; made (mode 0600) where missing. Default: DATA/import.key");
  app.add_option("--direct", command->direct, "Produce to this Kafka's topics (bootstrap servers) instead of POST /v1/events");
  app.add_flag("--dry-run", command->options.dry_run, "Compare and report, send nothing");
}

}  // namespace

void add_import_command(CLI::App& app, CliContext& context) {
  CLI::App* import = app.add_subcommand("import", "Turn source rows or facts into events and publish them");
  import->require_subcommand(1);
  import->footer(
      "Examples:\n"
      "  bukubesar import realisasi --complete L8.json\n"
      "  bukubesar import reference config/reference/regions.jsonl\n"
      "  bukubesar import realisasi --help");

  const auto rows = std::make_shared<ImportCommand>();
  CLI::App* realisation = import->add_subcommand("realisasi", "Snapshots of the portal's realisation page (JSON arrays of rows)");
  add_shared_options(*realisation, rows);
  realisation->add_option("--institution", rows->options.institution,
                          "Institution code of all files. Default: each file's stem (L8.json: L8)");
  realisation->add_option("--observed-at", rows->options.observed_at,
                          "When the snapshot was taken, RFC 3339. Default: the file's modification time");
  realisation->add_flag("--complete", rows->options.complete, "The files have all purchases of their scope: what is missing was withdrawn");
  realisation->add_flag("--confirm-withdrawals", rows->options.confirm_withdrawals,
                        "Withdraw even where the snapshot is more than 5 % smaller than what is known");
  realisation->add_flag("--override-corrections", rows->options.override_corrections, "State anew what an authority corrected");
  realisation->add_flag("--all-notes", rows->all_notes, "Print every note, not the first ten");
  realisation->footer(
      "Each file is compared with what the ledger knows of its scope (feed, institution, fiscal year); the differences are sent.\n"
      "The same file again changes nothing. Exit code 1: rows or scopes were refused, or the ledger rejected an event.\n\n"
      "Examples:\n"
      "  bukubesar import realisasi L8.json L15.json\n"
      "  bukubesar import realisasi --complete --observed-at 2026-04-01T09:00:00+08:00 L8.json\n"
      "  bukubesar import realisasi --institution K33 --dry-run download.json\n"
      "  bukubesar import realisasi --direct 127.0.0.1:9092 --format json K33.json");
  realisation->callback([&context, rows] {
    if (const absl::Status status = run_realisation(context, *rows); !status.ok()) context.fail(status);
  });

  const auto facts = std::make_shared<ImportCommand>();
  facts->options.feed = "reference-seed";
  CLI::App* reference = import->add_subcommand("reference", "Facts about regions, institutions, vendors and commodities (JSON Lines)");
  add_shared_options(*reference, facts);
  reference->footer("Examples:\n  bukubesar import reference config/reference/regions.jsonl");
  reference->callback([&context, facts] {
    if (const absl::Status status = run_reference(context, *facts); !status.ok()) context.fail(status);
  });
}

}  // namespace bukubesar
