#include "adapters/mart_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <future>
#include <nlohmann/json.hpp>

#include "adapters/json_answer.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/time.h"

namespace bukubesar {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kPieceBytes = 1U << 18;  // of statements that are sent at once

struct DimensionTable {
  MartDimension dimension;
  std::string_view table, key, code;
};
constexpr DimensionTable kTables[] = {
    {MartDimension::system, "dim_system", "system_key", "system"},
    {MartDimension::method, "dim_method", "method_key", "method"},
    {MartDimension::funding, "dim_funding", "funding_key", "funding"},
    {MartDimension::feed, "dim_feed", "feed_key", "feed"},
    {MartDimension::institution, "dim_institution", "institution_key", "institution"},
    {MartDimension::vendor, "dim_vendor", "vendor_key", "vendor"},
    {MartDimension::commodity, "dim_commodity", "commodity_key", "commodity"},
    {MartDimension::region, "dim_region", "region_key", "region"},
    {MartDimension::date, "dim_date", "date_key", "month_text"},
};

absl::StatusOr<Cut> cut_of(const Json& json) {
  Cut cut;
  if (!json.is_object()) return unavailable("no cut in the server's answer");
  for (const auto& [name, size] : json.items()) {
    const auto partition = PartitionId::parse(name);
    if (!partition || !size.is_number_unsigned()) return unavailable("the server's answer has a cut with '{}'", name);
    cut.set(*partition, size.get<std::uint64_t>());
  }
  return cut;
}

std::string province(std::string_view region) { return std::string(region.substr(0, 2)); }
std::string district(std::string_view region) { return std::string(region.substr(0, 5)); }

int zone_of(const std::string& definition_line) {
  const Json json = Json::parse(definition_line, nullptr, false);
  if (!json.is_object() || !json.contains("ledger") || !json["ledger"].is_object()) return 0;
  const auto zone = json["ledger"].find("zone");
  return zone != json["ledger"].end() && zone->is_string() ? parse_zone_minutes(zone->get<std::string>()).value_or(0) : 0;
}

std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}
std::int64_t number_of(const std::optional<std::string>& text) { return text ? number_of(std::string_view(*text)) : 0; }

}  // namespace

// Rows for the tables of dimensions: many in one statement.
class MartInserts {
 public:
  // values: with commas.
  void add(std::string_view table, const std::string& values) {
    std::vector<std::string>& statements = tables_[table];
    if (statements.empty() || statements.back().size() > kPieceBytes) statements.push_back(fmt::format("INSERT INTO @m@{} VALUES ", table));
    statements.back() += fmt::format("{}({})", statements.back().ends_with(')') ? ", " : "", values);
  }
  // Regions first: institutions refer to them.
  [[nodiscard]] std::vector<std::string> statements() const {
    std::vector<std::string> all;
    for (const bool regions : {true, false})
      for (const auto& [table, statements] : tables_)
        for (const std::string& statement : statements)
          if ((table == "dim_region") == regions) all.push_back(statement + (regions ? " ON CONFLICT DO NOTHING;" : ";"));
    return all;
  }

 private:
  std::map<std::string_view, std::vector<std::string>> tables_;
};

std::string mart_section(std::string_view text, std::string_view name) {
  const std::string mark = fmt::format("-- section: {}\n", name);
  const std::size_t at = text.find(mark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + mark.size());
  return std::string(rest.substr(0, rest.find("-- section: ")));
}

template <class Work>
absl::Status MartLoader::in_transaction(Work work) {
  RETURN_IF_ERROR(store_.execute("BEGIN"));
  absl::Status status = work();
  if (status.ok()) return store_.execute("COMMIT");
  (void)store_.execute("ROLLBACK");
  return status;
}

absl::StatusOr<std::string> MartLoader::get(const std::string& target) {
  ASSIGN_OR_RETURN(HttpResponse response, client_.get(target));
  RETURN_IF_ERROR(status_of(response));
  return std::move(response.body);
}

