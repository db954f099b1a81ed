// The text of a report: JSON as /v1/totals and /v1/views answer it, row by row, which an evidence pack is compared with; CSV and JSON in
// it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "projections/totals.h"
#include "server/json.h"
#include "server/totals_request.h"

namespace bukubesar {

// What is said of rows beside their measures, in the order of the rows; empty where it was not asked for.
struct RowNotes {
  std::vector<std::vector<std::string>> names;
  std::vector<RowShare> shares;
};

// What the ledger and the view add to the head of a report.
struct ReportFrame {
  bool dedup_per_partition = false;
  bool synthetic = false;
  struct View {
    std::string name, title;
    std::vector<std::string> measures;
  };
  std::optional<View> view;
  std::optional<std::size_t> rows_matching;  // where only the largest are shown
};

// Whether a view with these measures has each row's share of its group.
[[nodiscard]] bool has_share(const std::vector<std::string>& measures);

// The request's largest rows first, and no others; rows of one size by key. Total and unknown stay those of all rows, and so do shares.
void keep_top(const TotalsRequest& request, TotalsAnswer& answer, RowNotes& notes);

// What stands before the rows.
[[nodiscard]] Json report_head(const TotalsAnswer& answer, const TotalsRequest& request, const ReportFrame& frame, bool shares);
// {…head…,"rows":[ then each row, then ],"total":{…},"unknown":{…}} and a newline.
[[nodiscard]] std::string report_json_head(const Json& head);
void append_report_row(std::string& to, const TotalsAnswer& answer, const RowNotes& notes, std::size_t at);
[[nodiscard]] std::string report_json_tail(const TotalsAnswer& answer);
// RFC 4180, each with its line's end.
[[nodiscard]] std::string report_csv_head(const TotalsAnswer& answer, const RowNotes& notes);
[[nodiscard]] std::string report_csv_row(const TotalsAnswer& answer, const RowNotes& notes, std::size_t at);

}  // namespace bukubesar
