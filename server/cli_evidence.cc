// evidence, reads: a report with all that proves it, and who has looked at what.
#include <fmt/format.h>

#include <cstdio>

#include "adapters/terminal_progress.h"
#include "base/file.h"
#include "base/status.h"
#include "server/ask.h"
#include "server/cli.h"
#include "server/evidence_pack.h"
#include "server/query.h"
#include "server/table.h"

namespace bukubesar {

namespace {

struct EvidenceFlags {
  EvidenceRequest request;
  std::string out;
};

void build(CliContext& context, const EvidenceFlags& flags) {
  if (flags.request.report.empty() || flags.out.empty())
    return context.fail(invalid_argument("evidence: want --report and the file to write; `bukubesar evidence --help` has examples"));
  const auto client = context.client();
  if (!client.ok()) return context.fail(client.status());
  absl::StatusOr<ZipFiles> pack;
  {
    TerminalProgress bar;
    pack = build_evidence(*client, flags.request,
                          [&bar](std::string_view what, std::uint64_t done, std::uint64_t total) { bar.show(what, done, total); });
  }
  if (!pack.ok()) return context.fail(pack.status());
  if (const absl::Status written = write_zip(flags.out, *pack); !written.ok()) return context.fail(written);
  const Json json = Json::parse(pack->at("pack.json"));
  if (context.format == OutputFormat::json) {
    fmt::print("{}\n", to_text(json));
    return;
  }
  std::uint64_t entries = 0;
  for (const auto& [partition, count] : json["entries"].items()) entries += count.get<std::uint64_t>();
  fmt::print("wrote {}: {}, {} purchases, {} entries with their proofs; cut {}\n", flags.out, json["report"].get<std::string>(),
             for_people(json["purchases"].get<std::uint64_t>()), for_people(entries), cut_text(json["cut"]));
  fmt::print("anyone checks it with: bukubesar evidence check {} --key KEYS\n", flags.out);
}

// A pack's file, or context.exit_code says why not.
std::optional<ZipFiles> open_pack(CliContext& context, const std::string& file) {
  auto files = read_zip(file);
  if (files.ok()) return *std::move(files);
  context.fail(files.status());
  if (absl::IsDataLoss(files.status())) context.exit_code = kExitDamagedPack;
  return std::nullopt;
}

int exit_code_of(EvidenceResult result) {
  switch (result) {
    case EvidenceResult::equal:
      return 0;
    case EvidenceResult::damaged:
      return kExitDamagedPack;
    case EvidenceResult::other_ledger:
      return kExitOtherLedger;
    case EvidenceResult::not_signed:
      return kExitNotSigned;
    case EvidenceResult::differs:
      return kExitReportDiffers;
  }
  return 1;
}

std::string_view name_of(EvidenceResult result) {
  constexpr std::string_view names[] = {"equal", "damaged", "other_ledger", "not_signed", "differs"};
  return names[static_cast<std::size_t>(result)];
}

void check_pack(CliContext& context, const std::string& file, const std::vector<std::string>& given) {
  const auto keys = read_keys(given);
  if (!keys.ok()) return context.fail(keys.status());
  const auto files = open_pack(context, file);
  if (!files) return;
  const EvidenceCheck report = check_evidence(*files, *keys);
  context.exit_code = exit_code_of(report.result);
  if (context.format == OutputFormat::json) {
    const Json json = {{"file", file},
                       {"result", name_of(report.result)},
                       {"shown", report.shown},
                       {"not_shown", report.not_shown},
                       {"why", text_or_null(report.why)}};
    fmt::print("{}\n", to_text(json));
    return;
  }
  for (const std::string& sentence : report.shown) fmt::print("{}\n", printable(sentence));
  if (report.result != EvidenceResult::equal) {
    fmt::print(stderr, "bukubesar: {}: {}\n", file, printable(report.why));
    return;
  }
  fmt::print("\nNot shown by it:\n");
  for (const std::string& sentence : report.not_shown) fmt::print("- {}\n", printable(sentence));
  fmt::print("\n{}: EQUAL\n", file);
}

void prove(CliContext& context, const std::string& file, const std::string& place, const std::string& out) {
  const auto at = parse_entry_place(place);
  if (!at) return context.fail(invalid_argument("'{}' is no place of an entry: want <partition>/<sequence>, such as 0/812", place));
  const auto files = open_pack(context, file);
  if (!files) return;
  const auto proof = prove_from_pack(*files, at->partition, at->sequence);
  if (!proof.ok()) {
    context.fail(proof.status());
    if (absl::IsInvalidArgument(proof.status())) context.exit_code = kExitDamagedPack;
    return;
  }
  if (out.empty()) {
    std::fwrite(proof->data(), 1, proof->size(), stdout);
    return;
  }
  if (const absl::Status written = write_file_durably(out, *proof); !written.ok()) return context.fail(written);
  fmt::print(stderr, "wrote {}; anyone checks it with: bukubesar check {} --key KEYS\n", out, out);
}

struct ReadsFlags {
  std::string token;
  std::uint64_t from = 0;
  std::size_t limit = 1000;
  bool head = false;
};

absl::StatusOr<Json> ask_reads(const CliContext& context, const ReadsFlags& flags) {
  ASSIGN_OR_RETURN(HttpClientOptions options, context.client());
  options.attempts_max = 3;
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(options));
  std::string target = fmt::format("/v1/reads?limit={}&cursor={}", flags.head ? 1 : flags.limit, flags.from);
  if (!flags.token.empty()) target += "&token=" + percent_encode(flags.token);
  ASSIGN_OR_RETURN(const HttpResponse response, client.get(target));
  RETURN_IF_ERROR(status_of(response));
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object() || !json.contains("reads") || !json.contains("head")) return unavailable("{}: the answer has no reads", target);
  return json;
}