absl::Status MartLoader::open() {
  ASSIGN_OR_RETURN(const std::string definition, get("/v1/definition"));
  const std::string first_line = definition.substr(0, definition.find('\n'));
  const std::string ledger = hex(as_view(sha256(first_line)));
  const auto rows = ask("SELECT schema_version, ledger, phase, facts_month FROM @m@mart");
  if (!rows.ok() && absl::IsUnavailable(rows.status())) return rows.status();
  if (!rows.ok()) {
    const int zone = zone_of(first_line);
    const absl::Status made = in_transaction([&]() -> absl::Status {
      RETURN_IF_ERROR(create());
      return run(fmt::format("INSERT INTO @m@mart VALUES (1, {}, '{}', {}, 'loading', NULL)", kMartSchemaVersion, ledger, zone));
    });
    RETURN_IF_ERROR(made);
    state_.phase = "loading";
    return make_stage();
  }
  if (rows->empty()) return failed_precondition("the mart's table `mart` is empty: drop the schema, it was made halfway");
  const MartRow& row = rows->front();
  const auto version = static_cast<int>(number_of(row[0]));
  if (version > kMartSchemaVersion || version < 1)
    return failed_precondition("the mart has schema version {}, this program knows 1 to {}: use the program that made it, or drop the mart",
                               *row[0], kMartSchemaVersion);
  if (*row[1] != ledger)
    return failed_precondition("the mart is of another ledger: its definition begins with {}…, the server's with {}…",
                               row[1]->substr(0, 16), ledger.substr(0, 16));
  state_.phase = *row[2];
  if (version < kMartSchemaVersion) RETURN_IF_ERROR(migrate(version));
  month_ = row[3].value_or("");
  ASSIGN_OR_RETURN(const std::vector<MartRow> cut, ask("SELECT partition, next_sequence FROM @m@cut"));
  for (const MartRow& one : cut)
    if (const auto partition = PartitionId::parse(*one[0])) state_.cut.set(*partition, static_cast<std::uint64_t>(number_of(one[1])));
  RETURN_IF_ERROR(load_keys());
  RETURN_IF_ERROR(make_stage());
  bool changed = false;
  return state_.cut.sizes().empty() ? absl::OkStatus() : read_facts(state_.cut, changed);
}

absl::Status MartLoader::make_stage() {
  return run("CREATE TEMP TABLE IF NOT EXISTS stage_transfer AS SELECT * FROM @m@fact_transfer WHERE false");
}

absl::Status MartLoader::create() {
  RETURN_IF_ERROR(run(mart_section(mart_schema_text(), "tables")));
  RETURN_IF_ERROR(run(mart_section(mart_schema_text(), "rows")));
  return run(mart_section(mart_schema_text(), "views"));
}

absl::Status MartLoader::migrate(int from) {
  const absl::Status done = in_transaction([&]() -> absl::Status {
    for (int version = from + 1; version <= kMartSchemaVersion; ++version) {
      RETURN_IF_ERROR(run(mart_section(mart_migrations_text(), fmt::format("{}", version))));
      if (state_.phase == "live") RETURN_IF_ERROR(run(mart_section(mart_migrations_text(), fmt::format("{} live", version))));
    }
    RETURN_IF_ERROR(run(replaced(mart_section(mart_schema_text(), "views"), "CREATE VIEW", "CREATE OR REPLACE VIEW")));
    return run(fmt::format("UPDATE @m@mart SET schema_version = {}", kMartSchemaVersion));
  });
  if (absl::IsFailedPrecondition(done))
    return failed_precondition("the mart's schema could not be brought from version {} to {}, and stands as it was: {}", from,
                               kMartSchemaVersion, message_of(done));
  return done;
}

absl::Status MartLoader::load_keys() {
  for (const DimensionTable& one : kTables) {
    ASSIGN_OR_RETURN(const std::vector<MartRow> rows, ask(fmt::format("SELECT {}, {} FROM @m@{}", one.key, one.code, one.table)));
    for (const MartRow& row : rows) keys_.know(one.dimension, number_of(row[0]), *row[1]);
  }
  ASSIGN_OR_RETURN(const std::vector<MartRow> satkers, ask("SELECT satker_key, satker, institution FROM @m@dim_satker"));
  for (const MartRow& row : satkers) keys_.know(MartDimension::satker, number_of(row[0]), *row[1], *row[2]);
  return absl::OkStatus();
}

