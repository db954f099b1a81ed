#include "projections/finding_kinds.h"

#include <fmt/format.h>

#include <array>

#include "base/money.h"
#include "base/time.h"
#include "events/event.h"
#include "projections/dictionaries.h"

namespace bukubesar {

namespace {

using enum FindingKind;
constexpr std::array kKinds = {
    FindingKindInfo{ordered_again, "ordered_again",
                    "An order was stated for a purchase that was already known; it was read as an amendment."},
    FindingKindInfo{stub, "stub",
                    "An event came for a purchase that no document had described yet; it stands with value 0 until one comes."},
    FindingKindInfo{stale, "stale", "A document with a lower revision than the one in force came; it changed nothing."},
    FindingKindInfo{time_went_back, "time_went_back", "An event states an earlier time than an event applied before it."},
    FindingKindInfo{revived, "revived", "An event came after the purchase had been cancelled or withdrawn; it was applied."},
    FindingKindInfo{repeated_reference, "repeated_reference", "The same payment reference was stated more than once for the purchase."},
    FindingKindInfo{overpaid, "overpaid", "More is stated as paid than the purchase's total."},
    FindingKindInfo{negative_payment, "negative_payment", "A payment or refund states an amount that is not above zero."},
    FindingKindInfo{lines_do_not_add_up, "lines_do_not_add_up",
                    "Lines, shipping and tax do not add up to the stated total; the remainder is shown as unallocated."},
    FindingKindInfo{quantity_times_price, "quantity_times_price", "On some lines quantity times unit price is not the stated amount."},
    FindingKindInfo{stage_unknown, "stage_unknown", "The source states a status that is not one of the known stages."},
    FindingKindInfo{stage_went_back, "stage_went_back", "The purchase moved to an earlier stage, outside the addendum cycle."},
    FindingKindInfo{other_feed, "other_feed", "Another feed than the one that counts for this system and institution; it changed nothing."},
    FindingKindInfo{vendor_differs, "vendor_differs", "The document names another vendor than the purchase's id does."},
    FindingKindInfo{duplicate_different, "duplicate_different",
                    "An event came again under the same source and id, with different content; the first one stands."},
    FindingKindInfo{overflow, "overflow", "The amounts leave the range of 64-bit sen; the event moved nothing."},
    FindingKindInfo{cancelled_after_payment, "cancelled_after_payment",
                    "The purchase was cancelled or withdrawn while money stands as paid."},
    FindingKindInfo{order_date_moved_back, "order_date_moved_back",
                    "A later document states an earlier order date than the one before it."},
    FindingKindInfo{order_after_event, "order_after_event", "The order date lies after the day of the event that states it."},
    FindingKindInfo{stage_jumped, "stage_jumped", "The purchase came to completion without having been seen under contract."},
};

std::string text_or_unknown(std::string_view text) { return text.empty() ? "unknown" : std::string(text); }
std::string instant(std::int64_t ms) { return format_instant_ms(ms, 0); }
std::string date(std::int64_t days) { return format_date(Date{static_cast<std::int32_t>(days)}); }
std::string stage(std::int64_t value) { return std::string(name_of(static_cast<Stage>(value))); }

}  // namespace

std::span<const FindingKindInfo> all_finding_kinds() { return kKinds; }
std::string_view name_of(FindingKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }
std::optional<FindingKind> parse_finding_kind(std::string_view name) {
  for (const FindingKindInfo& info : kKinds) {
    if (info.name == name) return info.kind;
  }
  return std::nullopt;
}

std::string detail_of(const FindingRow& f, const Dictionaries& dictionaries) {
  const auto text = [&](DictionaryId id, std::int64_t code) {
    return text_or_unknown(dictionaries[id].text(static_cast<std::uint32_t>(code)));
  };
  switch (f.kind) {
    case ordered_again:
      return fmt::format("ordered again; the document in force came with entry {}", f.a);
    case stub:
      return fmt::format("{} for a purchase without a document", name_of(static_cast<EventType>(f.a)));
    case stale:
      return fmt::format("revision {}, in force is {}", static_cast<std::uint64_t>(f.a), static_cast<std::uint64_t>(f.b));
    case time_went_back:
      return fmt::format("event time {}, before it {}", instant(f.a), instant(f.b));
    case revived:
      return fmt::format("{} after {}", name_of(static_cast<EventType>(f.a)), stage(f.b));
    case repeated_reference:
      return fmt::format("{} of Rp {} repeats a reference", name_of(static_cast<EventType>(f.b)), format_rupiah(f.a));
    case overpaid:
      return fmt::format("paid Rp {}, total Rp {}", format_rupiah(f.a), format_rupiah(f.b));
    case negative_payment:
      return fmt::format("{} of Rp {}", name_of(static_cast<EventType>(f.b)), format_rupiah(f.a));
    case lines_do_not_add_up:
      return fmt::format("Rp {} of Rp {} are in no line", format_rupiah(f.a), format_rupiah(f.b));
    case quantity_times_price:
      return fmt::format("{} lines, the first is number {} of the document", f.a, f.b);
    case stage_unknown:
      return fmt::format("{} with a status that is no known stage", name_of(static_cast<EventType>(f.a)));
    case stage_went_back:
      return fmt::format("from {} to {}", stage(f.a), stage(f.b));
    case other_feed:
      return fmt::format("from {}, counting is {}", text(DictionaryId::feed, f.a), text(DictionaryId::feed, f.b));
    case vendor_differs:
      return fmt::format("document: {}, id: {}", text(DictionaryId::vendor, f.a), text(DictionaryId::vendor, f.b));
    case duplicate_different:
      return fmt::format("differs from entry {}", f.a);
    case overflow:
      return fmt::format("{} moved nothing", name_of(static_cast<EventType>(f.a)));
    case cancelled_after_payment:
      return fmt::format("{} with Rp {} paid", stage(f.b), format_rupiah(f.a));
    case order_date_moved_back:
      return fmt::format("order date {}, before it {}", date(f.a), date(f.b));
    case stage_jumped:
      return fmt::format("from {} to {}", stage(f.a), stage(f.b));
    case order_after_event:
      return fmt::format("order date {}, event day {}", date(f.a), date(f.b));
  }
  return {};
}

}  // namespace bukubesar