void reads(CliContext& context, const ReadsFlags& flags) {
  const auto json = ask_reads(context, flags);
  if (!json.ok()) return context.fail(json.status());
  if (context.format == OutputFormat::json) {
    fmt::print("{}\n", to_text(*json));
    return;
  }
  const Json& head = (*json)["head"];
  if (flags.head) {
    fmt::print("{} {}\n", head["lines"].get<std::uint64_t>(), head["hash"].get<std::string>());
    return;
  }
  Table table;
  for (const char* name : {"n", "at", "token", "method", "path", "status", "cut"}) table.column(name, std::string_view(name) == "n");
  for (const Json& row : (*json)["reads"]) {
    std::vector<std::string> cells;
    for (const char* name : {"n", "at", "token", "method", "path", "status", "cut"})
      cells.push_back(cell_of(row.value(name, Json(nullptr))));
    table.row(std::move(cells));
  }
  if (context.format == OutputFormat::csv) {
    fmt::print("{}", table.csv());
    return;
  }
  fmt::print("{}", table.text());
  if ((*json)["next_cursor"].is_string()) fmt::print("\nmore: --from {}\n", (*json)["next_cursor"].get<std::string>());
  if ((*json)["trouble"].is_string()) fmt::print("\nthe log was found damaged at the start: {}\n", (*json)["trouble"].get<std::string>());
  fmt::print("\n{} reads; keep this hash of the newest one elsewhere: {}\n", for_people(head["lines"].get<std::uint64_t>()),
             head["hash"].get<std::string>());
}

}  // namespace