absl::Status MartLoader::catch_up(const std::string& constraints) {
  Cut target;
  if (options_.as_of.empty()) {
    ASSIGN_OR_RETURN(const std::string answer, get("/v1/cut"));
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object()) return unavailable("GET /v1/cut: no JSON object");
    ASSIGN_OR_RETURN(target, cut_of(json.contains("cut") ? json["cut"] : Json()));
  } else {
    ASSIGN_OR_RETURN(const std::string answer, get("/v1/totals?as_of=" + percent_encode(options_.as_of)));
    const Json json = Json::parse(answer, nullptr, false);
    if (!json.is_object()) return unavailable("GET /v1/totals: no JSON object");
    ASSIGN_OR_RETURN(target, cut_of(json.contains("cut") ? json["cut"] : Json()));
  }
  if (!target.covers(state_.cut))
    return failed_precondition("the mart stands at {}, the server at {}: it has lost entries, or is another copy that is behind",
                               state_.cut.text(), target.text());
  if (state_.cut.sizes().empty()) {
    std::string values;
    for (const auto& [partition, size] : target.sizes()) {
      values += fmt::format("{}('{}', 0)", values.empty() ? "" : ", ", partition.name());
      state_.cut.set(partition, 0);
    }
    RETURN_IF_ERROR(run("INSERT INTO @m@cut VALUES " + values));
  }
  RETURN_IF_ERROR(catch_up_reference(target));
  for (const auto& [partition, size] : target.sizes())
    if (!partition.is_reference()) RETURN_IF_ERROR(catch_up_partition(partition, target));
  if (state_.phase == "loading") RETURN_IF_ERROR(finish_loading(constraints));
  RETURN_IF_ERROR(catch_up_findings());
  RETURN_IF_ERROR(catch_up_checkpoints());
  return constraints.empty() || keys_checked_ ? absl::OkStatus() : check_keys(constraints);
}

absl::Status MartLoader::catch_up_reference(const Cut& target) {
  const std::uint64_t next = target.size(PartitionId::reference());
  if (next == state_.cut.size(PartitionId::reference())) return absl::OkStatus();
  Cut cut = state_.cut;
  cut.set(PartitionId::reference(), next);
  bool changed = false;
  RETURN_IF_ERROR(read_facts(cut, changed));
  const absl::Status moved = in_transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(apply_facts());
    return move_cut(PartitionId::reference(), next);
  });
  RETURN_IF_ERROR(moved);
  state_.cut = cut;
  return absl::OkStatus();
}

absl::StatusOr<MartBatch> MartLoader::fetch(const std::string& partition, std::uint64_t from, const std::string& as_of) {
  const std::string target =
      fmt::format("/v1/transfers/{}?format=csv&from={}&limit={}&as_of={}", partition, from, options_.page_rows, percent_encode(as_of));
  ASSIGN_OR_RETURN(HttpResponse response, ahead_.get(target));
  RETURN_IF_ERROR(status_of(response));
  MartBatch batch;
  batch.partition = partition;
  batch.from = from;
  batch.answer = std::move(response.body);
  batch.rows.reserve(options_.page_rows);
  RETURN_IF_ERROR(read_transfers(keys_, batch));
  const auto next = response.header("Bukubesar-Next");
  const auto rows = response.header("Bukubesar-Rows");
  if (!next || !rows || std::to_string(batch.rows.size()) != *rows)
    return unavailable("GET {}: {} rows came, {} were announced", target, batch.rows.size(), rows.value_or("none"));
  batch.next = static_cast<std::uint64_t>(number_of(*next));
  if (batch.next <= from) return unavailable("GET {}: Bukubesar-Next is {}, which leads nowhere", target, *next);
  return batch;
}

