// Realisation rows: lines, mapping, rounding; and snapshots compared with what the ledger knows.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "adapters/realisation_import.h"
#include "adapters/realisation_map.h"
#include "adapters/realisation_rows.h"
#include "base/bytes.h"
#include "events/payload.h"
#include "events/rules.h"

namespace bukubesar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using Json = nlohmann::json;

Json row(const std::string& code, const std::string& system = "E-Katalog 6.0") {
  return {{"Nama Instansi", "BADAN CONTOH"},
          {"Nama Satuan Kerja", "SEKRETARIAT - UTAMA - 613104"},
          {"Kode Paket", code},
          {"Kode RUP", "66440131"},
          {"Tahun Anggaran", "2026"},
          {"Sumber Transaksi", system},
          {"Sumber Dana", "APBN"},
          {"Nama Penyedia", "PT. Maju Jaya"},
          {"Metode Pengadaan", "E-Purchasing"},
          {"Jenis Pengadaan", "Barang"},
          {"Nama Paket", "Belanja"},
          {"Status Paket", "COMPLETED"},
          {"Total Nilai (Rp)", 6025968},
          {"Nilai PDN (Rp)", 0}};
}

SourceRow source_row(const std::string& json) {
  const auto rows = parse_rows("[" + json + "]", "test.json");
  EXPECT_TRUE(rows.ok()) << rows.status();
  return rows.ok() ? rows->at(0) : SourceRow{};
}

std::variant<MappedRow, RefusedRow> map(const Json& json, const std::string& institution = "L8") {
  EventIds key("key");
  return map_realisation_row(source_row(json.dump()), institution, key);
}
MappedRow mapped(const Json& json, const std::string& institution = "L8") {
  auto result = map(json, institution);
  if (auto* refused = std::get_if<RefusedRow>(&result)) {
    ADD_FAILURE() << refused->reason;
    return {};
  }
  return std::get<MappedRow>(std::move(result));
}
RefusedRow refused(const Json& json) {
  auto result = map(json);
  if (std::holds_alternative<MappedRow>(result)) {
    ADD_FAILURE() << "mapped: " << json.dump();
    return {};
  }
  return std::get<RefusedRow>(result);
}

TEST(RealisationRows, EveryRowHasTheLineOfItsOpeningBrace) {
  const auto rows = parse_rows("[\n  {\"a\": 1},\n\n  {\n   \"a\": [1,\n2]}, {\"a\":\n null}\n]\n", "f.json");
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ(rows->at(0).line, 2U);
  EXPECT_EQ(rows->at(1).line, 4U);
  EXPECT_EQ(rows->at(2).line, 6U);
  EXPECT_EQ(rows->at(1).cell("a").kind, Cell::Kind::nested);
  EXPECT_EQ(rows->at(2).cell("a").kind, Cell::Kind::null);
  EXPECT_EQ(rows->at(2).cell("b").kind, Cell::Kind::absent);
}

TEST(RealisationRows, KeepsTheLiteralOfAFraction) {
  EXPECT_EQ(source_row(R"({"v": 83141485.23999999})").cell("v").text, "83141485.23999999");
}

TEST(RealisationRows, ABrokenFileIsRefusedWholeWithItsLine) {
  for (const char* text : {"[\n{\"a\":1},\n{\"a\":", "{\"rows\":[]}", "", "[{\"a\":1}] x", "[\n{\"a\":\"\xff\"}]", "3"}) {
    const auto rows = parse_rows(text, "f.json");
    EXPECT_EQ(rows.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(rows.status().message()), HasSubstr("f.json:")) << text;
  }
  EXPECT_THAT(std::string(parse_rows("[\n{\"a\":1},\n{\"a\":", "f.json").status().message()), HasSubstr("f.json:3"));
  EXPECT_TRUE(parse_rows("[]", "f.json").ok());
  EXPECT_EQ(parse_rows(std::string("[\n]") + '\0' + "[{}]", "f.json").status().message(),
            "f.json:2: holds a NUL byte, which no JSON text does");
}

