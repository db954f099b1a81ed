// One realisation row → one purchase document. docs/IMPORT.md has the table.
//
// Personal data  names of vendors come out beside the document, for facts, and never in it; package titles are not taken over.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "adapters/event_builder.h"
#include "adapters/realisation_rows.h"

namespace bukubesar {

struct MappedRow {
  std::string subject;  // the purchase id
  DocumentDraft document;
  std::string vendor_name;       // as the source writes it, blanks tidied; empty: the row has none
  std::string institution_name;  // "Nama Instansi"
  std::string work_unit_name;
  std::vector<std::string> notes;  // what was rounded or could not be taken over as a code; the source's text stands in `literals`
};

struct RefusedRow {
  std::string reason;
  std::string subject;  // where it can be told in spite of the refusal; so a refused row's purchase does not count as vanished
};

// `vendor_key`: an EventIds with the importer's secret, for the vendor's code.
[[nodiscard]] std::variant<MappedRow, RefusedRow> map_realisation_row(const SourceRow& row, const std::string& institution,
                                                                      EventIds& vendor_key);

// A decimal number as the source wrote it, "83141485.23999999": rounded where it is within 1e-4 sen of a whole sen.
struct RoundedMoney {
  Money money;
  bool rounded = false;
};
// Nothing where it is no number, is farther from a sen, or does not fit.
[[nodiscard]] std::optional<RoundedMoney> round_to_sen(std::string_view literal);

// "  PT.  Maju jaya " → "PT. Maju jaya": trimmed, runs of blanks as one.
[[nodiscard]] std::string tidy_blanks(std::string_view text);
// `n-` and 16 hex digits; `none` for an empty name.
[[nodiscard]] std::string vendor_code(std::string_view name, EventIds& vendor_key);
[[nodiscard]] Stage realisation_stage(std::string_view status);

}  // namespace bukubesar
