// Decoder: a JSON tree → an event or a reason. Inside of events/, and for its tests; others call Judge.
//
// What is written here, in fields.cc, cloudevent.cc and decoder_*.cc is rules version 1 and frozen: a change that alters any verdict,
// reason or decoded value is a new rules version beside it.
//
// Members are checked in the order of the tables, not of the document, so the reason named does not depend on how members are ordered.
// null is the same as absent. Members that no table names are kept in the payload and mean nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "events/event.h"
#include "events/json.h"
#include "events/payload.h"
#include "events/reason.h"

namespace bukubesar {

inline constexpr std::size_t kCodeSizeMax = 64;
inline constexpr std::size_t kIdSizeMax = 256;  // source and id, each
inline constexpr std::size_t kTextSizeMax = 1024;
inline constexpr std::size_t kShortTextSizeMax = 256;
inline constexpr int kFiscalYearMin = 1900;
inline constexpr int kFiscalYearMax = 2999;

[[nodiscard]] std::optional<EventType> parse_event_type(std::string_view type);  // "id.bukubesar.purchase.paid.v1"
[[nodiscard]] bool is_code(std::string_view text);
[[nodiscard]] bool is_known_system(std::string_view system);

// "-?(0|[1-9][0-9]*)(\.[0-9]{1,places})?" as an integer of 10^-places. The errors are parse_rupiah's.
struct ParsedDecimal {
  std::int64_t value = 0;
  MoneyError error = MoneyError::none;
};
[[nodiscard]] ParsedDecimal parse_decimal(std::string_view text, int places);

struct Failure {
  Reason reason = Reason::none;
  std::string detail;
};

// Names of the members that one kind of object may have, ready to be looked for.
template <std::size_t N>
struct MemberTable {
  std::array<std::string_view, N> names;
  std::array<std::uint64_t, N> words{};

  template <class... Name>
  explicit MemberTable(Name... name) : names{name...} {
    for (std::size_t i = 0; i < N; ++i) words[i] = json_word(names[i]);
  }
};
template <class... Name>
MemberTable(Name...) -> MemberTable<sizeof...(Name)>;

template <std::size_t N>
using Members = std::array<const JsonValue*, N>;

// Fields: reads members of a tree as what they must be. A reader takes a member or null; null leaves the target alone and is right.
// False: failure() says why, and nothing more is read.
class Fields {
 public:
  Fields(const JsonTree& tree, std::string_view root_name) : tree_(tree), root_name_(root_name) {}

  // The members of `object` that the table names, by position in it; null where one is absent or null.
  template <std::size_t N>
  [[nodiscard]] Members<N> members(const JsonValue& object, const MemberTable<N>& table) const {
    Members<N> found{};
    std::size_t next = 0;  // members usually come in the order of the table
    for (std::uint32_t i = first_in(object); i < object.end; i = tree_[i].end) {
      const JsonValue& value = tree_[i];
      for (std::size_t k = 0; k < N; ++k) {
        const std::size_t at = next + k < N ? next + k : next + k - N;
        if (!equal_texts(table.names[at], table.words[at], value.key(), value.key_word)) continue;
        if (value.kind != JsonKind::null) found[at] = &value;
        next = at + 1 < N ? at + 1 : 0;
        break;
      }
    }
    return found;
  }
  [[nodiscard]] std::uint32_t first_in(const JsonValue& container) const {
    return static_cast<std::uint32_t>(&container - tree_.data()) + 1;
  }
  [[nodiscard]] const JsonValue& at(std::uint32_t index) const { return tree_[index]; }

  bool require(const JsonValue* member, const JsonValue& object, std::string_view name);
  bool object(const JsonValue* member);
  bool array(const JsonValue* member);
  bool code(const JsonValue* member, std::string_view& to);
  bool code(const JsonValue* member, std::optional<std::string_view>& to);
  bool text(const JsonValue* member, std::size_t size_max, std::string_view& to);
  bool text(const JsonValue* member, std::size_t size_max, std::optional<std::string_view>& to);
  bool hex(const JsonValue* member, std::size_t digits_min, std::size_t digits_max, std::string_view& to);
  bool money(const JsonValue* member, std::optional<Money>& to);
  bool money(const JsonValue* member, Money& to);
  bool decimal(const JsonValue* member, int places, std::optional<std::int64_t>& to);
  bool integer(const JsonValue* member, std::int64_t min, std::int64_t max, std::optional<std::int64_t>& to);
  bool boolean(const JsonValue* member, bool& to);
  bool date(const JsonValue* member, std::optional<Date>& to);
  bool month(const JsonValue* member, Month& to);
  bool instant(const JsonValue* member, std::optional<std::int64_t>& to);
  template <class Enum>
  bool choice(const JsonValue* member, std::optional<Enum> (*parse)(std::string_view), Enum& to) {
    if (member == nullptr) return true;
    if (!string(member)) return false;
    const std::optional<Enum> value = parse(member->text());
    if (!value) return fail(Reason::unknown_choice, member);
    to = *value;
    return true;
  }
  bool string(const JsonValue* member);
  // What is wrong with a text, wherever it came from.
  [[nodiscard]] static Reason text_reason(std::string_view text, std::size_t size_max);

  // Always false, so that a check can end with it. The detail is "<path>: <value>", then what is said about it.
  bool fail(Reason reason, const JsonValue* value, std::string_view about = {});
  bool fail(Reason reason, std::string detail);
  [[nodiscard]] Failure& failure() { return failure_; }

 private:
  [[nodiscard]] std::string path_of(const JsonValue* value) const;

  const JsonTree& tree_;
  std::string_view root_name_;
  Failure failure_;
};

// Buffers that decoding reuses.
struct DecoderScratch {
  std::vector<Line> lines;
  std::vector<std::string_view> texts;
  std::vector<WorkUnit> work_units;
};

// decoder_purchase.cc and decoder_reference.cc: fill `event` from `data`; type and subject are set already.
bool decode_purchase(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event);
bool decode_reference(Fields& fields, const JsonValue& data, Arena& arena, DecoderScratch& scratch, Event& event);
bool decode_document(Fields& fields, const JsonValue& document, Arena& arena, DecoderScratch& scratch, const Document*& to);

// cloudevent.cc: the envelope.
enum class ContentMode : std::uint8_t { structured, binary, refused };
struct Envelope {
  ContentMode mode = ContentMode::refused;
  bool is_said = false;  // structured because the content type says so, not because the value looks like it
  Reason reason = Reason::none;
  std::string detail;  // where refused
};
// What the headers say about the value.
[[nodiscard]] Envelope envelope_of(const PayloadView& payload);
// Null where `failure` says why not.
[[nodiscard]] const Event* decode_event(const Envelope& envelope, const PayloadView& payload, const JsonTree& tree, Arena& arena,
                                        DecoderScratch& scratch, Failure& failure);

}  // namespace bukubesar
