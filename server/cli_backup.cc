#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <thread>
#include <utility>

#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "base/time.h"
#include "server/backup.h"
#include "server/backup_parts.h"
#include "server/cli.h"
#include "server/data_lock.h"
#include "server/json.h"
#include "server/node.h"
#include "server/table.h"

namespace bukubesar {

namespace {

constexpr std::chrono::milliseconds kPoll{200};

Json info_json(const BackupInfo& info) {
  return {{"number", info.number},     {"made_at", format_instant_ms(info.made_at_ms, 0)},
          {"ledger", info.ledger},     {"cut", to_json(info.cut)},
          {"with_key", info.with_key}, {"files", info.files.size()},
          {"bytes", info.bytes()}};
}

absl::Status print_list(const CliContext& context, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<BackupInfo> all, list_backups(directory));
  Table table;
  table.column("number", true).column("made at").column("ledger").column("cut").column("files", true);
  table.column("bytes", true).column("key");
  Json json = Json::array();
  for (const BackupInfo& info : all) {
    table.row({std::to_string(info.number), format_instant_ms(info.made_at_ms, 0), info.ledger, info.cut.text(),
               std::to_string(info.files.size()), std::to_string(info.bytes()), info.with_key ? "with key" : "without"});
    json.push_back(info_json(info));
  }
  if (context.format == OutputFormat::json)
    fmt::print("{}\n", to_text(json));
  else
    fmt::print("{}", context.format == OutputFormat::csv ? table.csv() : table.text());
  return absl::OkStatus();
}

void print_done(const CliContext& context, const std::string& directory, const BackupDone& done) {
  if (context.format == OutputFormat::json) {
    Json json = info_json(done.info);
    json["directory"] = directory;
    json["files_copied"] = done.files_copied;
    json["bytes_copied"] = done.bytes_copied;
    json["backups_removed"] = done.backups_removed;
    fmt::print("{}\n", to_text(json));
    return;
  }
  fmt::print("backup {} of ledger {} in {}: cut {}; {} files, {} bytes; {} files, {} bytes were new{}\n", done.info.number,
             done.info.ledger, directory, done.info.cut.text(), for_people(done.info.files.size()), for_people(done.info.bytes()),
             for_people(done.files_copied), for_people(done.bytes_copied),
             done.backups_removed > 0 ? fmt::format("; {} older backups removed", done.backups_removed) : "");
}

struct BackupFlags {
  std::string directory;
  std::uint32_t keep = 0;
  bool with_key = false, list = false;
};

absl::StatusOr<BackupDone> copy_with_bar(BackupOptions options) {
  TerminalProgress bar;
  options.progress = [&bar](std::string_view what, std::uint64_t done, std::uint64_t total) { bar.show(what, done, total); };
  return make_backup(options);
}

// Of a running server: it sets its data directory aside, and this process copies what stands still, with the rights of who runs it.
absl::StatusOr<BackupDone> backup_running(const CliContext& context, const Config& config, BackupOptions options) {
  ASSIGN_OR_RETURN(HttpClientOptions client_options, context.client());
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(client_options)));
  ASSIGN_OR_RETURN(const HttpResponse answer, client.post("/v1/freeze", "application/json", ""));
  RETURN_IF_ERROR(with_context(status_of(answer), client.url()));
  options.source = frozen_directory(config.data_dir);
  std::error_code error;
  if (!std::filesystem::exists(options.source, error))
    return failed_precondition(
        "{} answered, but set nothing aside in {}: it is another directory's server (give --url), or an erasure ended just now (try again)",
        client.url(), config.data_dir);
  ASSIGN_OR_RETURN(DataLock copying, DataLock::take(options.source));
  absl::StatusOr<BackupDone> done = copy_with_bar(options);
  remove_frozen(config.data_dir, std::move(copying));
  return done;
}

absl::Status backup_to(CliContext& context, const Config& config, const BackupFlags& flags) {
  BackupOptions options;
  options.directory = flags.directory;
  options.keep = flags.keep;
  options.config_text = to_json(config);
  if (flags.with_key) options.key_file = key_path(config);
  std::error_code error;
  if (!std::filesystem::exists(config.data_dir, error)) return not_found("{}: no such data directory", config.data_dir);
  ASSIGN_OR_RETURN(const auto owner, DataLock::owner(config.data_dir));
  absl::StatusOr<BackupDone> done = absl::InternalError("");
  if (owner) {
    done = backup_running(context, config, std::move(options));
  } else {
    ASSIGN_OR_RETURN(const DataLock lock, DataLock::take(config.data_dir));
    options.source = config.data_dir;
    done = copy_with_bar(std::move(options));
  }
  RETURN_IF_ERROR(done.status());
  print_done(context, flags.directory, *done);
  return absl::OkStatus();
}