TEST(RealisationRows, WhatIsNoObjectIsARowThatIsRefusedInItsPlace) {
  const auto rows = parse_rows("[\n1,\n[1,{\"v\":2}],\n{\"v\":3},\n\"x\"]", "f.json");
  ASSERT_TRUE(rows.ok()) << rows.status();
  std::vector<std::pair<std::uint64_t, std::string>> got;
  for (const SourceRow& one : *rows) got.emplace_back(one.line, one.instead);
  EXPECT_THAT(got, ElementsAre(Pair(2, "a number"), Pair(3, "an array"), Pair(4, ""), Pair(5, "a text")));
  EXPECT_EQ((*rows)[2].cell("v").text, "3");
  EventIds key("secret");
  const auto mapped = map_realisation_row((*rows)[1], "K1", key);
  ASSERT_TRUE(std::holds_alternative<RefusedRow>(mapped));
  EXPECT_EQ(std::get<RefusedRow>(mapped).reason, "want an object for each row, this is an array");
}

TEST(RealisationMap, MapsARowAsTheTableSays) {
  const MappedRow got = mapped(row("01KJVKQ9GWM152Q84H7YW5QW55"));
  EXPECT_EQ(got.subject, "e-katalog-6/01KJVKQ9GWM152Q84H7YW5QW55");
  EXPECT_EQ(got.document.fiscal_year, 2026);
  EXPECT_EQ(got.document.stage, Stage::completed);
  EXPECT_EQ(got.document.source_status.package, "COMPLETED");
  EXPECT_EQ(got.document.institution, "L8");
  EXPECT_EQ(got.document.work_unit, "613104");
  EXPECT_EQ(got.work_unit_name, "SEKRETARIAT - UTAMA");
  EXPECT_EQ(got.document.stated_region, "00");
  EXPECT_EQ(got.document.method, "e-purchasing");
  EXPECT_EQ(got.document.plan, "66440131");
  EXPECT_THAT(got.document.funding, ElementsAre("APBN"));
  EXPECT_EQ(got.document.total.sen, 602'596'800);
  EXPECT_EQ(got.document.order_date, "");
  ASSERT_EQ(got.document.lines.size(), 1U);
  EXPECT_TRUE(got.document.lines[0].derived);
  EXPECT_EQ(got.document.lines[0].origin, Origin::other);
  EXPECT_EQ(got.document.lines[0].amount.sen, 602'596'800);
  EXPECT_THAT(got.notes, IsEmpty());
  EXPECT_EQ(mapped(row("1"), "D262").document.stated_region, "");
  EXPECT_EQ(mapped(row("1"), "K33").document.stated_region, "00");
}

TEST(RealisationMap, SystemsAndTheVendorInTheirIds) {
  const std::string vendor = mapped(row("7")).document.vendor;
  EXPECT_EQ(mapped(row("7", "Tokodaring")).subject, "toko-daring/7");
  EXPECT_EQ(mapped(row("7", "Swakelola")).subject, "swakelola/7");
  EXPECT_EQ(mapped(row("7", "Tender")).subject, "tender/7/" + vendor);
  EXPECT_EQ(mapped(row("7", "Non Tender")).subject, "non-tender/7/" + vendor);
  EXPECT_EQ(mapped(row("7", "Pencatatan")).subject, "pencatatan/7/" + vendor);
  Json nameless = row("7", "Tender");
  nameless["Nama Penyedia"] = nullptr;
  EXPECT_EQ(mapped(nameless).subject, "tender/7/none");
  EXPECT_EQ(mapped(nameless).document.vendor, "none");
  EXPECT_THAT(refused(row("7", "Warung")).reason, HasSubstr("unknown system \"Warung\""));
  EXPECT_THAT(refused(row("7 8")).reason, HasSubstr("Kode Paket"));
}

TEST(RealisationMap, EverySubjectIsAPurchaseIdOfTheRules) {
  for (const char* system : {"E-Katalog 6.0", "Tokodaring", "Tender", "Non Tender", "Pencatatan", "Swakelola"}) {
    const std::string subject = mapped(row("7", system)).subject;
    EXPECT_TRUE(parse_purchase_id(subject).has_value()) << subject;
  }
}

TEST(RealisationMap, TheVendorCodeIsTheKeyedHashOfTheTidiedName) {
  EventIds key("key");
  const std::string want = "n-" + hex(as_view(hmac_sha256("key", "PT. MAJU JAYA")).substr(0, 8));
  for (const char* name : {"PT. Maju Jaya", " pt.  maju\tjaya ", "PT.\xC2\xA0MAJU JAYA"}) EXPECT_EQ(vendor_code(name, key), want) << name;
  EXPECT_NE(vendor_code("PT Maju Jaya", key), want);
  EXPECT_EQ(vendor_code(" \t ", key), "none");
}

