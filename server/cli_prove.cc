// prove, check, export: what an auditor takes away, and checks without us.
#include <fmt/format.h>

#include <cstdio>

#include "adapters/terminal_progress.h"
#include "base/file.h"
#include "base/status.h"
#include "server/cli.h"
#include "server/export_tlog.h"
#include "server/json.h"
#include "server/log_reader.h"
#include "server/query.h"
#include "server/table.h"

namespace bukubesar {

namespace {

absl::StatusOr<std::unique_ptr<LogReader>> open_log(const CliContext& context, bool offline) {
  if (offline) {
    ASSIGN_OR_RETURN(const Config config, context.config());
    return read_log_of_directory(config);
  }
  ASSIGN_OR_RETURN(HttpClientOptions options, context.client());
  return read_log_over_http(std::move(options));
}

struct ProveFlags {
  std::string what, source, id, partition = "0", out;
  std::vector<std::string> consistency;
  std::string checkpoint;
  bool cut = false, cosigned = false, no_payload = false, offline = false;
};

absl::StatusOr<EntryPlace> place_of(LogReader& log, const ProveFlags& flags) {
  if (!flags.id.empty()) return log.find(flags.source, flags.id);
  if (const auto place = parse_entry_place(flags.what); place && flags.source.empty()) return *place;
  return log.find(flags.source, flags.what);
}

// A checkpoint by its size, or one that somebody kept in a file.
struct ConsistencyEnd {
  std::uint64_t size = 0;
  std::string file, note;  // empty where only the size was given
};

absl::StatusOr<ConsistencyEnd> consistency_end(const std::string& text, std::string& partition) {
  ConsistencyEnd end;
  if (const auto size = parse_decimal(text)) {
    end.size = *size;
    return end;
  }
  end.file = text;
  ASSIGN_OR_RETURN(end.note, read_file(text));
  const auto checkpoint = parse_checkpoint(end.note);
  if (!checkpoint.ok()) return with_context(checkpoint.status(), text);
  end.size = checkpoint->size;
  partition = checkpoint->origin.substr(checkpoint->origin.rfind('/') + 1);
  return end;
}

absl::Status put_note(const ConsistencyEnd& end, std::string& note) {
  if (end.file.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string kept, note_text(end.note));
  ASSIGN_OR_RETURN(const std::string own, note_text(note));
  if (kept != own)
    return data_loss("{}: it and the ledger's own checkpoint of {} entries differ: one of them is of another history\n{}\n{}", end.file,
                     end.size, kept, own);
  note = end.note;
  return absl::OkStatus();
}

absl::StatusOr<std::string> consistency(LogReader& log, const ProveFlags& flags) {
  std::string name = flags.partition;
  ASSIGN_OR_RETURN(const ConsistencyEnd older, consistency_end(flags.consistency[0], name));
  ASSIGN_OR_RETURN(const ConsistencyEnd newer, consistency_end(flags.consistency[1], name));
  const auto partition = PartitionId::parse(name);
  if (!partition) return not_found("partition '{}': want a number, or reference", name);
  ASSIGN_OR_RETURN(const std::string text, log.consistency_proof(*partition, older.size, newer.size));
  ASSIGN_OR_RETURN(ConsistencyProof proof, parse_consistency_proof(text));
  RETURN_IF_ERROR(put_note(older, proof.old_note));
  RETURN_IF_ERROR(put_note(newer, proof.new_note));
  return to_text(proof);
}

absl::StatusOr<std::string> prove(const CliContext& context, const ProveFlags& flags) {
  const int asked = (flags.cut ? 1 : 0) + (flags.consistency.empty() ? 0 : 1) + (flags.what.empty() && flags.id.empty() ? 0 : 1);
  if (asked != 1) return invalid_argument("prove: name one of: an event id or <partition>/<sequence>; --cut; --consistency OLD NEW");
  CheckpointChoice choice;
  choice.cosigned = flags.cosigned;
  if (!flags.checkpoint.empty()) {
    choice.size = parse_decimal(flags.checkpoint);
    if (!choice.size) return invalid_argument("--checkpoint: '{}' is no size", flags.checkpoint);
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<LogReader> log, open_log(context, flags.offline));
  if (flags.cut) return log->cut_note();
  if (!flags.consistency.empty()) return consistency(*log, flags);
  ASSIGN_OR_RETURN(const EntryPlace place, place_of(*log, flags));
  return log->entry_proof(place.partition, place.sequence, choice, !flags.no_payload);
}

void run_prove(CliContext& context, const ProveFlags& flags) {
  const auto text = prove(context, flags);
  if (!text.ok()) return context.fail(text.status());
  if (flags.out.empty()) {
    std::fwrite(text->data(), 1, text->size(), stdout);
    return;
  }
  if (const absl::Status written = write_file_durably(flags.out, *text); !written.ok()) return context.fail(written);
  fmt::print(stderr, "wrote {}; anyone checks it with: bukubesar check {} --key KEYS\n", flags.out, flags.out);
}

int exit_code_of(CheckResult result) {
  switch (result) {
    case CheckResult::holds:
      return 0;
    case CheckResult::other_ledger:
      return kExitOtherLedger;
    case CheckResult::not_signed:
      return kExitNotSigned;
    case CheckResult::damaged:
      return kExitNoProof;
  }
  return 1;
}

std::string_view name_of(CheckResult result) {
  switch (result) {
    case CheckResult::holds:
      return "holds";
    case CheckResult::other_ledger:
      return "other_ledger";
    case CheckResult::not_signed:
      return "not_signed";
    case CheckResult::damaged:
      return "damaged";
  }
  return "damaged";
}

void check_proof(CliContext& context, const std::string& file, const std::vector<std::string>& given) {
  const auto keys = read_keys(given);
  if (!keys.ok()) return context.fail(keys.status());
  const auto text = read_file(file);
  if (!text.ok()) return context.fail(text.status());
  const CheckReport report = check_file(*text, *keys);
  context.exit_code = exit_code_of(report.result);
  if (context.format == OutputFormat::json) {
    const Json json = {
        {"file", file}, {"kind", text_or_null(report.kind)}, {"result", name_of(report.result)}, {"sentences", report.sentences}};
    fmt::print("{}\n", to_text(json));
    return;
  }
  const bool holds = report.result == CheckResult::holds;
  for (std::size_t i = 0; i < report.sentences.size(); ++i)
    if (holds || i + 1 < report.sentences.size()) fmt::print("{}\n", report.sentences[i]);
  if (holds)
    fmt::print("{}: it holds\n", file);
  else
    fmt::print(stderr, "bukubesar: {}: {}\n", file, report.sentences.back());
}

void export_log(CliContext& context, const std::string& directory, bool offline) {
  const auto log = open_log(context, offline);
  if (!log.ok()) return context.fail(log.status());
  absl::StatusOr<ExportedLog> done;
  {
    TerminalProgress bar;
    done =
        export_tlog(**log, directory, [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); });
  }
  if (!done.ok()) return context.fail(done.status());
  if (context.format == OutputFormat::json) {
    const Json json = {{"directory", directory},        {"cut", to_json(done->cut)},    {"entries", done->entries},
                       {"payloads", done->payloads},    {"hash_only", done->hash_only}, {"files_written", done->files_written},
                       {"files_kept", done->files_kept}};
    fmt::print("{}\n", to_text(json));
    return;
  }
  fmt::print("exported {} entries and {} payloads ({} kept as hash only) to {}, {} files written, {} were there; cut {}\n",
             for_people(done->entries), for_people(done->payloads), for_people(done->hash_only), directory, for_people(done->files_written),
             for_people(done->files_kept), done->cut.text());
}

}  // namespace

