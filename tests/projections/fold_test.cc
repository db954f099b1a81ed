#include "projections/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/projections/fold_harness.h"

namespace bukubesar {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kA = "e-katalog-6/A";

// ---- Scenarios: text scripts that an accountant can read (tests/projections/scenarios/README.md).

struct Script {
  FoldHarness harness;
  std::string file;
  int line = 0;

  [[nodiscard]] std::string place() const { return fmt::format("{}:{}", file, line); }

  static void set(EventSpec& e, const std::string& name, const std::string& value) {
    const auto to = [&](std::string& member) { member = value == "-" ? "" : value; };
    if (name == "total") return to(e.total);
    if (name == "stage") return to(e.stage);
    if (name == "status") return to(e.status);
    if (name == "vendor") return to(e.vendor);
    if (name == "institution") return to(e.institution);
    if (name == "region") return to(e.region);
    if (name == "scale") return to(e.scale);
    if (name == "kind") return to(e.kind);
    if (name == "commodity") return to(e.commodity);
    if (name == "shipping") return to(e.shipping);
    if (name == "tax") return to(e.tax);
    if (name == "date") return to(e.order_date);
    if (name == "time") return to(e.time);
    if (name == "feed") return to(e.source);
    if (name == "amount") return to(e.amount);
    if (name == "reference") return to(e.reference);
    if (name == "revision") {
      e.revision = std::stoi(value);
    } else if (name == "line") {  // line=domestic:600[:quantity:price]
      LineSpec line;
      std::istringstream parts(value);
      std::getline(parts, line.origin, ':');
      std::getline(parts, line.amount, ':');
      std::getline(parts, line.quantity, ':');
      std::getline(parts, line.price, ':');
      e.lines.push_back(line);
    } else {
      ADD_FAILURE() << "no member " << name;
    }
  }