TEST(RealisationMap, Stages) {
  for (const char* status : {"ON PROCESS", "PAKET SEDANG BERJALAN", "BERLANGSUNG"}) EXPECT_EQ(realisation_stage(status), Stage::contracted);
  for (const char* status : {"COMPLETED", "PAYMENT OUTSIDE SYSTEM", "PAKET SELESAI", "SELESAI"})
    EXPECT_EQ(realisation_stage(status), Stage::completed);
  EXPECT_EQ(realisation_stage("ON ADDENDUM"), Stage::addendum);
  EXPECT_EQ(realisation_stage(""), Stage::unknown);
  Json odd = row("1");
  odd["Status Paket"] = "Menunggu";
  const MappedRow got = mapped(odd);
  EXPECT_EQ(got.document.stage, Stage::unknown);
  EXPECT_EQ(got.document.source_status.package, "Menunggu");
  EXPECT_THAT(got.notes, ElementsAre(HasSubstr("Menunggu")));
}

TEST(RealisationMap, PdnBecomesDerivedLines) {
  Json json = row("1");
  json["Nilai PDN (Rp)"] = 6025968;
  ASSERT_EQ(mapped(json).document.lines.size(), 1U);
  EXPECT_EQ(mapped(json).document.lines[0].origin, Origin::domestic);
  json["Nilai PDN (Rp)"] = 6000000;
  const auto lines = mapped(json).document.lines;
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].origin, Origin::domestic);
  EXPECT_EQ(lines[0].amount.sen, 600'000'000);
  EXPECT_EQ(lines[1].origin, Origin::other);
  EXPECT_EQ(lines[1].amount.sen, 2'596'800);
  json["Nilai PDN (Rp)"] = nullptr;
  EXPECT_THAT(mapped(json).document.lines, IsEmpty());
  json["Total Nilai (Rp)"] = 0;
  json["Nilai PDN (Rp)"] = 0;
  EXPECT_EQ(mapped(json).document.lines.at(0).origin, Origin::other);
}

TEST(RealisationMap, FundingIsDistinctAndSorted) {
  Json json = row("1");
  json["Sumber Dana"] = "BLUD; APBD,APBD ,  ";
  EXPECT_THAT(mapped(json).document.funding, ElementsAre("APBD", "BLUD"));
}

