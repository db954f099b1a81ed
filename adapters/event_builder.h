// Event text: what adapters know, as the exact bytes of a CloudEvents JSON document. docs/FORMAT.md has the documents, member by member.
//
// The bytes are a function of the arguments alone: members in a fixed order, unknown ones left out, no blanks. So an import run again
// sends the same bytes.
//   id    first 128 bits of SHA-256(source 00 subject 00 type 00 members 00 predecessor), hex; `members` is the text of `data` after
//         salt and observation, so it has the document
//   salt  first 128 bits of HMAC-SHA-256(secret, id), hex: unguessable, yet the same each time
//
// Threads  an EventIds belongs to one thread at a time; the append functions are pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/money.h"
#include "base/sha256.h"
#include "events/event.h"

namespace bukubesar {

class EventIds {
 public:
  explicit EventIds(std::string_view secret);
  [[nodiscard]] std::string id(std::string_view source, std::string_view subject, EventType type, std::string_view members,
                               std::string_view predecessor);
  [[nodiscard]] std::string salt(std::string_view id);
  // HMAC-SHA-256 with the secret; half the price of base's one-shot call.
  [[nodiscard]] Hash256 hmac(std::string_view message);

 private:
  Sha256 hasher_;
  std::string inner_pad_, outer_pad_;
};

struct LineDraft {
  std::string line, product, commodity;
  CatalogueKind catalogue_kind = CatalogueKind::unknown;
  Origin origin = Origin::unknown;
  std::string tkdn, bmp, quantity;  // decimal text; empty: not stated
  std::optional<Money> unit_price;
  Money amount;
  bool derived = false;
};

// What the source says about package and shipment, verbatim.
struct StatedStatus {
  std::string package, shipment;
};

struct DocumentDraft {
  std::optional<std::uint64_t> revision;
  std::int32_t fiscal_year = 0;
  std::string order_date;  // "2023-05-11"; empty: unknown
  Stage stage = Stage::unknown;
  StatedStatus source_status;
  std::string method, institution, work_unit, vendor, distributor, stated_region;
  Scale stated_scale = Scale::unknown;
  std::vector<std::string> funding;  // distinct, sorted
  std::string plan, commodity;
  CatalogueKind catalogue_kind = CatalogueKind::unknown;
  Money total;
  std::optional<Money> shipping, tax;
  std::vector<LineDraft> lines;
  std::vector<std::pair<std::string, std::string>> literals;  // JSON pointer in the document → what the source wrote
};

struct EventFrame {
  EventType type = EventType::ordered;
  std::string_view source, subject;
  std::string_view time;         // RFC 3339; empty: none
  std::string_view observation;  // id of the source.observed event; empty: none
  std::string_view predecessor;  // id of the event before, or whatever makes this one distinct
};

struct BuiltEvent {
  std::string id, text;
};

// A JSON string, quoted and escaped. `text` must be UTF-8.
void append_json_string(std::string& to, std::string_view text);
void append_money(std::string& to, Money amount);  // "25000000.00", quoted
// {"revision":1,…}
void append_document(std::string& to, const DocumentDraft& document);
// "source_status":{…}, with null where the source says nothing
void append_source_status(std::string& to, const StatedStatus& status);

// members: the text of `data` after salt and observation, without braces: `"document":{…}` or `"stage":"completed","source_status":{…}`.
[[nodiscard]] BuiltEvent build_event(EventIds& ids, const EventFrame& frame, std::string_view members);

}  // namespace bukubesar