absl::Status MartLoader::catch_up_partition(PartitionId partition, const Cut& target) {
  const std::uint64_t size = target.size(partition);
  std::uint64_t from = state_.cut.size(partition);
  if (from == size) return absl::OkStatus();
  const std::string as_of = target.text(), name = partition.name();
  const auto fetch_later = [&](std::uint64_t first) {
    return std::async(std::launch::async, [this, name, first, as_of] { return fetch(name, first, as_of); });
  };
  const std::uint64_t began = from;
  auto ahead = fetch_later(from);
  while (from < size) {
    ASSIGN_OR_RETURN(MartBatch batch, ahead.get());
    from = batch.next;
    if (from < size) ahead = fetch_later(from);
    const absl::Status stored = store(batch, partition);
    if (!stored.ok()) {
      if (ahead.valid()) ahead.wait();
      return stored;
    }
    if (options_.progress) options_.progress("loading partition " + name, from - began, size - began);
  }
  return absl::OkStatus();
}

absl::Status MartLoader::store(MartBatch& batch, PartitionId partition) {
  Cut cut = state_.cut;
  cut.set(partition, batch.next);
  bool changed = false;
  RETURN_IF_ERROR(read_facts(cut, changed));
  const absl::Status stored = in_transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(add_members(batch.added));
    RETURN_IF_ERROR(store_rows(batch, partition));
    if (changed && state_.phase != "loading") RETURN_IF_ERROR(apply_facts());
    return absl::OkStatus();
  });
  RETURN_IF_ERROR(stored);
  state_.cut = cut;
  state_.transfers += batch.rows.size();
  return absl::OkStatus();
}

absl::Status MartLoader::store_rows(MartBatch& batch, PartitionId partition) {
  if (batch.rows.empty()) return move_cut(partition, batch.next);
  if (state_.phase == "loading") {
    // Straight: the cut that moves with them is what makes it exactly once; were it not, the primary key would refuse the page.
    RETURN_IF_ERROR(store_.put_transfers(store_.render("@m@fact_transfer"), batch.rows));
    return move_cut(partition, batch.next);
  }
  RETURN_IF_ERROR(store_.execute("TRUNCATE stage_transfer"));  // what is deleted from a temporary table stays in its file for ever
  RETURN_IF_ERROR(store_.put_transfers("stage_transfer", batch.rows));
  RETURN_IF_ERROR(run("INSERT INTO @m@fact_transfer SELECT * FROM stage_transfer ON CONFLICT DO NOTHING"));
  const std::string touched = "f.purchase IN (SELECT purchase FROM stage_transfer)";
  RETURN_IF_ERROR(run("DELETE FROM @m@fact_purchase WHERE purchase IN (SELECT purchase FROM stage_transfer)"));
  RETURN_IF_ERROR(run(replaced(mart_section(mart_schema_text(), "purchases"), "@touched@", touched)));
  std::string months = replaced(mart_section(mart_schema_text(), "months"), "@touched@", "true");
  months = replaced(months, "@m@fact_transfer f", "stage_transfer f");
  RETURN_IF_ERROR(run(replaced(months, "@on_conflict@",
                               "ON CONFLICT (month_key, fiscal_year, institution_key, stated_region_key, catalogue_kind_key, origin_key, "
                               "account_key) DO UPDATE SET amount@sen@ = fact_month.amount@sen@ + excluded.amount@sen@, packages = "
                               "fact_month.packages + excluded.packages")));
  return move_cut(partition, batch.next);
}

// The row says where the mart stood: a second loader that got ahead of this one is noticed.
absl::Status MartLoader::move_cut(PartitionId partition, std::uint64_t next) {
  ASSIGN_OR_RETURN(const std::vector<MartRow> moved,
                   ask(fmt::format("UPDATE @m@cut SET next_sequence = {} WHERE partition = '{}' AND next_sequence = {} RETURNING partition",
                                   next, partition.name(), state_.cut.size(partition))));
  if (moved.size() != 1) return failed_precondition("the mart's cut of partition {} was moved by somebody else", partition.name());
  return absl::OkStatus();
}