TEST(RealisationMap, RoundsWithinATenThousandthOfASen) {
  const auto sen = [](const char* text) { return round_to_sen(text); };
  EXPECT_EQ(sen("83141485.23999999")->money.sen, 8'314'148'524);
  EXPECT_TRUE(sen("83141485.23999999")->rounded);
  EXPECT_FALSE(sen("83141485.24")->rounded);
  EXPECT_FALSE(sen("83141485.240000")->rounded);
  EXPECT_EQ(sen("1.000001")->money.sen, 100);  // exactly 1e-4 sen away
  EXPECT_FALSE(sen("1.0000011").has_value());  // just farther
  EXPECT_EQ(sen("0.999999")->money.sen, 100);
  EXPECT_FALSE(sen("1.005").has_value());
  EXPECT_EQ(sen("2.5E3")->money.sen, 250'000);
  EXPECT_EQ(sen("25e-1")->money.sen, 250);
  EXPECT_EQ(sen("-3")->money.sen, -300);
  EXPECT_EQ(sen("92233720368547758.07")->money.sen, INT64_MAX);
  for (const char* bad : {"92233720368547758.08", "1e40", "", "-", ".", "1.", "abc", "1e", "1e99999", "1,5", "--1"})
    EXPECT_FALSE(sen(bad).has_value()) << bad;
}

TEST(RealisationMap, ARoundedAmountKeepsItsLiteralAndANote) {
  const std::string text = [] {
    Json json = row("1");
    json["Nilai PDN (Rp)"] = nullptr;
    std::string out = json.dump();
    out.replace(out.find("6025968"), 7, "83141485.23999999");
    return out;
  }();
  EventIds key("key");
  const auto result = map_realisation_row(source_row(text), "L8", key);
  const auto& got = std::get<MappedRow>(result);
  EXPECT_EQ(got.document.total.sen, 8'314'148'524);
  ASSERT_THAT(got.document.literals, SizeIs(1));
  EXPECT_EQ(got.document.literals[0].first, "/amounts/total");
  EXPECT_EQ(got.document.literals[0].second, "83141485.23999999");
  EXPECT_THAT(got.notes, SizeIs(1));
}

TEST(RealisationMap, RefusesWhatItCannotMapAndStillNamesThePurchase) {
  Json json = row("1");
  json["Total Nilai (Rp)"] = 1.239;
  EXPECT_THAT(refused(json).reason, HasSubstr("Total Nilai (Rp): 1.239"));
  EXPECT_EQ(refused(json).subject, "e-katalog-6/1");
  json["Total Nilai (Rp)"] = nullptr;
  EXPECT_THAT(refused(json).reason, HasSubstr("missing"));
  json = row("1");
  json["Tahun Anggaran"] = "26";
  EXPECT_THAT(refused(json).reason, HasSubstr("Tahun Anggaran"));
  json = row("1");
  json["Sumber Dana"] = Json::array({"APBD"});
  EXPECT_THAT(refused(json).reason, HasSubstr("Sumber Dana"));
  json = row("1");
  json["Kode Paket"] = nullptr;
  EXPECT_EQ(refused(json).subject, "");
}

TEST(RealisationMap, ADoubledMemberIsRefused) {
  std::string text = row("1").dump();
  text.insert(1, "\"Sumber Dana\":\"APBD\",");
  EventIds key("key");
  const auto result = map_realisation_row(source_row(text), "L8", key);
  EXPECT_THAT(std::get<RefusedRow>(result).reason, HasSubstr("Sumber Dana: there twice"));
}

TEST(RealisationMap, WorkUnitsWithoutCodeAndManyPlansAreKept) {
  Json json = row("1");
  json["Nama Satuan Kerja"] = "DIREKTORAT JENDERAL - ";
  json["Kode RUP"] = "65407862;67238343";
  const MappedRow got = mapped(json);
  EXPECT_EQ(got.document.work_unit, "");
  EXPECT_EQ(got.work_unit_name, "DIREKTORAT JENDERAL");
  EXPECT_EQ(got.document.plan, "65407862;67238343");
  EXPECT_THAT(got.notes, ElementsAre(HasSubstr("has no code")));
}

// --- snapshots -------------------------------------------------------------------------------------------------------------------------

// A ledger of one's own: takes events in as the fold's table says, and answers what the importer asks.
class FakeLedger : public EventSink {
 public:
  absl::Status send(std::span<const Outgoing> records) override {
    for (const Outgoing& record : records) {
      const Header headers[] = {{"content-type", "application/cloudevents+json"}};
      const std::string payload = encode_payload(record.key, headers, *record.value);
      Arena arena;
      Judge judge{Routing{}};
      const Judgement judgement = judge.judge(1, record.reference_topic ? PartitionId::reference() : PartitionId(0), payload, arena);
      EXPECT_NE(judgement.event, nullptr) << name_of(judgement.reason) << " " << judgement.detail << "\n" << *record.value;
      const Json event = Json::parse(*record.value);
      ++counts_.sent;
      if (!ids.insert(event["id"]).second) {
        ++counts_.same;
        continue;
      }
      ++counts_.accepted;
      events.push_back(event);
      if (!record.reference_topic) apply(event);
    }
    return absl::OkStatus();
  }
  absl::Status flush() override { return absl::OkStatus(); }

  std::unordered_map<std::string, KnownPurchase> known(const Scope& scope) const {
    std::unordered_map<std::string, KnownPurchase> out;
    for (const auto& [id, purchase] : purchases) {
      if (purchase.document["institution"] != scope.institution || purchase.document["fiscal_year"] != scope.fiscal_year) continue;
      KnownPurchase one;
      one.stage = purchase.stage;
      one.revision = purchase.document["revision"].get<std::uint64_t>();
      if (purchase.status["package"].is_string()) one.package_status = purchase.status["package"];
      one.document = canonical_document(purchase.document.dump());
      one.last_event_id = purchase.last["id"];
      one.last_event_source = purchase.last["source"];
      one.last_event_type = purchase.last["type"];
      out[id] = one;
    }
    return out;
  }
  std::vector<std::int32_t> years(const std::string& institution) const {
    std::set<std::int32_t> out;
    for (const auto& [id, purchase] : purchases)
      if (purchase.document["institution"] == institution) out.insert(purchase.document["fiscal_year"].get<std::int32_t>());
    return {out.begin(), out.end()};
  }
  std::vector<std::string> types(std::size_t from = 0) const {
    std::vector<std::string> out;
    for (std::size_t i = from; i < events.size(); ++i) out.push_back(events[i]["type"].get<std::string>().substr(13));
    return out;
  }

  struct Purchase {
    Json document, status, last;
    std::string stage;
  };
  std::map<std::string, Purchase> purchases;
  std::vector<Json> events;
  std::set<std::string> ids;

 private:
  void apply(const Json& event) {
    Purchase& purchase = purchases[event["subject"]];
    purchase.last = event;
    const Json& data = event["data"];
    const std::string type = event["type"].get<std::string>().substr(22);
    if (data.contains("document")) {
      purchase.document = data["document"];
      purchase.stage = data["document"]["stage"];
      purchase.status = data["document"]["source_status"];
    } else if (type == "withdrawn.v1") {
      purchase.stage = "withdrawn";
      purchase.status = data["source_status"];
    } else {
      purchase.stage = data["stage"];
      purchase.status = data["source_status"];
    }
  }
};

class Import : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "import-" + std::to_string(::getpid()) + "-" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string write(const std::string& name, const Json& rows) {
    const std::string path = directory_ + "/" + name;
    std::ofstream(path) << rows.dump(1);
    return path;
  }
  ImportReport import(std::vector<std::string> files, ImportOptions options = {}) {
    options.files = std::move(files);
    options.secret = "key";
    if (options.observed_at.empty()) options.observed_at = "2026-04-01T09:00:00+08:00";
    auto report = import_realisation(options, reader(), &ledger_, [](std::string_view, std::uint64_t, std::uint64_t) {});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : ImportReport{};
  }
  KnownReader reader() const {
    return {[this](const Scope& scope) { return absl::StatusOr<KnownPurchases>(ledger_.known(scope)); },
            [this](const std::string&, const std::string& institution) {
              return absl::StatusOr<std::vector<std::int32_t>>(ledger_.years(institution));
            }};
  }
  Json many(int count) {
    Json rows = Json::array();
    for (int i = 0; i < count; ++i) rows.push_back(row(std::to_string(i)));
    return rows;
  }

  std::string directory_;
  FakeLedger ledger_;
};

TEST_F(Import, NewRowsAreOrderedWithTheirFactsAndNameTheObservation) {
  const ImportReport report = import({write("L8.json", many(3))});
  EXPECT_EQ(report.rows, 3U);
  EXPECT_EQ(report.ordered, 3U);
  EXPECT_EQ(report.facts, 2U);  // one vendor, one institution
  EXPECT_EQ(report.observations, 1U);
  EXPECT_TRUE(report.clean());
  const Json& observed = ledger_.events.at(0);
  EXPECT_EQ(observed["type"], "id.bukubesar.source.observed.v1");
  EXPECT_EQ(observed["subject"], "inaproc-realisasi/L8/2026");
  EXPECT_EQ(observed["data"]["rows"], 3);
  EXPECT_EQ(observed["data"]["complete"], false);
  for (std::size_t i = 1; i < ledger_.events.size(); ++i) EXPECT_EQ(ledger_.events[i]["data"]["observation"], observed["id"]);
  for (const auto& [id, purchase] : ledger_.purchases) {
    EXPECT_EQ(purchase.last["source"], "/feed/inaproc-realisasi");
    EXPECT_EQ(purchase.last["time"], "2026-04-01T09:00:00+08:00");
    EXPECT_EQ(purchase.last["data"].dump().find("Maju"), std::string::npos) << "names live in facts";
  }
}

TEST_F(Import, TheSameFileAgainChangesNothing) {
  const std::string file = write("L8.json", many(5));
  (void)import({file});
  const auto before = ledger_.events.size();
  const ImportReport again = import({file});
  EXPECT_EQ(again.unchanged, 5U);
  EXPECT_EQ(again.ordered + again.amended + again.advanced + again.withdrawn + again.facts, 0U);
  EXPECT_EQ(ledger_.events.size(), before) << "only the observation was sent, and it was known";
}

TEST_F(Import, AChangedSnapshotBecomesAmendedAdvancedAndWithdrawn) {
  Json rows = many(40);
  rows[1]["Status Paket"] = "ON PROCESS";
  (void)import({write("L8.json", rows)});
  const auto before = ledger_.events.size();
  rows[0]["Total Nilai (Rp)"] = 7000000;
  rows[1]["Status Paket"] = "COMPLETED";
  rows.erase(2);
  ImportOptions options;
  options.complete = true;
  const ImportReport report = import({write("L8.json", rows)}, options);
  EXPECT_EQ(report.amended, 1U);
  EXPECT_EQ(report.advanced, 1U);
  EXPECT_EQ(report.withdrawn, 1U);
  EXPECT_EQ(report.unchanged, 37U);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/0"].document["revision"], 2);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/1"].stage, "completed");
  EXPECT_EQ(ledger_.purchases["e-katalog-6/2"].stage, "withdrawn");
  EXPECT_EQ(ledger_.events.size(), before + 6);  // observation, three events, two facts
}

