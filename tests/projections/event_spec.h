// Events for tests, written as a source would state them: a spec becomes CloudEvents JSON, and a script's line becomes a spec.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace bukubesar {

struct LineSpec {
  std::string amount = "0", origin, commodity, kind, quantity, price;
};

struct EventSpec {
  std::string type = "ordered", subject = "e-katalog-6/A", source = "/feed/a", id;
  std::string time = "2023-05-11T09:00:00+08:00";
  int revision = -1, fiscal_year = 2023;
  std::string order_date = "2023-05-10", stage = "contracted", status, method, institution = "D1", work_unit, vendor = "v1", distributor,
              region, scale, commodity, kind, total = "1000", shipping, tax;
  std::vector<std::string> funding;
  std::vector<LineSpec> lines;
  std::string amount, reference;
};

inline std::string member(std::string_view name, const std::string& value) {
  return value.empty() ? std::string() : fmt::format(R"(,"{}":"{}")", name, value);
}

inline std::string document_json(const EventSpec& e) {
  std::string json = fmt::format(R"({{"fiscal_year":{},"stage":"{}","institution":"{}","amounts":{{"total":"{}"{}{}}})", e.fiscal_year,
                                 e.stage, e.institution, e.total, member("shipping", e.shipping), member("tax", e.tax));
  if (e.revision >= 0) json += fmt::format(R"(,"revision":{})", e.revision);
  json += member("order_date", e.order_date) + member("method", e.method) + member("work_unit", e.work_unit) + member("vendor", e.vendor) +
          member("distributor", e.distributor) + member("commodity", e.commodity) + member("catalogue_kind", e.kind);
  if (!e.status.empty()) json += fmt::format(R"(,"source_status":{{"package":"{}","shipment":null}})", e.status);
  if (!e.region.empty() || !e.scale.empty()) {
    json += fmt::format(R"(,"stated":{{"region":{},"scale":"{}"}})", e.region.empty() ? "null" : "\"" + e.region + "\"",
                        e.scale.empty() ? "unknown" : e.scale);
  }
  if (!e.funding.empty()) json += fmt::format(R"(,"funding":["{}"])", fmt::join(e.funding, "\",\""));
  if (!e.lines.empty()) {
    json += R"(,"lines":[)";
    for (std::size_t i = 0; i < e.lines.size(); ++i) {
      const LineSpec& line = e.lines[i];
      json += fmt::format(R"({}{{"line":"{}","amount":"{}"{}{}{}{}{}}})", i == 0 ? "" : ",", i + 1, line.amount,
                          member("origin", line.origin), member("commodity", line.commodity), member("catalogue_kind", line.kind),
                          member("quantity", line.quantity), member("unit_price", line.price));
    }
    json += "]";
  }
  return json + "}";
}

inline std::string event_json(const EventSpec& e) {
  std::string data = R"("salt":"00112233445566778899aabbccddeeff")";
  if (e.type == "ordered" || e.type == "amended" || e.type == "corrected") data += R"(,"document":)" + document_json(e);
  if (e.type == "corrected") {
    data += R"(,"correction":{"reason":"r","authority":"inspectorate","approver":"office","corrects":{"source":"/feed/a","id":"x"}})";
  }
  if (e.type == "advanced") data += fmt::format(R"(,"stage":"{}")", e.stage);
  if (e.type == "paid" || e.type == "refunded") data += fmt::format(R"(,"amount":"{}"{})", e.amount, member("reference", e.reference));
  return fmt::format(R"({{"specversion":"1.0","type":"id.bukubesar.purchase.{}.v1","source":"{}","id":"{}","subject":"{}"{},)"
                     R"("datacontenttype":"application/json","data":{{{}}}}})",
                     e.type, e.source, e.id, e.subject, member("time", e.time), data);
}

// `data` holds the members beside salt: R"("valid_from":"2023-01","scale":"small")".
inline std::string fact_json(std::string_view table, std::string_view code, std::string_view id, std::string_view data) {
  return fmt::format(
      R"({{"specversion":"1.0","type":"id.bukubesar.reference.{}.v1","source":"/feed/reference","id":"{}","subject":"{}/{}",)"
      R"("datacontenttype":"application/json","data":{{"salt":"00112233445566778899aabbccddeeff",{}}}}})",
      table, id, table, code, data);
}

// Random purchases, each with its own order of events; deterministic by seed.
class RandomEvents {
 public:
  explicit RandomEvents(unsigned seed) : random_(seed) {}

  std::vector<EventSpec> purchase(int number) {
    std::vector<EventSpec> events;
    const int count = 1 + static_cast<int>(pick(8));
    EventSpec e;
    e.subject = fmt::format("e-katalog-6/P{}", number);
    // Now and then a purchase is first heard of by something else than an order.
    bool known = pick(10) != 0;
    for (int i = 0; i < count; ++i) {
      if (i == 0 && known) {
        e.type = "ordered";
      } else {
        e.type = choose({"advanced", "advanced", "amended", "paid", "refunded", "corrected", "cancelled", "withdrawn", "ordered"});
      }
      e.id = fmt::format("{}-{}", e.subject, i);
      e.time = pick(12) == 0 ? "" : fmt::format("2023-{:02}-{:02}T10:00:00+08:00", 1 + pick(12), 1 + pick(28));
      if (e.type == "ordered" || e.type == "amended" || e.type == "corrected") document(e);
      if (e.type == "advanced") e.stage = stage();
      e.amount = fmt::format("{}{}", pick(20) == 0 ? "-" : "", 1 + pick(500));
      e.reference = fmt::format("SP2D-{}", pick(6));
      events.push_back(e);
    }
    return events;
  }
  std::size_t pick(std::size_t limit) { return random_() % limit; }
  std::string choose(const std::vector<std::string>& from) { return from[pick(from.size())]; }

 private:
  std::string stage() {
    return choose(
        {"unknown", "negotiating", "ordered", "contracted", "shipping", "delivered", "addendum", "completed", "cancelled", "withdrawn"});
  }
  void document(EventSpec& e) {
    e.revision = pick(3) == 0 ? static_cast<int>(pick(4)) : -1;
    e.stage = stage();
    e.fiscal_year = 2022 + static_cast<int>(pick(2));
    e.order_date = pick(6) == 0 ? "" : fmt::format("2023-{:02}-{:02}", 1 + pick(12), 1 + pick(28));
    e.institution = choose({"D1", "D2", "D3"});
    e.work_unit = choose({"", "w1", "w2"});
    e.vendor = choose({"", "v1", "v2", "v3", "v4", "none"});
    e.region = choose({"", "63", "63.09", "63.71", "64.01"});
    e.scale = choose({"", "micro", "small", "medium", "large", "cooperative"});
    e.kind = choose({"", "local", "national"});
    e.commodity = choose({"", "k1", "k2"});
    e.funding = pick(2) == 0 ? std::vector<std::string>{} : std::vector<std::string>{"APBD", "APBN"};
    e.shipping = pick(4) == 0 ? "10" : "";
    e.tax = pick(6) == 0 ? "5.50" : "";
    e.lines.clear();
    std::size_t total = pick(1000);
    for (std::size_t i = pick(4); i > 0; --i) {
      LineSpec line;
      line.amount = fmt::format("{}", pick(300));
      line.origin = choose({"", "domestic", "other"});
      line.commodity = choose({"", "k1", "k2", "k3"});
      line.kind = choose({"", "local", "sectoral"});
      e.lines.push_back(line);
    }
    e.total = fmt::format("{}", total);
  }
  std::mt19937 random_;
};

}  // namespace bukubesar