  void run_line(const std::string& text) {
    std::istringstream words(text);
    std::string verb;
    if (!(words >> verb) || verb[0] == '#') return;
    if (verb == "balance") {
      std::string purchase, account, amount;
      words >> purchase >> account >> amount;
      EXPECT_EQ(format_rupiah(harness.balance(purchase, account_named(account))), amount) << place() << ": " << text;
    } else if (verb == "findings") {
      std::vector<std::string> kinds;
      for (std::string kind; words >> kind;) kinds.push_back(kind);
      if (kinds == std::vector<std::string>{"none"}) kinds.clear();
      EXPECT_EQ(harness.last_findings(), kinds) << place() << ": " << text;
    } else {
      EventSpec e;
      e.type = verb;
      words >> e.subject;
      e.stage = "contracted";
      for (std::string word; words >> word;) {
        const std::size_t equals = word.find('=');
        ASSERT_NE(equals, std::string::npos) << place() << ": " << word;
        set(e, word.substr(0, equals), word.substr(equals + 1));
      }
      harness.add(e);
    }
  }
  static Account account_named(const std::string& name) {
    for (std::size_t a = 0; a < kAccountCount; ++a) {
      if (name_of(static_cast<Account>(a)) == name) return static_cast<Account>(a);
    }
    ADD_FAILURE() << "no account " << name;
    return Account::payable;
  }
};

TEST(Fold, DoesWhatTheScenariosSay) {
  int scripts = 0;
  for (const auto& entry : std::filesystem::directory_iterator(BUKUBESAR_SOURCE_DIR "/tests/projections/scenarios")) {
    if (entry.path().extension() != ".txt") continue;
    ++scripts;
    Script script;
    script.file = entry.path().filename().string();
    std::ifstream file(entry.path());
    for (std::string line; std::getline(file, line);) {
      ++script.line;
      script.run_line(line);
    }
  }
  EXPECT_GE(scripts, 5);
}

// ---- Details that a script does not show.

TEST(Fold, EveryAppliedEventWritesARow) {
  FoldHarness h;
  EventSpec e;
  h.add(e);
  const std::size_t before = h.transfers().size();
  e.type = "amended";
  h.add(e);
  ASSERT_EQ(h.transfers().size(), before + 1);
  const Transfer t = h.transfers().back();
  EXPECT_EQ(t.amount, 0);
  EXPECT_EQ(t.from, account_of(Stage::contracted));
  EXPECT_EQ(t.to, account_of(Stage::contracted));
}

TEST(Fold, AStageMovesTheWholeValueStraight) {
  FoldHarness h;
  EventSpec e;
  h.add(e);
  e.type = "advanced";
  e.stage = "shipping";
  h.add(e);
  const Transfer t = h.transfers().back();
  EXPECT_EQ(t.from, account_of(Stage::contracted));
  EXPECT_EQ(t.to, account_of(Stage::shipping));
  EXPECT_EQ(t.amount, 100'000);
  EXPECT_EQ(t.packages, 1);
  EXPECT_EQ(t.previous, 1U);
}

TEST(Fold, OtherDimensionsGoThroughCommitment) {
  FoldHarness h;
  EventSpec e;
  h.add(e);
  e.type = "paid";
  e.amount = "400";
  h.add(e);
  e.type = "amended";
  e.vendor = "v2";
  const std::size_t before = h.transfers().size();
  h.add(e);
  const auto all = h.transfers();
  ASSERT_EQ(all.size(), before + 4);
  EXPECT_EQ(all[before].to, Account::commitment);
  EXPECT_EQ(all[before].dimensions.vendor, h.fold.dictionaries()[DictionaryId::vendor].find("v1"));
  EXPECT_EQ(all[before + 1].to, Account::payable);
  EXPECT_EQ(all[before + 2].from, Account::payable);
  EXPECT_EQ(all[before + 3].from, Account::commitment);
  EXPECT_EQ(all[before + 3].dimensions.vendor, h.fold.dictionaries()[DictionaryId::vendor].find("v2"));
  EXPECT_EQ(all[before + 3].packages, 1);
}

TEST(Fold, OverflowMovesNothingAndSaysSo) {
  FoldHarness h;
  EventSpec e;
  e.total = "92233720368547758.07";
  h.add(e);
  e.type = "amended";
  e.total = "-92233720368547758.07";
  h.add(e);
  EXPECT_THAT(h.last_findings(), ElementsAre("overflow"));
  EXPECT_EQ(h.state(kA)->value(), std::numeric_limits<std::int64_t>::max());
  EventSpec pay;
  pay.type = "paid";
  pay.amount = "92233720368547758.07";
  h.add(pay);
  h.add(pay);
  EXPECT_THAT(h.last_findings(), ElementsAre("overflow"));
  EXPECT_EQ(h.state(kA)->paid, std::numeric_limits<std::int64_t>::max());
}

TEST(Fold, AbsentTimeIsLedgerTime) {
  FoldHarness h;
  EventSpec e;
  e.time = "";
  h.add(e);
  EXPECT_EQ(h.transfers().back().event_time_ms, 1'700'000'000'000);
  EXPECT_EQ(h.transfers().back().flags & kFlagTimeAbsent, kFlagTimeAbsent);
}

// A topic with CreateTime carries whatever its producers wrote, to the ends of 64 bits.
TEST(Fold, AnyStampIsATime) {
  FoldSettings settings = FoldHarness::default_settings();
  settings.clock = LedgerClock::none;
  for (const std::int64_t stamp : {std::numeric_limits<std::int64_t>::max(), std::int64_t{0}}) {
    FoldHarness h(settings);
    EventSpec e;
    e.time = "";
    h.stamp_ms = stamp;
    h.add(e).add(e);
    EXPECT_EQ(h.transfers().back().event_time_ms, stamp);
    EXPECT_THAT(h.last_findings(), testing::ElementsAre("ordered_again"));
  }
}

TEST(Feeds, TheFirstFeedSeenCounts) {
  FoldHarness h;
  EventSpec e;
  h.add(e);
  e.source = "/feed/b";
  e.total = "5";
  h.add(e);
  EXPECT_THAT(h.last_findings(), ElementsAre("other_feed"));
  e.subject = "e-katalog-6/B";  // the same institution: the first feed counts for its other purchases too
  h.add(e);
  EXPECT_THAT(h.last_findings(), ElementsAre("other_feed"));
  EXPECT_FALSE(h.state("e-katalog-6/B")->exists);
  e.institution = "D2";
  h.add(e);
  EXPECT_THAT(h.last_findings(), IsEmpty());
  EXPECT_EQ(h.state(kA)->value(), 100'000);
}

TEST(Feeds, TheDefinitionNamesTheFeedAndAuthoritiesAlwaysCount) {
  Definition definition;
  definition.feeds = {{"e-katalog-6", "*", "/feed/b"}, {"e-katalog-6", "D2", "/feed/a"}};
  definition.authorities = {"/feed/inspectorate"};
  FoldHarness h(FoldSettings::of(definition));
  EventSpec e;
  h.add(e);
  EXPECT_THAT(h.last_findings(), ElementsAre("other_feed"));
  e.source = "/feed/b";
  h.add(e);
  EXPECT_THAT(h.last_findings(), IsEmpty());
  e.type = "corrected";
  e.source = "/feed/inspectorate";
  e.total = "7";
  h.add(e);
  EXPECT_THAT(h.last_findings(), IsEmpty());
  EXPECT_EQ(h.state(kA)->value(), 700);
  EXPECT_EQ(h.fold.dictionaries()[DictionaryId::feed].text(h.state(kA)->dimensions.feed), "/feed/b");
  e.type = "amended";  // an authority's right is to correct
  h.add(e);
  EXPECT_THAT(h.last_findings(), ElementsAre("other_feed"));
}

TEST(Findings, EachKindHasANameAndASentence) {
  std::set<std::string_view> names;
  for (const FindingKindInfo& info : all_finding_kinds()) {
    EXPECT_EQ(info.kind, parse_finding_kind(info.name));
    EXPECT_TRUE(names.insert(info.name).second);
    EXPECT_GT(info.sentence.size(), 20U);
  }
}

// ---- Properties over random sequences.

std::vector<EventSpec> interleave(unsigned seed, int purchases, unsigned order_seed) {
  RandomEvents random(seed);
  std::vector<std::vector<EventSpec>> streams;
  for (int i = 0; i < purchases; ++i) streams.push_back(random.purchase(i));
  std::mt19937 order(order_seed);
  std::vector<EventSpec> all;
  std::vector<std::size_t> at(streams.size());
  for (std::size_t left = streams.size(); left > 0;) {
    const std::size_t i = order() % streams.size();
    if (at[i] == streams[i].size()) continue;
    all.push_back(streams[i][at[i]++]);
    if (at[i] == streams[i].size()) --left;
  }
  return all;
}

TEST(I6Balanced, EveryCombinationOfDimensionsSumsToZeroAndEveryStateIsItsTransfers) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    FoldHarness h;
    for (const EventSpec& e : interleave(seed, 20, seed)) h.add(e);
    std::map<std::string, std::map<Account, MoneySum>> by_dimensions;
    std::map<std::pair<std::uint32_t, Account>, MoneySum> balances;
    std::map<std::uint32_t, int> packages;
    for (const Transfer& t : h.transfers()) {
      ASSERT_LT(static_cast<std::size_t>(t.from), kAccountCount);
      ASSERT_LT(static_cast<std::size_t>(t.to), kAccountCount);
      const std::string key = fmt::format("{}/{}/{}", t.dimensions.vendor, t.dimensions.region, static_cast<int>(t.cell.component));
      by_dimensions[key][t.to] += t.amount;
      by_dimensions[key][t.from] -= t.amount;
      balances[{t.purchase, t.to}] += t.amount;
      balances[{t.purchase, t.from}] -= t.amount;
      packages[t.purchase] += t.packages * ((is_stage(t.to) ? 1 : 0) - (is_stage(t.from) ? 1 : 0));
    }
    for (const auto& [key, accounts] : by_dimensions) {
      MoneySum value = 0, payments = 0;  // commitment stands against the stages, payable against paid
      for (const auto& [account, sum] : accounts) (account == Account::paid || account == Account::payable ? payments : value) += sum;
      EXPECT_EQ(static_cast<long long>(value), 0) << key;
      EXPECT_EQ(static_cast<long long>(payments), 0) << key;
    }
    for (std::uint32_t number = 0; number < h.fold.states().size(); ++number) {
      const PurchaseState& state = h.fold.states()[number];
      MoneySum sum = 0;
      for (std::size_t a = 0; a < kAccountCount; ++a) sum += balances[{number, static_cast<Account>(a)}];
      EXPECT_EQ(sum, 0);
      for (std::size_t a = 0; a < kStageCount; ++a) {
        const MoneySum want = state.exists && a == static_cast<std::size_t>(state.stage) ? state.value() : 0;
        EXPECT_EQ(static_cast<long long>(balances[{number, static_cast<Account>(a)}]), static_cast<long long>(want));
      }
      EXPECT_EQ(static_cast<long long>(balances[{number, Account::paid}]), state.paid);
      EXPECT_EQ(packages[number], state.exists ? 1 : 0);
    }
  }
}

TEST(Fold, RestoredFromTransfersEqualsLive) {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    FoldHarness h;
    for (const EventSpec& e : interleave(seed, 15, seed)) h.add(e);
    std::vector<PurchaseState> restored(h.fold.states().size());
    std::uint64_t row = 0;
    for (const Transfer& t : h.transfers()) restore(restored[t.purchase], t, row++);
    for (std::uint32_t i = 0; i < restored.size(); ++i) {
      const PurchaseState& live = h.fold.states()[i];
      ASSERT_EQ(describe(restored[i], h.fold.dictionaries()), describe(live, h.fold.dictionaries()));
      EXPECT_EQ(restored[i].cells, live.cells);
      EXPECT_EQ(restored[i].last_row, live.last_row);
      EXPECT_EQ(restored[i].last_sequence, live.last_sequence);
      EXPECT_EQ(restored[i].document_sequence, live.document_sequence);
    }
  }
}

TEST(I5Deterministic, TheOrderOfOtherPurchasesDoesNotMatter) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    FoldHarness a, b;
    for (EventSpec e : interleave(seed, 20, seed)) {
      if (e.time.empty()) e.time = "2023-06-01T00:00:00Z";  // ledger time is the order's
      a.add(e);
    }
    for (EventSpec e : interleave(seed, 20, seed + 1000)) {
      if (e.time.empty()) e.time = "2023-06-01T00:00:00Z";
      b.add(e);
    }
    ASSERT_EQ(a.fold.states().size(), b.fold.states().size());
    for (std::uint32_t i = 0; i < a.fold.states().size(); ++i) {
      const auto id = a.fold.dictionaries()[DictionaryId::purchase].text(i);
      EXPECT_EQ(describe(*a.state(id), a.fold.dictionaries()), describe(*b.state(id), b.fold.dictionaries()));
    }
    EXPECT_EQ(a.fold.finding_counts(), b.fold.finding_counts());
  }
}

}  // namespace
}  // namespace bukubesar