TEST_F(Import, ThereAndBackAgainAreDistinctEvents) {
  Json rows = many(1);
  const std::string first = write("L8.json", rows);
  (void)import({first});
  rows[0]["Total Nilai (Rp)"] = 1;
  (void)import({write("L8.json", rows)});
  rows[0]["Total Nilai (Rp)"] = 6025968;
  const ImportReport back = import({write("L8.json", rows)});
  EXPECT_EQ(back.amended, 1U);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/0"].document["revision"], 3);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/0"].document["amounts"]["total"], "6025968.00");
}

TEST_F(Import, WithoutCompleteNothingIsWithdrawn) {
  (void)import({write("L8.json", many(10))});
  EXPECT_EQ(import({write("L8.json", many(3))}).withdrawn, 0U);
}

TEST_F(Import, AMuchSmallerSnapshotWithdrawsOnlyWhenConfirmed) {
  (void)import({write("L8.json", many(40))});
  const auto before = ledger_.events.size();
  ImportOptions options;
  options.complete = true;
  const ImportReport refused_one = import({write("L8.json", many(37))}, options);
  EXPECT_EQ(refused_one.withdrawn, 0U);
  ASSERT_THAT(refused_one.scopes_refused, SizeIs(1));
  EXPECT_THAT(refused_one.scopes_refused[0].text, HasSubstr("--confirm-withdrawals"));
  EXPECT_FALSE(refused_one.clean());
  EXPECT_EQ(ledger_.events.size(), before);
  options.confirm_withdrawals = true;
  EXPECT_EQ(import({write("L8.json", many(37))}, options).withdrawn, 3U);
}