void add_evidence_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("evidence", "a report with all that proves it, in one file; and checking such a file");
  command->require_subcommand(0, 1);
  command->fallthrough();
  auto flags = std::make_shared<EvidenceFlags>();
  command
      ->add_option("--report", flags->request.report,
                   "totals?by=… or views/<name>?…, with the parameters of docs/API.md; or the command, 'totals --by …'")
      ->type_name("REPORT");
  command
      ->add_option("--as-of", flags->request.as_of, "a cut, instant, date or checkpoint:<partition>/<size>; default: the newest signed cut")
      ->type_name("WHEN");
  command->add_flag("--whole", flags->request.whole,
                    "every entry up to the cut: then it is shown too that nothing else belongs to the report");
  command->add_flag("--cosigned", flags->request.cosigned, "under the newest checkpoints that a witness has cosigned");
  command->add_option("out", flags->out, "the file to write")->type_name("OUT.zip");
  command->footer(
      "The pack holds the report (JSON, CSV, a page to print), the entries and payloads behind it, what leads from them to the signed\n"
      "checkpoints, definition and views, and SHA256SUMS. The same question at the same cut gives the same bytes. Needs role audit.\n"
      "Exit codes of `check`: 0 equal; 7 about another ledger than the keys; 8 a key did not sign; 10 a damaged pack, the file is named;\n"
      "11 the entries give another report. When it is made: 6 a cut beyond the end; else as of every command.\n\n"
      "Examples:\n"
      "  bukubesar evidence --report 'totals --by district --region 63 --fiscal-year 2023' --as-of 2023-06-30 kalsel.zip\n"
      "  bukubesar evidence --report 'views/umkm?region=63.09' --as-of checkpoint:0/81234 tabalong.zip\n"
      "  bukubesar evidence check kalsel.zip --key vkeys\n"
      "  bukubesar evidence prove kalsel.zip 0/812 -o order.proof");
  command->callback([&context, flags, command] {
    if (command->get_subcommands().empty()) build(context, *flags);
  });

  CLI::App* checking = command->add_subcommand("check", "whether a pack's entries are in the ledger and give its report; asks no server");
  auto file = std::make_shared<std::string>();
  auto keys = std::make_shared<std::vector<std::string>>();
  checking->add_option("file", *file, "what `bukubesar evidence` wrote")->required()->type_name("OUT.zip");
  checking->add_option("--key,--vkey", *keys, "a verifier key, or a file that holds some, one a line; repeatable")
      ->type_name("KEY|FILE")
      ->allow_extra_args(false);
  checking->footer("Example:\n  bukubesar evidence check kalsel.zip --key vkeys");
  checking->callback([&context, file, keys] { check_pack(context, *file, *keys); });

  CLI::App* proving =
      command->add_subcommand("prove", "one entry of a pack as a C2SP tlog-proof, for `bukubesar check` and other software");
  auto pack = std::make_shared<std::string>();
  auto place = std::make_shared<std::string>();
  auto out = std::make_shared<std::string>();
  proving->add_option("file", *pack, "what `bukubesar evidence` wrote")->required()->type_name("OUT.zip");
  proving->add_option("place", *place, "<partition>/<sequence>")->required();
  proving->add_option("-o,--out", *out, "write to this file, not to standard output")->type_name("FILE");
  proving->footer("Example:\n  bukubesar evidence prove kalsel.zip 0/812 -o order.proof");
  proving->callback([&context, pack, place, out] { prove(context, *pack, *place, *out); });
}

void add_reads_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("reads", "who asked for which payload or export, when, at which cut");
  auto flags = std::make_shared<ReadsFlags>();
  command->add_option("--token", flags->token, "only those of the token with this id");
  command->add_option("--from", flags->from, "from this number on")->capture_default_str();
  command->add_option("--limit", flags->limit, "how many are looked at")->capture_default_str()->check(CLI::Range(1, 10'000));
  command->add_flag("--head", flags->head, "only how many there are, and the hash of the newest: to keep elsewhere");
  command->footer(
      "Payloads, proofs that carry one, rejected records, exports and evidence packs are written down in <data>/reads, each line with the\n"
      "hash of the one before it; `bukubesar verify` reads it. Needs role audit.\n\n"
      "Examples:\n"
      "  bukubesar reads\n"
      "  bukubesar reads --token inspectorate-7 --format csv > reads.csv\n"
      "  bukubesar reads --head > reads.head");
  command->callback([&context, flags] { reads(context, *flags); });
}

}  // namespace bukubesar