absl::StatusOr<std::vector<std::string>> read_keys(const std::vector<std::string>& given) {
  std::vector<std::string> keys;
  for (const std::string& each : given) {
    if (key_info(each).ok()) {
      keys.push_back(each);
      continue;
    }
    const auto file = read_file(each);
    if (!file.ok()) return invalid_argument("--key: '{}' is neither a verifier key nor a file that holds some", each.substr(0, 200));
    for (std::string_view rest = *file; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (!line.empty() && line.front() != '#') keys.emplace_back(line);
    }
  }
  if (keys.empty()) return invalid_argument("--key is missing: the ledger's verifier keys, from `bukubesar key show` or /log/vkeys");
  return keys;
}

void add_prove_command(CLI::App& app, CliContext& context) {
  CLI::App* command =
      app.add_subcommand("prove", "a proof file: of one entry with its payload, of a cut, or that one checkpoint continues another");
  auto flags = std::make_shared<ProveFlags>();
  command->add_option("what", flags->what, "an event id, or <partition>/<sequence>");
  command->add_option("--id", flags->id, "an event id that looks like <partition>/<sequence>");
  command->add_option("--source", flags->source, "the event's CloudEvents source; without it, any that is known");
  command->add_flag("--cut", flags->cut, "the newest cut note: size and root of every partition, signed");
  command->add_option("--consistency", flags->consistency, "two sizes that are signed, or files that hold checkpoints")
      ->expected(2)
      ->type_name("OLD NEW");
  command->add_option("--partition", flags->partition, "with --consistency and sizes")->capture_default_str();
  command->add_option("--checkpoint", flags->checkpoint, "under the checkpoint of this size, not the newest")->type_name("SIZE");
  command->add_flag("--cosigned", flags->cosigned, "under the newest checkpoint that a witness has cosigned");
  command->add_flag("--no-payload", flags->no_payload, "without the payload: it may hold personal data");
  command->add_flag("--offline", flags->offline, "read the data directory (--data), not a running server");
  command->add_option("-o,--out", flags->out, "write to this file, not to standard output")->type_name("FILE");
  command->footer(
      "An entry's proof is a C2SP tlog-proof; its extra line holds the entry's 88 bytes, then the payload.\n"
      "Exit codes: 3 no such event or checkpoint, 6 beyond the end; else as of every command.\n\n"
      "Examples:\n"
      "  bukubesar prove 0/812 -o order.proof\n"
      "  bukubesar prove 5f3c… --source /feed/inaproc-realisasi -o order.proof\n"
      "  bukubesar prove --cut -o year.cut\n"
      "  bukubesar prove --consistency last-year.checkpoint 1204511 -o continues.proof\n"
      "  bukubesar --data /srv/bukubesar prove reference/3 --offline");
  command->callback([&context, flags] { run_prove(context, *flags); });
}