TEST_F(Import, FivePercentFewerIsStillWithdrawn) {
  (void)import({write("L8.json", many(40))});
  ImportOptions options;
  options.complete = true;
  EXPECT_EQ(import({write("L8.json", many(38))}, options).withdrawn, 2U);
}

TEST_F(Import, AWithdrawnPurchaseThatComesBackIsAdvanced) {
  (void)import({write("L8.json", many(40))});
  ImportOptions options;
  options.complete = true;
  (void)import({write("L8.json", many(39))}, options);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/39"].stage, "withdrawn");
  const ImportReport report = import({write("L8.json", many(40))}, options);
  EXPECT_EQ(report.advanced, 1U);
  EXPECT_EQ(ledger_.purchases["e-katalog-6/39"].stage, "completed");
}

TEST_F(Import, ARefusedRowDoesNotWithdrawItsPurchase) {
  Json rows = many(40);
  (void)import({write("L8.json", rows)});
  rows[5]["Total Nilai (Rp)"] = nullptr;
  ImportOptions options;
  options.complete = true;
  const ImportReport report = import({write("L8.json", rows)}, options);
  EXPECT_EQ(report.withdrawn, 0U);
  ASSERT_THAT(report.refused, SizeIs(1));
  EXPECT_EQ(report.refused[0].line, 82U);  // 5 rows of 16 lines stand before it, and "["
}

TEST_F(Import, RowsThatRepeatAnIdAreTakenOnceOrRefused) {
  Json rows = many(2);
  rows.push_back(rows[0]);
  rows.push_back(rows[1]);
  rows[3]["Total Nilai (Rp)"] = 5;
  const std::string path = write("L8.json", rows);
  const ImportReport report = import({path});
  EXPECT_EQ(report.ordered, 2U);
  EXPECT_EQ(report.repeated, 1U);
  ASSERT_THAT(report.refused, SizeIs(1));
  EXPECT_THAT(report.refused[0].text, HasSubstr("already stated, differently, at " + path + ":18"));
  EXPECT_EQ(report.rows, report.ordered + report.repeated + report.refused.size());
}

