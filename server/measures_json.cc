#include "server/measures_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace bukubesar {

void append_measures(Json& to, const Measures& measures) {
  to["packages"] = measures.packages;
  to["vendors"] = measures.vendors;
  to["committed"] = format_rupiah(measures.committed);
  to["strict"] = format_rupiah(measures.strict);
  to["broad"] = format_rupiah(measures.broad);
  to["stage_unknown"] = format_rupiah(measures.stage_unknown);
  to["paid"] = measures.paid ? Json(format_rupiah(*measures.paid)) : Json(nullptr);
}

void append_measures_text(std::string& to, const Measures& measures) {
  fmt::format_to(std::back_inserter(to),
                 R"("packages":{},"vendors":{},"committed":"{}","strict":"{}","broad":"{}","stage_unknown":"{}","paid":)",
                 measures.packages, measures.vendors, format_rupiah(measures.committed), format_rupiah(measures.strict),
                 format_rupiah(measures.broad), format_rupiah(measures.stage_unknown));
  if (measures.paid)
    fmt::format_to(std::back_inserter(to), R"("{}")", format_rupiah(*measures.paid));
  else
    to += "null";
}

void append_json_text(std::string& to, std::string_view text) {
  const auto plain = [](char c) { return c >= ' ' && c < 0x7F && c != '"' && c != '\\'; };
  if (!std::all_of(text.begin(), text.end(), plain)) {
    to += to_text(Json(text));
    return;
  }
  to.push_back('"');
  to += text;
  to.push_back('"');
}

}  // namespace bukubesar