absl::Status MartLoader::read_facts(const Cut& cut, bool& changed) {
  std::optional<std::uint64_t> from = facts_known_;
  const std::uint64_t before = facts_.statements();
  while (from) {
    ASSIGN_OR_RETURN(const std::string answer,
                     get(fmt::format("/v1/facts?limit=10000&from={}&as_of={}", *from, percent_encode(cut.text()))));
    RETURN_IF_ERROR(facts_.add(answer, from));
  }
  facts_known_ = cut.size(PartitionId::reference());
  const std::string month = facts_.month() ? format_month(*facts_.month()) : "";
  changed = month != month_ || facts_.statements() != before;
  month_ = month;
  return absl::OkStatus();
}

absl::Status MartLoader::run_all(const std::vector<std::string>& statements) {
  std::string piece;  // many at once: there may be tens of thousands, and each round trip is a wait
  for (const std::string& statement : statements) {
    piece += statement;
    if (piece.size() < kPieceBytes) continue;
    RETURN_IF_ERROR(run(piece));
    piece.clear();
  }
  return piece.empty() ? absl::OkStatus() : run(piece);
}

absl::Status MartLoader::add_members(const std::vector<NewMember>& added) {
  MartInserts inserts;
  for (const NewMember& member : added) add_member(member, inserts);
  return run_all(inserts.statements());
}

void MartLoader::add_member(const NewMember& member, MartInserts& to) const {
  const std::string code = sql_text(member.code);
  const auto name_and_place = [&](std::string_view table) {
    return fmt::format("{}, {}", sql_text_or_null(facts_.name(table, member.code)), sql_text_or_null(facts_.place(table, member.code)));
  };
  switch (member.dimension) {
    case MartDimension::date: {
      const std::int64_t year = member.key / 10'000, month = member.key / 100 % 100, day = member.key % 100;
      return to.add("dim_date", fmt::format("{}, {}, {}, {}, {}, {}, '{}'", member.key, code, year, month, day, member.key / 100 * 100 + 1,
                                            member.code.substr(0, 7)));
    }
    case MartDimension::region:
      return to.add("dim_region", fmt::format("{}, {}, {}, {}, {}", member.key, code, sql_text(province(member.code)),
                                              sql_text(district(member.code)), sql_text_or_null(facts_.name("region", member.code))));
    case MartDimension::institution: {
      const std::string region = facts_.place("institution", member.code);
      if (!region.empty()) add_member({MartDimension::region, mart_region_key(region), region, {}}, to);
      return to.add("dim_institution",
                    fmt::format("{}, {}, {}, {}", member.key, code, sql_text_or_null(facts_.name("institution", member.code)),
                                region.empty() ? "NULL" : fmt::format("{}", mart_region_key(region))));
    }
    case MartDimension::satker:
      return to.add("dim_satker", fmt::format("{}, {}, {}, {}", member.key, sql_text(member.institution), code,
                                              sql_text_or_null(facts_.work_unit_name(member.institution, member.code))));
    case MartDimension::vendor:
      to.add("dim_vendor", fmt::format("{}, {}, {}", member.key, code, name_and_place("vendor")));
      return add_scales(member.key, member.code, to);
    case MartDimension::commodity:
      return to.add("dim_commodity", fmt::format("{}, {}, {}", member.key, code, name_and_place("commodity")));
    default:
      for (const DimensionTable& one : kTables)
        if (one.dimension == member.dimension) return to.add(one.table, fmt::format("{}, {}", member.key, code));
  }
}

void MartLoader::add_scales(std::int64_t vendor_key, const std::string& vendor, MartInserts& to) const {
  for (const ScalePeriod& period : facts_.scales(vendor)) {
    const std::string until = period.until ? format_month(*period.until) + "-01" : "9999-12-31";
    to.add("dim_vendor_scale",
           fmt::format("{}, '{}-01', '{}', {}", vendor_key, format_month(period.from), until, static_cast<int>(period.scale)));
  }
}