// Without a directory: the server copies to its own, and is asked how far it is.
absl::Status backup_configured(CliContext& context) {
  ASSIGN_OR_RETURN(HttpClientOptions client_options, context.client());
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(client_options)));
  ASSIGN_OR_RETURN(HttpResponse answer, client.post("/v1/backup", "application/json", ""));
  RETURN_IF_ERROR(with_context(status_of(answer), client.url()));
  TerminalProgress bar;
  Json json;
  do {
    std::this_thread::sleep_for(kPoll);
    ASSIGN_OR_RETURN(answer, client.get("/v1/backup"));
    RETURN_IF_ERROR(with_context(status_of(answer), client.url()));
    json = Json::parse(answer.body, nullptr, false);
    if (!json.is_object() || !json.contains("state")) return unavailable("{}/v1/backup: the answer is none of a backup", client.url());
    if (json["what"].is_string())
      bar.show(json["what"].get<std::string>(), json.value("bytes_done", 0ULL), json.value("bytes_total", 0ULL));
  } while (json["state"] == "running");
  if (json["state"] != "done")
    return unavailable("the server's backup failed: {}", json["what"].is_string() ? json["what"].get<std::string>() : "");
  fmt::print("{}\n", to_text(json));
  return absl::OkStatus();
}

struct RestoreFlags {
  RestoreOptions options;
  std::uint64_t number = 0;
};

absl::Status restore(const CliContext& context, RestoreFlags flags) {
  if (flags.number > 0) flags.options.number = flags.number;
  RestoreDone done;
  {
    TerminalProgress bar;
    flags.options.progress = [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); };
    ASSIGN_OR_RETURN(done, restore_backup(flags.options));
  }
  if (context.format == OutputFormat::json) {
    Json json = info_json(done.info);
    json["data_dir"] = flags.options.data_dir;
    json["to_reach"] = to_json(done.to_reach);
    fmt::print("{}\n", to_text(json));
    return absl::OkStatus();
  }
  fmt::print("restored backup {} of ledger {}, made {}, to {}: cut {}, roots as listed\n", done.info.number, done.info.ledger,
             format_instant_ms(done.info.made_at_ms, 0), flags.options.data_dir, done.info.cut.text());
  if (!done.to_reach.sizes().empty())
    fmt::print("it had come further, to {}: the server will neither answer nor sign until Kafka has led it there\n", done.to_reach.text());
  if (!done.info.with_key) fmt::print("the signing key was not in it: put yours at {}/signing.key\n", flags.options.data_dir);
  fmt::print("next: bukubesar --data {} verify, then serve\n", flags.options.data_dir);
  return absl::OkStatus();
}

}  // namespace

void add_backup_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("backup", "copy the data directory, also of a running server: consistent, and only what is new");
  const auto flags = std::make_shared<BackupFlags>();
  command->add_option("DIR", flags->directory, "where backups are kept; without it, the running server copies to its backup.directory");
  command->add_option("--keep", flags->keep, "afterwards remove all but the newest so many backups")->type_name("NUMBER");
  command->add_flag("--with-key", flags->with_key, "the signing key too: whoever reads the backup can then sign in this ledger's name");
  command->add_flag("--list", flags->list, "only list the backups in DIR");
  command->footer(
      "A backup holds the ledger, its heads file, segments, definition and configuration. The running server is stopped for nothing: it "
      "sets\n"
      "aside how it stands (hard links), and this command copies that. A payload that was erased later still stands in older backups: "
      "--keep 1\n"
      "after an erasure removes them.\n\n"
      "Examples:\n"
      "  bukubesar --data /srv/bukubesar backup /backups/kalsel --keep 14\n"
      "  bukubesar backup                                      to the server's own backup.directory (role operate)\n"
      "  bukubesar backup /backups/kalsel --list");
  command->callback([&context, flags] {
    const auto run = [&]() -> absl::Status {
      if (flags->list) return print_list(context, flags->directory);
      ASSIGN_OR_RETURN(const Config config, context.config());
      return flags->directory.empty() ? backup_configured(context) : backup_to(context, config, *flags);
    };
    if (const absl::Status done = run(); !done.ok()) context.fail(done);
  });
}

void add_restore_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("restore", "make a data directory from a backup");
  const auto flags = std::make_shared<RestoreFlags>();
  command->add_option("DIR", flags->options.directory, "where backups are kept")->required();
  command->add_option("DATA", flags->options.data_dir, "the data directory to make: new, or empty")->required();
  command->add_option("--number", flags->number, "which backup; default: the newest")->type_name("NUMBER");
  command
      ->add_option("--reach", flags->options.reach_files,
                   "how far the ledger had come: ledger.heads of the damaged directory, or a signed checkpoint; repeatable")
      ->type_name("FILE")
      ->allow_extra_args(false);
  command->add_option("--vkey", flags->options.verifier_keys, "verifier key for checkpoints of --reach; repeatable")
      ->type_name("KEY")
      ->allow_extra_args(false);
  command->add_flag("--damaged-reads", flags->options.damaged_reads,
                    "restore a log of reads as it is, although its lines do not follow each other; verify goes on naming where");
  command->footer(
      "Every byte is checked against the backup's list, sizes and roots too, and the log of reads line by line. The server then reads "
      "from\n"
      "Kafka what came later. With --reach it knows how much that is: it neither answers nor signs before it has come there, and refuses\n"
      "where Kafka leads to another root, or has not kept the records. Give it what the damaged disk still has, or the newest checkpoint "
      "that a witness or an auditor holds.\n\n"
      "Examples:\n"
      "  bukubesar restore /backups/kalsel /srv/bukubesar\n"
      "  bukubesar restore /backups/kalsel /srv/bukubesar --reach /srv/damaged/ledger.heads\n"
      "  bukubesar restore /backups/kalsel /srv/bukubesar --number 3 --reach checkpoint.txt --vkey kalsel/0+5c1f00b2+AdKx…");
  command->callback([&context, flags] {
    if (const absl::Status done = restore(context, *flags); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
