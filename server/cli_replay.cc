// replay: the ledger's history, entry by entry, forward and back; or once more, into a fresh directory.
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/status.h"
#include "server/ask.h"
#include "server/cli_history.h"
#include "server/log_reader.h"
#include "server/replay_into.h"
#include "server/replay_walk.h"
#include "server/table.h"

namespace bukubesar {

namespace {

struct ReplayFlags {
  std::string from, to, purchase, into;
  std::vector<std::string> where, partitions;
  std::size_t limit = 0;  // 0: all
  bool reverse = false, no_steps = false;
};

// "region=63.09,type=paid,vendor=a,b": what has no '=' is one more value of the name before it.
absl::StatusOr<Parameters> filters_of(const ReplayFlags& flags) {
  Parameters to;
  for (const std::string& text : flags.where) {
    std::size_t at = 0;
    while (at <= text.size()) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      const std::string part = text.substr(at, end - at);
      const std::size_t equals = part.find('=');
      at = end + 1;
      if (equals != std::string::npos) {
        to.emplace_back(part.substr(0, equals), part.substr(equals + 1));
      } else if (!to.empty() && !part.empty()) {
        to.back().second += "," + part;
      } else {
        return invalid_argument("--where '{}': write name=value, with commas between, as in region=63.09,type=paid,verdict=accepted", text);
      }
    }
  }
  if (!flags.purchase.empty()) to.emplace_back("purchase", flags.purchase);
  return to;
}

std::string place_of(const Json& entry) { return fmt::format("{}/{}", cell_of(entry["partition"]), entry["sequence"].dump()); }

std::string verdict_of(const Json& entry) {
  const std::string verdict = cell_of(entry["verdict"]);
  if (verdict == "none") return "source statement";
  return entry["reason"].is_string() ? verdict + ": " + entry["reason"].get<std::string>() : verdict;
}

std::string money(const Json& value) { return value.is_string() ? for_people(value.get<std::string>()) : "-"; }

void add_rows(Table& table, const Json& entry) {
  std::string place = place_of(entry), time = cell_of(entry["ledger_time"]), verdict = verdict_of(entry), type = cell_of(entry["type"]);
  std::string subject = cell_of(entry["subject"]);
  const Json& after = entry["after"];
  std::string stage = after.is_object() ? cell_of(after["stage"]) : "-", value = after.is_object() ? money(after["value"]) : "-",
              paid = after.is_object() ? money(after["paid"]) : "-";
  if (entry["transfers"].empty()) {
    table.row({place, time, verdict, type, subject, "", "", "", stage, value, paid});
    return;
  }
  for (const Json& t : entry["transfers"]) {
    table.row({place, time, verdict, type, subject, cell_of(t["from"]), cell_of(t["to"]), money(t["amount"]), stage, value, paid});
    for (std::string* cell : {&place, &time, &verdict, &type, &subject, &stage, &value, &paid}) cell->clear();
  }
}

Table replay_table() {
  Table table;
  table.column("entry").column("ledger time").column("verdict").column("event").column("purchase, or what a fact is about");
  table.column("from")
      .column("to")
      .column("amount (Rp)", true)
      .column("stage after")
      .column("value after", true)
      .column("paid after", true);
  return table;
}

constexpr const char* kCsvHead =
    "partition,sequence,ledger_time,verdict,reason,event,time,source,id,subject,from,to,amount,packages,component,stage_after,value_after,"
    "paid_after,region_after,institution_after,vendor_after,findings\r\n";

std::string csv_rows(const Json& entry) {
  std::string head, tail;
  for (const char* name : {"partition", "sequence", "ledger_time", "verdict", "reason", "type", "time", "source", "id", "subject"})
    head += csv_field(raw_cell(entry[name])) + ",";
  const Json& after = entry["after"];
  for (const char* name : {"stage", "value", "paid", "region", "institution", "vendor"})
    tail += "," + (after.is_object() ? csv_field(raw_cell(after[name])) : std::string());
  std::string findings;
  for (const Json& finding : entry["findings"]) findings += (findings.empty() ? "" : ";") + finding.get<std::string>();
  tail += "," + csv_field(findings) + "\r\n";
  if (entry["transfers"].empty()) return head + ",,,," + tail;
  std::string text;
  for (const Json& t : entry["transfers"]) {
    text += head;
    for (const char* name : {"from", "to", "amount", "packages", "component"})
      text += csv_field(raw_cell(t[name])) + (name == std::string_view("component") ? "" : ",");
    text += tail;
  }
  return text;
}

// ---- one entry after another, to a file, a pipe or the screen

constexpr std::size_t kTableRows = 200;  // entries that are aligned with one another

absl::Status print_all(const CliContext& context, const ReplayFlags& flags, ReplayWalk& walk) {
  walk.restart(flags.reverse);
  if (context.format == OutputFormat::csv) print(kCsvHead);
  Table table = replay_table();
  std::size_t shown = 0, waiting = 0;
  while (flags.limit == 0 || shown < flags.limit) {
    ASSIGN_OR_RETURN(const std::optional<Json> entry, flags.reverse ? walk.previous() : walk.next());
    if (!entry) break;
    ++shown;
    if (context.format == OutputFormat::json) {
      print(to_text(*entry) + "\n");
    } else if (context.format == OutputFormat::csv) {
      print(csv_rows(*entry));
    } else {
      add_rows(table, *entry);
      if (++waiting < kTableRows) continue;
      print(table.text());
      table = replay_table();
      waiting = 0;
    }
  }
  if (context.format != OutputFormat::table) return absl::OkStatus();
  if (waiting > 0 || shown == 0) print(table.text());
  fmt::print("\n{} entries{}\n", for_people(std::uint64_t{shown}), flags.reverse ? ", newest first" : "");
  return absl::OkStatus();
}

// ---- step by step, on a terminal

// Keys without Enter, while it lives.
class KeyboardMode {
 public:
  KeyboardMode() {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &keys) == 0;
  }
  ~KeyboardMode() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  KeyboardMode(const KeyboardMode&) = delete;
  KeyboardMode& operator=(const KeyboardMode&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

enum class Step : std::uint8_t { next, previous, jump, first, last, quit, unknown };

Step read_step() {
  char c = 0;
  if (::read(STDIN_FILENO, &c, 1) != 1) return Step::quit;
  if (c == '\x1b') {  // an arrow: ESC [ A … D
    char sequence[2] = {0, 0};
    if (::read(STDIN_FILENO, &sequence[0], 1) != 1 || ::read(STDIN_FILENO, &sequence[1], 1) != 1) return Step::quit;
    if (sequence[1] == 'A' || sequence[1] == 'D') return Step::previous;
    return sequence[1] == 'B' || sequence[1] == 'C' ? Step::next : Step::unknown;
  }
  switch (c) {
    case 'n':
    case ' ':
    case '\n':
      return Step::next;
    case 'p':
      return Step::previous;
    case 'j':
      return Step::jump;
    case '<':
      return Step::first;
    case '>':
      return Step::last;
    case 'q':
    case '\x04':
      return Step::quit;
    default:
      return Step::unknown;
  }
}

std::string line_for_jump() {
  fmt::print("jump to (0/812, an instant, a date, a cut): ");
  std::fflush(stdout);
  std::string text;
  char c = 0;
  while (::read(STDIN_FILENO, &c, 1) == 1 && c != '\n' && c != '\r') {
    if (c == '\x7f' || c == '\b') {
      if (!text.empty()) text.pop_back(), fmt::print("\b \b");
    } else if (static_cast<unsigned char>(c) >= ' ') {
      text += c;
      fmt::print("{}", c);
    }
    std::fflush(stdout);
  }
  fmt::print("\n");
  return text;
}

// The cut right before a place, an instant, a date.
absl::StatusOr<std::string> cut_before(HttpClient& client, const std::string& text, std::string& from) {
  from = text;
  const auto place = parse_entry_place(text);
  Json entry;
  if (place) {
    ASSIGN_OR_RETURN(entry, ask_json(client, fmt::format("/v1/entries/{}/{}", place->partition.name(), place->sequence.value())));
    if (!entry["ledger_time"].is_string()) {  // no ledger time: partition after partition
      Json cut = entry["cut"];
      bool after = false;
      for (auto at = cut.begin(); at != cut.end(); ++at) {
        if (after) at.value() = 0;
        if (at.key() != place->partition.name()) continue;
        at.value() = place->sequence.value();
        after = true;
      }
      return cut_text(cut);
    }
    from = entry["ledger_time"].get<std::string>();
  }
  ASSIGN_OR_RETURN(const Json page, ask_json(client, target_of("/v1/history/reference", {{"from", from}, {"limit", "1"}})));
  return cut_text(page["begins"]);
}

void show(const Json& entry) {
  fmt::print("\n{}  {}  {}\n", place_of(entry), cell_of(entry["ledger_time"]), verdict_of(entry));
  fmt::print("  event     {}  {}\n", cell_of(entry["type"]), cell_of(entry["subject"]));
  fmt::print("  happened  {}   told by {}, id {}\n", cell_of(entry["time"]), cell_of(entry["source"]), cell_of(entry["id"]));
  for (const Json& t : entry["transfers"])
    fmt::print("  transfer  {} -> {}  Rp {}  {}\n", cell_of(t["from"]), cell_of(t["to"]), money(t["amount"]), cell_of(t["component"]));
  const Json& after = entry["after"];
  if (after.is_object())
    fmt::print("  after     {}, value Rp {}, paid Rp {}; region {}, institution {}, vendor {}\n", cell_of(after["stage"]),
               money(after["value"]), money(after["paid"]), cell_of(after["region"]), cell_of(after["institution"]),
               cell_of(after["vendor"]));
  for (const Json& finding : entry["findings"]) fmt::print("  finding   {}\n", finding.get<std::string>());
}

absl::Status jump(HttpClient& client, ReplayWalk& walk, std::optional<Json>& shown) {
  const std::string text = line_for_jump();
  std::string from;
  const auto cut = cut_before(client, text, from);
  if (!cut.ok()) {
    fmt::print("{}\n", message_of(cut.status()));
    return absl::OkStatus();
  }
  walk.restart_at(*cut);
  const auto place = parse_entry_place(text);
  do {
    ASSIGN_OR_RETURN(shown, walk.next());
    if (!shown) break;
  } while (place && place_of(*shown) != text && cell_of((*shown)["ledger_time"]) == from);
  shown ? show(*shown) : fmt::print("nothing from there on\n");
  return absl::OkStatus();
}

absl::Status step_through(HttpClient& client, const ReplayFlags& flags, ReplayWalk& walk) {
  const KeyboardMode keys;
  constexpr const char* kHelp = "n next, p previous, j jump, < first, > last, q quit\n";
  fmt::print("{}", kHelp);
  walk.restart(flags.reverse);
  bool forward = !flags.reverse;  // where the walk stands: right after what is shown, or right before it
  ASSIGN_OR_RETURN(std::optional<Json> shown, forward ? walk.next() : walk.previous());
  if (!shown) fmt::print("no entries\n");
  if (shown) show(*shown);
  for (;;) {
    std::fflush(stdout);
    const Step step = read_step();
    if (step == Step::quit) return absl::OkStatus();
    if (step == Step::unknown) {
      fmt::print("{}", kHelp);
      continue;
    }
    if (step == Step::jump) {
      RETURN_IF_ERROR(jump(client, walk, shown));
      forward = true;
      continue;
    }
    if (step == Step::first || step == Step::last) walk.restart(step == Step::last);
    const bool to_next = step == Step::next || step == Step::first;
    const bool turned = to_next != forward && step != Step::first && step != Step::last;
    std::optional<Json> entry;
    for (int i = 0; i < (turned ? 2 : 1); ++i) {  // turning round meets what is shown once more
      ASSIGN_OR_RETURN(entry, to_next ? walk.next() : walk.previous());
    }
    forward = to_next;
    entry ? show(*entry) : fmt::print("no more entries that way\n");
  }
}

absl::Status replay(CliContext& context, const ReplayFlags& flags) {
  if (!flags.into.empty()) return replay_into(context, flags.into, flags.to);
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const Parameters where, filters_of(flags));
  ASSIGN_OR_RETURN(const Json now, ask_json(client, "/v1/cut"));
  ReplayBounds bounds{flags.from, flags.to, where};
  if (bounds.to.empty()) bounds.to = cut_text(now["cut"]);
  std::vector<std::string> partitions;
  for (const auto& [partition, size] : now["cut"].items()) {
    const bool chosen =
        flags.partitions.empty() || std::find(flags.partitions.begin(), flags.partitions.end(), partition) != flags.partitions.end();
    if (chosen) partitions.push_back(partition);
  }
  if (partitions.empty()) return not_found("--partition: this ledger has {}", cut_text(now["cut"]));
  const bool stepping = !flags.no_steps && flags.limit == 0 && context.format == OutputFormat::table && ::isatty(STDIN_FILENO) == 1 &&
                        ::isatty(STDOUT_FILENO) == 1;
  ReplayWalk walk(client, bounds, partitions, stepping ? 50 : std::min<std::size_t>(flags.limit == 0 ? 500 : flags.limit, 500));
  return stepping ? step_through(client, flags, walk) : print_all(context, flags, walk);
}

}  // namespace

