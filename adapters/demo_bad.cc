#include "adapters/demo_bad.h"

#include <fmt/format.h>

#include <array>

#include "adapters/demo_plan.h"
#include "base/check.h"

namespace bukubesar {

namespace {

// How a good event is spoiled: `from` in its text becomes `to`.
struct Spoiling {
  Reason reason;
  std::string_view from, to;
};

constexpr std::string_view kTotal = R"("total":"25000000.00")";
constexpr std::string_view kStage = R"("stage":"contracted")";
constexpr std::string_view kYear = R"("fiscal_year":2023)";

constexpr std::array<Spoiling, 27> kSpoilings{{
    {Reason::not_json, "}}", "}"},
    {Reason::not_utf8, R"("method":"e-purchasing")", "\"method\":\"e-purchasing\xff\""},
    {Reason::too_many_decimals, kTotal, R"("total":"25000000.125")"},
    {Reason::number_out_of_range, kTotal, R"("total":"99999999999999999999")"},
    {Reason::invalid_number, kTotal, R"("total":"25.000.000,00")"},
    {Reason::wrong_type, kTotal, R"("total":25000000.5)"},
    {Reason::wrong_type, R"("amounts":{)", R"("lines":"none","amounts":{)"},
    {Reason::missing_member, kTotal, R"("tax":null)"},
    {Reason::missing_member, kYear, R"("plan":"1")"},
    {Reason::missing_member, R"("salt":)", R"("pepper":)"},
    {Reason::doubled_member, kYear, R"("fiscal_year":2023,"fiscal_year":2024)"},
    {Reason::doubled_member, kTotal, R"("total":"25000000.00","total":"1.00")"},
    {Reason::unknown_type, "purchase.ordered.v1", "purchase.gifted.v1"},
    {Reason::unknown_specversion, R"("specversion":"1.0")", R"("specversion":"0.3")"},
    {Reason::unknown_choice, kStage, R"("stage":"selesai")"},
    {Reason::invalid_code, R"("institution":"sintetis-63")", R"("institution":"Pemerintah Provinsi")"},
    {Reason::invalid_date, R"("order_date":"2023-02-01")", R"("order_date":"2023-02-30")"},
    {Reason::invalid_time, R"("time":"2023-02-01T09:00:00+08:00")", R"("time":"1 Februari 2023")"},
    {Reason::invalid_value, R"("funding":["APBD"])", R"("funding":["BLUD","APBD"])"},
    {Reason::control_character, R"("funding":["APBD"])", R"("funding":["AP\u0007BD"])"},
    {Reason::unpaired_surrogate, R"("funding":["APBD"])", R"("funding":["\ud800"])"},
    {Reason::data_content_type, "application/json", "text/csv"},
    {Reason::data_base64, R"("data":{)", R"("data_base64":"e30=","data":{)"},
    {Reason::unknown_system, R"("subject":"e-katalog-5/)", R"("subject":"e-katalog-9/)"},
    {Reason::invalid_subject, R"("subject":"e-katalog-5/)", R"("subject":"e-katalog-5/x/y/)"},
    {Reason::key_mismatch, R"("subject":"e-katalog-5/)", R"("subject":"e-katalog-5/lain-)"},
    {Reason::too_long, R"("funding":["APBD"])",
     R"("funding":["APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD APBD"])"},
}};

enum : std::size_t { kNullValue = kSpoilings.size(), kTooDeep, kPurchaseOnReference, kReferenceOnPurchase, kBadKinds };

std::string good_event(const std::string& subject, EventIds& ids) {
  DocumentDraft document;
  document.fiscal_year = 2023;
  document.order_date = "2023-02-01";
  document.stage = Stage::contracted;
  document.method = "e-purchasing";
  document.institution = "sintetis-63";
  document.funding = {"APBD"};
  document.total = {2'500'000'000};
  std::string members = "\"document\":";
  append_document(members, document);
  return build_event(ids, {EventType::ordered, kDemoSource, subject, "2023-02-01T09:00:00+08:00", "", ""}, members).text;
}

// A change of the subject changes the key with it, but where the mismatch is the point.
std::string spoiled_key(const Spoiling& spoiling, const std::string& subject) {
  if (spoiling.reason == Reason::unknown_system) return "e-katalog-9/" + subject.substr(subject.find('/') + 1);
  if (spoiling.reason == Reason::invalid_subject) return "e-katalog-5/x/y/" + subject.substr(subject.find('/') + 1);
  return subject;
}

}  // namespace

std::size_t demo_bad_kinds() { return kBadKinds; }

DemoBadRecord make_demo_bad_record(std::size_t kind, std::uint64_t seed, std::uint64_t number, EventIds& ids) {
  const std::string subject = fmt::format("e-katalog-5/sintetis-{}-rusak-{}", seed, number);
  DemoBadRecord bad;
  bad.record.key = subject;
  bad.record.verbatim = true;
  std::string text = good_event(subject, ids);
  if (kind < kSpoilings.size()) {
    const Spoiling& spoiling = kSpoilings[kind];
    const std::size_t at = text.find(spoiling.from);
    BB_CHECK(at != std::string::npos, "the text to spoil stands in the event");
    text.replace(at, spoiling.from.size(), spoiling.to);
    bad.record.key = spoiled_key(spoiling, subject);
    bad.reason = spoiling.reason;
    bad.record.value = std::move(text);
    return bad;
  }
  switch (kind) {
    case kNullValue:
      bad.reason = Reason::null_value;
      return bad;
    case kTooDeep: {
      bad.reason = Reason::too_deep;
      const std::size_t at = text.rfind("}}");
      text.insert(at, ",\"nested\":" + std::string(40, '[') + std::string(40, ']'));
      break;
    }
    case kPurchaseOnReference:
      bad.reason = Reason::purchase_on_reference_topic;
      bad.record.reference_topic = true;
      break;
    default:
      bad.reason = Reason::reference_on_purchase_topic;
      bad.record.key = fmt::format("vendor/sintetis-{}-rusak-{}", seed, number);
      text = build_event(ids, {EventType::reference_vendor, kDemoSource, bad.record.key, "", "", ""},
                         R"("valid_from":"2023-01","name":"Penyedia Sintetis")")
                 .text;
  }
  bad.record.value = std::move(text);
  return bad;
}

}  // namespace bukubesar
