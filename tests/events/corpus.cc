#include "tests/events/corpus.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/bytes.h"

namespace bukubesar {

namespace {

using nlohmann::json;

std::string bytes_of(const json& value) {
  if (value.is_object()) return unhex(value.at("hex").get<std::string>()).value();
  return value.get<std::string>();
}

std::string payload_of(const json& line) {
  if (line.contains("payload_hex")) return unhex(line.at("payload_hex").get<std::string>()).value();
  std::optional<std::string> key;
  if (line.contains("key") && !line.at("key").is_null()) key = bytes_of(line.at("key"));
  std::optional<std::string> value;
  if (line.contains("value_hex")) {
    value = unhex(line.at("value_hex").get<std::string>()).value();
  } else if (line.contains("value_spaces")) {
    value = std::string(line.at("value_spaces").get<std::size_t>(), ' ');
  } else if (!line.at("value").is_null()) {
    value = line.at("value").get<std::string>();
  }
  std::vector<std::string> kept;
  kept.reserve(2 * line.at("headers").size());
  std::vector<Header> headers;
  for (const json& header : line.at("headers")) {
    const std::string_view name = kept.emplace_back(bytes_of(header.at(0)));
    if (header.at(1).is_null()) {
      headers.push_back({name, std::nullopt});
    } else {
      headers.push_back({name, kept.emplace_back(bytes_of(header.at(1)))});
    }
  }
  return encode_payload(key, headers, value);
}

}  // namespace

std::vector<CorpusCase> read_corpus(const std::string& path) {
  std::vector<CorpusCase> cases;
  std::ifstream file(path);
  std::string text;
  while (std::getline(file, text)) {
    try {
      const json line = json::parse(text);
      CorpusCase made;
      made.name = line.at("name").get<std::string>();
      made.line = text;
      made.partition = PartitionId::parse(line.value("partition", "0")).value();
      made.routing = {parse_partitioner(line.value("partitioner", "murmur2")).value(), line.value("partitions", 1U)};
      made.payload = payload_of(line);
      cases.push_back(std::move(made));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s:%zu: %s\n", path.c_str(), cases.size() + 1, error.what());
      std::abort();
    }
  }
  return cases;
}

namespace {

class Description {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!value.empty()) text += fmt::format(" {}={}", name, value);
  }
  void add(std::string_view name, const std::string& value) { add(name, std::string_view(value)); }
  void add(std::string_view name, const char* value) { add(name, std::string_view(value)); }
  void add(std::string_view name, const std::optional<std::string_view>& value) {
    if (value) text += fmt::format(" {}={}", name, *value);
  }
  void add(std::string_view name, const std::optional<Money>& value) {
    if (value) add(name, format_rupiah(value->sen));
  }
  void add(std::string_view name, const std::optional<Date>& value) {
    if (value) add(name, format_date(*value));
  }
  template <class Number>
  void add_number(std::string_view name, const std::optional<Number>& value) {
    if (value) text += fmt::format(" {}={}", name, *value);
  }
  void add(const Document& document) {
    text += " document{";
    add_number("revision", document.revision);
    add_number("fiscal_year", std::optional(document.fiscal_year));
    add("order_date", document.order_date);
    add("stage", name_of(document.stage));
    add("method", document.method);
    add("institution", document.institution);
    add("work_unit", document.work_unit);
    add("vendor", document.vendor);
    add("distributor", document.distributor);
    add("region", document.stated_region);
    add("scale", name_of(document.stated_scale));
    for (const std::string_view name : document.funding) add("funding", name);
    add("plan", document.plan);
    add("commodity", document.commodity);
    add("catalogue_kind", name_of(document.catalogue_kind));
    add("total", std::optional(document.total));
    add("shipping", document.shipping);
    add("tax", document.tax);
    for (const Line& line : document.lines) add(line);
    text += " }";
  }
  void add(const Line& line) {
    text += " line{";
    add("line", line.line);
    add("product", line.product);
    add("commodity", line.commodity);
    add("catalogue_kind", name_of(line.catalogue_kind));
    add("origin", name_of(line.origin));
    if (line.quantity) add_number("quantity_e4", std::optional(line.quantity->ten_thousandths));
    add("unit_price", line.unit_price);
    add("amount", std::optional(line.amount));
    add("derived", line.derived ? "true" : "false");
    text += " }";
  }
  void add(const Fact& fact) {
    text += " fact{";
    add("code", fact.code);
    add("valid_from", format_month(fact.valid_from));
    add("name", fact.name);
    if (fact.scale) add("scale", name_of(*fact.scale));
    add("domicile", fact.domicile);
    if (fact.vendor_kind) add("kind", name_of(*fact.vendor_kind));
    add("kind", fact.institution_kind);
    add("region", fact.region);
    for (const WorkUnit& unit : fact.work_units) add(unit.code, unit.name);
    add("group", fact.group);
    add("parent", fact.parent);
    text += " }";
  }
  std::string text;
};

}  // namespace

std::string describe(const Event& event) {
  Description to;
  to.text = name_of(event.type);
  to.add("source", event.source);
  to.add("id", event.id);
  to.add("subject", event.subject);
  to.add("system", event.purchase.system);
  to.add("package", event.purchase.package);
  to.add("purchase_vendor", event.purchase.vendor);
  if (event.time_ms) to.add("time", format_instant_ms(*event.time_ms, 0));
  if (event.document != nullptr) to.add(*event.document);
  if (const Correction* correction = event.correction) {
    to.add("reason", correction->reason);
    to.add("authority", correction->authority);
    to.add("approver", correction->approver);
    to.add("corrects_source", correction->corrects_source);
    to.add("corrects_id", correction->corrects_id);
  }
  to.add("stage", name_of(event.stage));
  to.add("amount", std::optional(event.amount));
  to.add("reference", event.reference);
  to.add("date", event.date);
  if (event.fact != nullptr) to.add(*event.fact);
  if (const Observation* seen = event.observation) {
    to.add("sha256", seen->sha256);
    to.add_number("rows", std::optional(seen->rows));
    to.add("complete", seen->complete ? "true" : "false");
    to.add("institution", seen->institution);
    to.add_number("fiscal_year", seen->fiscal_year);
    if (seen->observed_at_ms) to.add("observed_at", format_instant_ms(*seen->observed_at_ms, 0));
  }
  return to.text;
}

}  // namespace bukubesar