void add_check_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("check", "check a proof, consistency proof, checkpoint or cut note offline");
  auto file = std::make_shared<std::string>();
  auto keys = std::make_shared<std::vector<std::string>>();
  command->add_option("file", *file, "what `bukubesar prove` wrote, or a checkpoint")->required();
  command->add_option("--key", *keys, "a verifier key, or a file that holds some, one a line; repeatable")
      ->type_name("KEY|FILE")
      ->allow_extra_args(false);
  command->footer(
      "Asks no server. One key must be of the log that the file is about, and must have signed; every witness whose key is given must "
      "have\n"
      "cosigned. Get the keys another way than the file: `bukubesar key show` on the server, /log/vkeys, or printed in a decree.\n"
      "Exit codes: 0 it holds; 7 it is about another ledger than the keys are for; 8 a key did not sign; 9 the file is damaged or shows\n"
      "something else than it claims.\n\n"
      "Examples:\n"
      "  bukubesar check order.proof --key vkeys\n"
      "  bukubesar check checkpoint --key 'kalsel/0+27ad4a98+AfokH…' --key witness.vkey --format json");
  command->callback([&context, file, keys] { check_proof(context, *file, *keys); });
}

void add_export_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("export", "write the ledger in formats that other people's software reads");
  command->require_subcommand(1);
  command->fallthrough();
  command->footer("Examples:\n  bukubesar export tlog mirror\n  bukubesar export hledger --as-of 2023-06-30 -o kalsel.journal");
  CLI::App* tlog = command->add_subcommand("tlog", "the log as C2SP tlog-tiles, with payloads and verifier keys; goes on where it was");
  auto directory = std::make_shared<std::string>();
  auto offline = std::make_shared<bool>(false);
  tlog->add_option("directory", *directory, "made where it is missing")->required();
  tlog->add_flag("--offline", *offline, "read the data directory (--data), not a running server");
  tlog->footer(
      "<directory>/log/<partition>/ holds checkpoint, tiles, entry bundles and payloads under the names that a server has for them, so "
      "any\n"
      "static web server, and any tlog-tiles client that reads files, can use it. The checkpoint is written when all under it was "
      "checked.\n\n"
      "Examples:\n"
      "  bukubesar export tlog mirror\n"
      "  bukubesar --data /srv/bukubesar export tlog mirror --offline");
  tlog->callback([&context, directory, offline] { export_log(context, *directory, *offline); });
  add_sqlite_export(*command, context);
  add_hledger_command(*command, context);
}

}  // namespace bukubesar
