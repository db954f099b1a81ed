// Demo's bad records: a few of every kind that the ledger must reject, keep and count, each with the reason that it must give.
// They are about purchases that exist nowhere else, so whatever became of them could not change a figure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/event_builder.h"
#include "adapters/publisher.h"
#include "events/reason.h"

namespace bukubesar {

[[nodiscard]] std::size_t demo_bad_kinds();
struct DemoBadRecord {
  Outgoing record;  // verbatim
  Reason reason = Reason::none;
};
// kind: below demo_bad_kinds(). `number` makes each one distinct.
[[nodiscard]] DemoBadRecord make_demo_bad_record(std::size_t kind, std::uint64_t seed, std::uint64_t number, EventIds& ids);

}  // namespace bukubesar
