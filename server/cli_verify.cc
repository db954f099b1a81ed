#include <fmt/format.h>
#include <malloc.h>
#include <sys/stat.h>

#include <limits>

#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "ledger/verify.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/node.h"
#include "server/reads_log.h"
#include "server/table.h"

namespace bukubesar {

namespace {

bool exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

// Chunks come and go on every core. What is given back to the system with one is asked for with the next, page by page; this process needs
// no more for keeping it.
void keep_freed_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

struct Verified {
  VerifyReport report;
  std::uint64_t segments_of_another_fold = 0;
  std::uint64_t reads = 0;  // lines of their log
};

// Everything that verify looks at but the log of reads. What keeps it from looking at all is a finding too: damage must never pass as
// "could not check".
Verified verify_everything(const Config& config, const DefinitionFile& file, const std::vector<std::string>& verifier_keys,
                           const Progress& progress) {
  Verified verified;
  VerifyReport& report = verified.report;
  LedgerOptions options;
  options.directory = ledger_directory(config);
  options.read_only = true;
  options.with_ids = false;
  options.progress = progress;
  const auto ledger = Ledger::open(std::move(options), file.definition());
  if (!ledger.ok()) {
    report.findings.push_back({ledger_directory(config), message_of(ledger.status())});
    return verified;
  }
  auto segments = SegmentCheck::open(segments_directory(config), file.definition());
  VerifyVisitor visit;
  if (segments.ok())
    visit = [&segments](PartitionId partition, const StoredRun& run, std::span<const Event* const> events) {
      (*segments)->visit(partition, run, events);
    };
  report = verify_ledger(**ledger, file.definition(), exists(key_path(config)) ? key_path(config) : "", visit, progress, verifier_keys);
  if ((*ledger)->shorter_than_recorded())
    report.findings.push_back({ledger_directory(config), "shorter than the last size and root recorded outside it (I9)"});
  if (!segments.ok()) {
    report.findings.push_back({segments_directory(config), message_of(segments.status())});
    return verified;
  }
  for (std::string& difference : (*segments)->finish()) report.findings.push_back({segments_directory(config), std::move(difference)});
  verified.segments_of_another_fold = (*segments)->of_another_fold();
  return verified;
}

void print_report(const CliContext& context, const Verified& verified) {
  const VerifyReport& report = verified.report;
  if (context.format == OutputFormat::json) {
    Json findings = Json::array();
    for (const VerifyFinding& finding : report.findings) findings.push_back({{"place", finding.place}, {"what", finding.what}});
    const Json json = {{"ok", report.ok()},
                       {"cut", to_json(report.cut)},
                       {"first_bad_sequence", text_or_null(report.first_bad_sequence)},
                       {"entries", report.entries},
                       {"payloads", report.payloads},
                       {"hash_only", report.hash_only},
                       {"redacted", report.redacted},
                       {"payload_bytes", report.payload_bytes},
                       {"checkpoints", report.checkpoints},
                       {"signatures_checked", report.signatures_checked},
                       {"signatures_unchecked", report.signatures_unchecked},
                       {"segments_of_another_fold", verified.segments_of_another_fold},
                       {"reads", verified.reads},
                       {"findings", findings}};
    fmt::print("{}\n", to_text(json));
    return;
  }
  Table findings;
  findings.column("place").column("what");
  for (const VerifyFinding& finding : report.findings) findings.row({finding.place, finding.what});
  if (context.format == OutputFormat::csv) {
    fmt::print("{}", findings.csv());
    return;
  }
  fmt::print("verified {} entries, {} payloads ({} bytes), {} kept as hash only, {} erased by redactions, {} checkpoints, up to cut {}\n",
             for_people(report.entries), for_people(report.payloads), for_people(report.payload_bytes), for_people(report.hash_only),
             for_people(report.redacted), for_people(report.checkpoints), report.cut.text());
  fmt::print("{} lines of the log of reads; {} signatures checked", for_people(verified.reads), for_people(report.signatures_checked));
  if (report.signatures_unchecked > 0)
    fmt::print("; {} signatures NOT checked: there is no key here; give the verifier keys with --vkey",
               for_people(report.signatures_unchecked));
  fmt::print("\n");
  if (verified.segments_of_another_fold > 0)
    fmt::print(
        "{} segments NOT compared: made under an earlier definition or by another version of the fold; the next start of a server "
        "makes them again\n",
        for_people(verified.segments_of_another_fold));
  if (report.ok()) {
    fmt::print("{}\n", report.signatures_unchecked > 0 || verified.segments_of_another_fold > 0 ? "all else is well" : "all is well");
    return;
  }
  if (!report.first_bad_sequence.empty()) fmt::print("the first bad sequence is {}\n", report.first_bad_sequence);
  fmt::print("\n{}", findings.text());
  if (report.findings.size() >= kVerifyFindingsMax) fmt::print("(the first {} are listed)\n", kVerifyFindingsMax);
}

void verify(CliContext& context, const std::vector<std::string>& verifier_keys) {
  const absl::StatusOr<Config> config = context.config();
  if (!config.ok()) return context.fail(config.status());
  if (!exists(config->data_dir)) return context.fail(not_found("{}: no such data directory", config->data_dir));
  const auto file = DefinitionFile::load(definition_path(*config));
  if (!file.ok() && !exists(ledger_directory(*config))) return context.fail(file.status());  // nothing that could be damaged
  const auto owner = DataLock::owner(config->data_dir);
  if (!owner.ok())
    fmt::print(stderr, "bukubesar: whether a server runs on {} cannot be told: {}\n", config->data_dir, message_of(owner.status()));
  else if (*owner)
    fmt::print(stderr, "bukubesar: {} has a running server (process {}); what it commits from now on is not verified\n", config->data_dir,
               **owner);
  Verified verified;
  VerifyReport& report = verified.report;
  const ReadsCheck reads = check_reads(reads_directory(*config));
  if (!file.ok()) {
    report.findings.push_back({definition_path(*config), message_of(file.status())});
  } else {
    TerminalProgress bar;
    keep_freed_memory();
    verified = verify_everything(*config, *file, verifier_keys,
                                 [&bar](std::string_view what, std::uint64_t done, std::uint64_t total) { bar.show(what, done, total); });
  }
  for (const auto& [place, what] : reads.findings)
    if (report.findings.size() < kVerifyFindingsMax) report.findings.push_back({place, what});
  verified.reads = reads.lines;
  print_report(context, verified);
  if (!report.ok()) context.exit_code = 1;
}

}  // namespace

void add_verify_command(CLI::App& app, CliContext& context) {
  CLI::App* command =
      app.add_subcommand("verify", "re-read everything and compare: hashes, tree, ids, offsets, counts, signatures, segments");
  const auto verifier_keys = std::make_shared<std::vector<std::string>>();
  command
      ->add_option("--vkey", *verifier_keys,
                   "verifier key of an origin, as `bukubesar key show` and /log/<partition>/vkey have it; repeatable, comes before the "
                   "directory's own key")
      ->type_name("KEY")
      ->allow_extra_args(false);
  command->footer(
      "Reads a data directory without writing to it: of a stopped server, or a copy of a running one's. Exit code 1 where anything is "
      "off;\n"
      "the first bad sequence is named.\n\n"
      "Examples:\n"
      "  bukubesar verify\n"
      "  bukubesar --data /srv/bukubesar verify --format json\n"
      "  bukubesar --data copy verify --vkey kalsel/0+5c1f00b2+AdKx… --vkey kalsel/cut+…");
  command->callback([&context, verifier_keys] { verify(context, *verifier_keys); });
}

}  // namespace bukubesar