void add_replay_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("replay", "the ledger's history entry by entry: verdict, event, transfers, balances after");
  auto flags = std::make_shared<ReplayFlags>();
  command->add_option("--from", flags->from, "from here on: an instant, a date (its beginning), or what a cut or checkpoint does not hold");
  command->add_option("--to", flags->to, "up to here: a cut, an instant, a date (its end) or checkpoint:<partition>/<size>; default: now");
  command->add_option("--purchase", flags->purchase, "only entries about this purchase");
  command->add_option("--where", flags->where, "only these, as in region=63.09,institution=D262,vendor=v-1,type=paid,verdict=accepted")
      ->allow_extra_args(false);
  command->add_option("--partition", flags->partitions, "only this partition; repeatable")->allow_extra_args(false);
  command->add_option("--limit", flags->limit, "at most so many entries");
  command->add_flag("--reverse", flags->reverse, "newest first");
  command->add_flag("--no-steps", flags->no_steps, "all at once on a terminal too");
  auto* into = command->add_option("--into", flags->into, "judge everything up to --to once more into this fresh directory, and compare");
  for (const char* other : {"--from", "--purchase", "--where", "--partition", "--limit", "--reverse"})
    into->excludes(command->get_option(other));
  command->footer(
      "On a terminal it goes step by step: n next, p previous, j jump, < first, > last, q quit. To a file or a pipe, or with --limit, it\n"
      "prints a table; --format json prints one entry a line, --format csv one transfer a line. Entries stand by ledger time, then by\n"
      "partition. Filters look at the purchase as the entry left it; `type` takes ordered, advanced, amended, paid, refunded, cancelled,\n"
      "withdrawn, corrected, vendor, institution, commodity, region.\n\n"
      "--into asks the server for every record up to a cut, judges, hashes and folds it again, and says whether root, views and findings\n"
      "come out the same; exit code 1 where they do not.\n\n"
      "Examples:\n"
      "  bukubesar replay\n"
      "  bukubesar replay --from 2023-06-01 --to 2023-06-30 --where region=63.09,type=paid --limit 100\n"
      "  bukubesar replay --purchase e-katalog-5/8812345 --format json\n"
      "  bukubesar replay --where verdict=rejected --reverse --limit 20\n"
      "  bukubesar replay --to checkpoint:0/4096 --into /srv/replayed");
  command->callback([&context, flags] {
    if (const absl::Status done = replay(context, *flags); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
