#include "server/measures_json.h"

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

}  // namespace bukubesar