// Joins the facts anew with every member that stands in the mart, and writes what is another now. Seldom: a fact was stated, or the ledger
// went into another month.
absl::Status MartLoader::apply_facts() {
  MartInserts inserts;
  std::vector<std::string> updates;
  // columns: of the row, from the third on; each with what it shall hold.
  const auto update = [&updates](const MartRow& row, std::string_view table, std::string_view key,
                                 const std::vector<std::pair<std::string_view, std::string>>& columns) {
    std::string set;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string wanted = storable_text(columns[i].second);
      if (row[i + 2].value_or("") != wanted)
        set += fmt::format("{}{} = {}", set.empty() ? "" : ", ", columns[i].first, sql_text_or_null(wanted));
    }
    if (!set.empty()) updates.push_back(fmt::format("UPDATE @m@{} SET {} WHERE {} = {};", table, set, key, *row[0]));
  };
  ASSIGN_OR_RETURN(const auto institutions,
                   ask("SELECT institution_key, institution, name, region_key FROM @m@dim_institution WHERE institution_key > 0"));
  for (const MartRow& row : institutions) {
    const std::string region = facts_.place("institution", *row[1]);
    if (!region.empty()) add_member({MartDimension::region, mart_region_key(region), region, {}}, inserts);
    update(
        row, "dim_institution", "institution_key",
        {{"name", facts_.name("institution", *row[1])}, {"region_key", region.empty() ? "" : fmt::format("{}", mart_region_key(region))}});
  }
  ASSIGN_OR_RETURN(const auto satkers, ask("SELECT satker_key, satker, name, institution FROM @m@dim_satker WHERE satker_key > 0"));
  for (const MartRow& row : satkers) update(row, "dim_satker", "satker_key", {{"name", facts_.work_unit_name(*row[3], *row[1])}});
  ASSIGN_OR_RETURN(const auto vendors, ask("SELECT vendor_key, vendor, name, domicile FROM @m@dim_vendor WHERE vendor_key > 0"));
  for (const MartRow& row : vendors) {
    update(row, "dim_vendor", "vendor_key", {{"name", facts_.name("vendor", *row[1])}, {"domicile", facts_.place("vendor", *row[1])}});
    add_scales(number_of(row[0]), *row[1], inserts);
  }
  ASSIGN_OR_RETURN(const auto commodities,
                   ask("SELECT commodity_key, commodity, name, commodity_group FROM @m@dim_commodity WHERE commodity_key > 0"));
  for (const MartRow& row : commodities)
    update(row, "dim_commodity", "commodity_key",
           {{"name", facts_.name("commodity", *row[1])}, {"commodity_group", facts_.place("commodity", *row[1])}});
  RETURN_IF_ERROR(run("DELETE FROM @m@dim_vendor_scale"));
  RETURN_IF_ERROR(run_all(inserts.statements()));  // regions before the institutions that are in them
  ASSIGN_OR_RETURN(const auto regions, ask("SELECT region_key, region, name FROM @m@dim_region WHERE region_key <> 0"));
  for (const MartRow& row : regions) update(row, "dim_region", "region_key", {{"name", facts_.name("region", *row[1])}});
  RETURN_IF_ERROR(run_all(updates));
  return run(fmt::format("UPDATE @m@mart SET facts_month = {}", sql_text_or_null(month_)));
}

// A sum over all transfers. What an earlier run has left is thrown away, and one that the database is still at is waited for.
absl::Status MartLoader::sum_all(MartStore& store, std::string_view table, std::string_view section) {
  std::string sum = replaced(mart_section(mart_schema_text(), section), "@touched@", "true");
  sum = replaced(sum, "@on_conflict@", "");
  return store.execute(store.render(fmt::format("@empty@ @m@{}; {}", table, sum)));
}

// Purchases on a connection of their own; facts, months, indexes, keys and the phase in one transaction, which begins to hold once the
// purchases are there.
absl::Status MartLoader::finish_loading(const std::string& constraints) {
  if (options_.progress) options_.progress("purchases, months, indexes", 0, 0);
  ASSIGN_OR_RETURN(const std::unique_ptr<MartStore> beside, store_.beside());
  std::future<absl::Status> purchases;
  if (beside) purchases = std::async(std::launch::async, [&beside] { return sum_all(*beside, "fact_purchase", "purchases"); });
  const absl::Status stored = in_transaction([&]() -> absl::Status {
    RETURN_IF_ERROR(apply_facts());  // members came in with what was in force at their page
    if (!beside) RETURN_IF_ERROR(sum_all(store_, "fact_purchase", "purchases"));
    RETURN_IF_ERROR(sum_all(store_, "fact_month", "months"));
    if (!constraints.empty()) RETURN_IF_ERROR(run(mart_section(constraints, "of transfers")));
    if (beside) RETURN_IF_ERROR(purchases.get());
    if (!constraints.empty()) RETURN_IF_ERROR(run(mart_section(constraints, "of sums")));
    return run("UPDATE @m@mart SET phase = 'live'");
  });
  RETURN_IF_ERROR(stored);
  state_.phase = "live";
  return absl::OkStatus();
}

