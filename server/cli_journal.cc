// export hledger: the ledger's transfers as a journal that accountants' tools read.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "adapters/json_answer.h"
#include "adapters/terminal_progress.h"
#include "base/progress.h"
#include "base/status.h"
#include "server/cli.h"
#include "server/json.h"
#include "server/table.h"

namespace bukubesar {

namespace {

struct JournalFlags {
  std::string as_of, out;
};

constexpr const char* kAccounts[] = {"unknown",   "negotiating", "ordered",   "contracted", "shipping",   "delivered", "addendum",
                                     "completed", "cancelled",   "withdrawn", "paid",       "commitment", "payable"};

struct CloseUnlessStdout {
  void operator()(std::FILE* file) const {
    if (file != stdout) std::fclose(file);
  }
};
using File = std::unique_ptr<std::FILE, CloseUnlessStdout>;

class JournalExport {
 public:
  JournalExport(HttpClient client, std::FILE* to, const Progress& progress) : client_(std::move(client)), to_(to), progress_(progress) {}
  absl::Status run(const std::string& as_of);
  [[nodiscard]] std::uint64_t transfers() const { return transfers_; }
  [[nodiscard]] const std::string& cut() const { return cut_; }

 private:
  absl::StatusOr<Json> page(std::string_view partition, std::uint64_t first);
  absl::Status write(const std::string& text);
  absl::Status write_head(const std::string& as_of);
  absl::Status write_partition(const std::string& partition);

  HttpClient client_;
  std::FILE* to_;
  const Progress& progress_;
  std::string as_of_, cut_;
  std::uint64_t transfers_ = 0;
};

absl::Status JournalExport::write(const std::string& text) {
  if (std::fwrite(text.data(), 1, text.size(), to_) != text.size()) return unavailable("writing the journal: {}", std::strerror(errno));
  return absl::OkStatus();
}

absl::StatusOr<Json> JournalExport::page(std::string_view partition, std::uint64_t first) {
  std::string target = fmt::format("/v1/journal/{}?cursor={}", partition, first);
  if (!as_of_.empty()) target += "&as_of=" + percent_encode(as_of_);
  ASSIGN_OR_RETURN(const HttpResponse response, client_.get(target));
  RETURN_IF_ERROR(status_of(response));
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object() || !json.contains("rows") || !json.contains("cut") || !json.contains("next_cursor"))
    return unavailable("{}: the answer is no journal", target);
  return json;
}

absl::Status JournalExport::write_head(const std::string& as_of) {
  std::string head = fmt::format("; transfers of a bukubesar ledger, cut {}{}\n", cut_, as_of.empty() ? "" : ", as of " + as_of);
  head += "; a transaction for each transfer; its code is <partition>:<sequence>.<row>: the entry that caused it\n\n";
  head += "commodity 1000.00 IDR\n";
  for (const char* account : kAccounts) head += fmt::format("account {}\n", account);
  return write(head + "\n");
}

absl::Status JournalExport::write_partition(const std::string& partition) {
  for (std::uint64_t first = 0;;) {
    ASSIGN_OR_RETURN(const Json json, page(partition, first));
    std::string text;
    for (const Json& row : json["rows"]) {
      const auto amount = row["amount"].get<std::string>();
      const std::string negative = amount.front() == '-' ? amount.substr(1) : "-" + amount;
      text +=
          fmt::format("{} ({}:{}.{}) {} {}\n    {}  {} IDR\n    {}  {} IDR\n\n", row["time"].get<std::string>().substr(0, 10), partition,
                      row["sequence"].get<std::uint64_t>(), row["row"].get<std::uint64_t>(), row["event"].get<std::string>(),
                      row["purchase"].get<std::string>(), row["to"].get<std::string>(), amount, row["from"].get<std::string>(), negative);
    }
    RETURN_IF_ERROR(write(text));
    transfers_ += json["rows"].size();
    first += json["rows"].size();
    if (progress_) progress_(fmt::format("exporting partition {}", partition), first, json["rows_total"].get<std::uint64_t>());
    if (json["next_cursor"].is_null()) return absl::OkStatus();
  }
}

absl::Status JournalExport::run(const std::string& as_of) {
  as_of_ = as_of;
  ASSIGN_OR_RETURN(const Json first, page("0", 0));
  cut_ = cut_text(first["cut"]);
  as_of_ = cut_;  // all that follows is as of one cut
  RETURN_IF_ERROR(write_head(as_of));
  for (const auto& [partition, size] : first["cut"].items())
    if (partition != "reference") RETURN_IF_ERROR(write_partition(partition));
  if (std::fflush(to_) != 0) return unavailable("writing the journal: {}", std::strerror(errno));
  return absl::OkStatus();
}

void export_journal(CliContext& context, const JournalFlags& flags) {
  auto options = context.client();
  if (!options.ok()) return context.fail(options.status());
  auto client = HttpClient::make(*options);
  if (!client.ok()) return context.fail(client.status());
  const File file(flags.out.empty() ? stdout : std::fopen(flags.out.c_str(), "wb"));
  if (!file) return context.fail(unavailable("{}: {}", flags.out, std::strerror(errno)));
  absl::Status done;
  std::uint64_t transfers = 0;
  std::string cut;
  {
    TerminalProgress bar;
    const Progress progress = [&bar](std::string_view what, std::uint64_t at, std::uint64_t total) { bar.show(what, at, total); };
    JournalExport journal(*std::move(client), file.get(), progress);
    done = journal.run(flags.as_of);
    transfers = journal.transfers();
    cut = journal.cut();
  }
  if (!done.ok()) return context.fail(done);
  fmt::print(stderr, "wrote {} transfers{}; cut {}\n", for_people(transfers), flags.out.empty() ? "" : " to " + flags.out, cut);
}

}  // namespace

void add_hledger_command(CLI::App& export_command, CliContext& context) {
  CLI::App* command = export_command.add_subcommand("hledger", "all transfers as a journal that hledger, ledger and their kin read");
  auto flags = std::make_shared<JournalFlags>();
  command->add_option("--as-of", flags->as_of, "a cut, instant, date or checkpoint:<partition>/<size>; default: now")->type_name("WHEN");
  command->add_option("-o,--out", flags->out, "write to this file, not to standard output")->type_name("FILE");
  command->footer(
      "A transaction for each transfer, dated by its event; accounts are the stages, paid, commitment and payable. `hledger check "
      "--strict`\n"
      "accepts it, and `hledger balance` shows what `bukubesar totals` shows: strict is completed, broad the sum from contracted on.\n"
      "Needs role audit.\n\n"
      "Examples:\n"
      "  bukubesar export hledger --as-of 2023-06-30 -o kalsel.journal\n"
      "  hledger -f kalsel.journal check --strict && hledger -f kalsel.journal balance");
  command->callback([&context, flags] { export_journal(context, *flags); });
}

}  // namespace bukubesar
