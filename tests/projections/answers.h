// What readers can see of projections, as text: two that read the same entries say the same.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/money.h"
#include "projections/projections.h"

namespace bukubesar {

inline std::string text(const Measures& m) {
  return fmt::format("packages={} vendors={} committed={} strict={} broad={} stage_unknown={} paid={}", m.packages, m.vendors,
                     format_rupiah(m.committed), format_rupiah(m.strict), format_rupiah(m.broad), format_rupiah(m.stage_unknown),
                     m.paid ? format_rupiah(*m.paid) : "null");
}

inline std::string text(const TotalsAnswer& answer) {
  std::string to;
  for (const TotalsRow& row : answer.rows) to += fmt::format("{}: {}\n", fmt::join(row.key, "/"), text(row.measures));
  to += "total: " + text(answer.total) + "\n";
  for (const auto& [dimension, part] : answer.unknown) to += fmt::format("unknown {}: {}\n", dimension, text(part));
  return to;
}

inline std::string totals_text(const Projections& p, const std::vector<Dimension>& by, std::optional<Cut> cut = std::nullopt,
                               ScaleBasis basis = ScaleBasis::at_order) {
  TotalsQuery query;
  query.by = by;
  query.cut = std::move(cut);
  query.scale_basis = basis;
  const auto answer = p.totals(query);
  return answer.ok() ? text(*answer) : answer.status().ToString();
}

inline std::string purchase_text(const PurchaseAnswer& p) {
  std::vector<std::string> cells;
  for (const auto& c : p.cells) {
    cells.push_back(fmt::format("{}/{}/{}/{}={}", c.component, c.origin, c.catalogue_kind, c.commodity, format_rupiah(c.amount)));
  }
  std::sort(cells.begin(), cells.end());
  std::string to =
      fmt::format("{} {} {} {} {} {} {} {} {} paid {} value {} [{}]", p.id, p.stage, p.feed, p.institution, p.work_unit, p.vendor, p.region,
                  p.scale, p.fiscal_year, format_rupiah(p.paid), format_rupiah(p.value), fmt::join(cells, ","));
  for (const auto& event : p.history) to += fmt::format("\n  {} {} {}", event.sequence.value(), event.type, event.transfers.size());
  for (const auto& finding : p.findings) to += fmt::format("\n  {} {} {}", finding.sequence.value(), finding.kind, finding.detail);
  return to;
}

// Everything that readers can see, as text.
inline std::string everything(const Projections& p, std::optional<Cut> cut = std::nullopt) {
  std::string to;
  for (const auto& by : std::vector<std::vector<Dimension>>{{},
                                                            {Dimension::region, Dimension::scale},
                                                            {Dimension::district, Dimension::umkm},
                                                            {Dimension::vendor},
                                                            {Dimension::stage},
                                                            {Dimension::origin, Dimension::catalogue_kind},
                                                            {Dimension::commodity, Dimension::component},
                                                            {Dimension::funding, Dimension::fiscal_year},
                                                            {Dimension::order_month},
                                                            {Dimension::event_month, Dimension::vendor_locality}}) {
    to += totals_text(p, by, cut) + "\n";
  }
  std::string cursor;
  for (;;) {
    const auto page = p.purchases({}, cursor, 7);
    EXPECT_TRUE(page.ok()) << page.status();
    for (const auto& summary : page->purchases) {
      const auto purchase = p.purchase(summary.id, cut);
      to += (purchase.ok() ? purchase_text(*purchase) : purchase.status().ToString()) + "\n";
    }
    if (!page->next_cursor) break;
    cursor = *page->next_cursor;
  }
  const auto findings = p.findings("", "", "", 10'000, cut);
  EXPECT_TRUE(findings.ok()) << findings.status();
  for (const Finding& f : findings->findings)
    to += fmt::format("{} {} {} {} {}\n", f.partition.name(), f.sequence.value(), f.kind, f.purchase, f.detail);
  return to;
}

}  // namespace bukubesar