// One statement each: readers and writers go on meanwhile, and a sink that is stopped goes on with the next one when it comes back.
absl::Status MartLoader::check_keys(const std::string& constraints) {
  ASSIGN_OR_RETURN(const auto unchecked, ask(mart_section(constraints, "unchecked")));
  std::uint64_t done = 0;
  for (const MartRow& key : unchecked) {
    RETURN_IF_ERROR(store_.execute(fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", *key[0], *key[1])));
    if (options_.progress) options_.progress("checking keys", ++done, unchecked.size());
  }
  keys_checked_ = true;
  return absl::OkStatus();
}

// Findings of the entries below the mart's cut, from where it stopped the last time.
absl::Status MartLoader::catch_up_findings() {
  const std::string cut = percent_encode(state_.cut.text());
  for (const auto& [partition, size] : state_.cut.sizes()) {
    ASSIGN_OR_RETURN(const auto known, ask(fmt::format("SELECT count(*) FROM @m@fact_finding WHERE partition = '{}'", partition.name())));
    std::uint64_t number = static_cast<std::uint64_t>(number_of(known[0][0]));
    for (bool more = true; more;) {
      ASSIGN_OR_RETURN(const std::string answer, get(fmt::format("/v1/findings?limit=1000&as_of={}&cursor={}", cut,
                                                                 percent_encode(fmt::format("{}:{}", partition.name(), number)))));
      const Json json = Json::parse(answer, nullptr, false);
      if (!json.is_object() || !json.contains("findings")) return unavailable("GET /v1/findings: no findings in the answer");
      std::string values;
      more = false;
      for (const Json& one : json["findings"]) {
        if (text_member(one, "partition") != partition.name()) break;
        values += fmt::format("{}('{}', {}, {}, {}, {}, {})", values.empty() ? "" : ", ", partition.name(), number_member(one, "sequence"),
                              sql_text(text_member(one, "kind")), sql_text(text_member(one, "purchase")),
                              sql_text(text_member(one, "detail")), number++);
        more = true;
        ++state_.findings;
      }
      if (!values.empty()) RETURN_IF_ERROR(run("INSERT INTO @m@fact_finding VALUES " + values + " ON CONFLICT DO NOTHING"));
    }
  }
  return absl::OkStatus();
}

absl::Status MartLoader::catch_up_checkpoints() {
  for (const auto& [partition, size] : state_.cut.sizes()) {
    const absl::StatusOr<std::string> answer = get(fmt::format("/v1/checkpoints/{}?limit=100", partition.name()));
    if (!answer.ok() && (absl::IsFailedPrecondition(answer.status()) || absl::IsNotFound(answer.status()))) continue;  // no key yet
    if (!answer.ok()) return answer.status();
    const Json json = Json::parse(*answer, nullptr, false);
    if (!json.is_object() || !json.contains("checkpoints")) return unavailable("GET /v1/checkpoints: no checkpoints in the answer");
    for (const Json& one : json["checkpoints"]) {
      std::string cosigned;
      if (one.contains("cosigned_by"))
        for (const Json& witness : one["cosigned_by"]) cosigned += (cosigned.empty() ? "" : " ") + text_member(witness, "name");
      RETURN_IF_ERROR(
          run(fmt::format("INSERT INTO @m@dim_checkpoint VALUES ('{}', {}, {}, {}) ON CONFLICT (partition, size) DO UPDATE SET "
                          "cosigned_by = excluded.cosigned_by",
                          partition.name(), number_member(one, "size"), sql_text(text_member(one, "root")), sql_text(cosigned))));
    }
  }
  return absl::OkStatus();
}

}  // namespace bukubesar