TEST_F(Import, OneCodeWithTwoVendorsIsTwoPurchasesInTender) {
  Json rows = Json::array({row("9", "Tender"), row("9", "Tender")});
  rows[1]["Nama Penyedia"] = "CV. Lain";
  EXPECT_EQ(import({write("L8.json", rows)}).ordered, 2U);
}

TEST_F(Import, ABadFileAmongGoodOnesSendsNothing) {
  const std::string good = write("L8.json", many(2));
  const std::string bad = directory_ + "/L9.json";
  std::ofstream(bad) << "[{\"Kode Paket\": ";
  ImportOptions options;
  options.files = {good, bad};
  options.secret = "key";
  const auto report = import_realisation(options, reader(), &ledger_, [](std::string_view, std::uint64_t, std::uint64_t) {});
  EXPECT_EQ(report.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(ledger_.events, IsEmpty());
}

TEST_F(Import, AnAuthoritysCorrectionIsNotOverwrittenUnasked) {
  Json rows = many(1);
  (void)import({write("L8.json", rows)});
  auto& purchase = ledger_.purchases["e-katalog-6/0"];
  purchase.document["amounts"]["total"] = "1.00";
  purchase.last["type"] = "id.bukubesar.purchase.corrected.v1";
  purchase.last["source"] = "/feed/inspectorate";
  const ImportReport held = import({write("L8.json", rows)});
  EXPECT_EQ(held.held, 1U);
  EXPECT_EQ(held.amended, 0U);
  ImportOptions options;
  options.override_corrections = true;
  EXPECT_EQ(import({write("L8.json", rows)}, options).amended, 1U);
}

TEST_F(Import, ScopesAreInstitutionAndFiscalYear) {
  Json rows = many(40);
  rows[0]["Tahun Anggaran"] = "2025";
  ImportOptions options;
  options.complete = true;
  EXPECT_EQ(import({write("L8.json", rows), write("K1.json", Json::array({row("x")}))}, options).observations, 3U);
  // The next one has no row of 2025: without --complete it says nothing about that year.
  rows.erase(0);
  EXPECT_EQ(import({write("L8.json", rows)}).withdrawn, 0U);
}

TEST_F(Import, ACompleteSnapshotWithoutRowsIsJudgedToo) {
  (void)import({write("L8.json", many(40))});
  const auto before = ledger_.events.size();
  ImportOptions options;
  options.complete = true;
  const ImportReport refused_one = import({write("L8.json", Json::array())}, options);
  ASSERT_THAT(refused_one.scopes_refused, SizeIs(1));
  EXPECT_THAT(refused_one.scopes_refused[0].text, HasSubstr("the snapshot has 0 purchases where the ledger has 40"));
  ASSERT_THAT(refused_one.notes, SizeIs(1));
  EXPECT_THAT(refused_one.notes[0].text, HasSubstr("no rows"));
  EXPECT_EQ(ledger_.events.size(), before);
  options.confirm_withdrawals = true;
  EXPECT_EQ(import({write("L8.json", Json::array())}, options).withdrawn, 40U);
  EXPECT_EQ(ledger_.types(before).front(), "source.observed.v1");
  const ImportReport again = import({write("L8.json", Json::array())}, options);
  EXPECT_EQ(again.withdrawn + again.observations, 0U) << "nothing is left to say";
}

TEST_F(Import, AFiscalYearThatVanishesFromACompleteSnapshotIsJudged) {
  Json rows = many(40);
  for (int i = 0; i < 3; ++i) rows[static_cast<std::size_t>(i)]["Tahun Anggaran"] = "2025";
  (void)import({write("L8.json", rows)});
  ImportOptions options;
  options.complete = true;
  rows.erase(rows.begin(), rows.begin() + 3);
  const ImportReport refused_one = import({write("L8.json", rows)}, options);
  EXPECT_EQ(refused_one.observations, 1U) << "2026 is whole";
  ASSERT_THAT(refused_one.scopes_refused, SizeIs(1));
  EXPECT_THAT(refused_one.scopes_refused[0].text, HasSubstr("L8 2025"));
  options.confirm_withdrawals = true;
  EXPECT_EQ(import({write("L8.json", rows)}, options).withdrawn, 3U);
}

}  // namespace
}  // namespace bukubesar
