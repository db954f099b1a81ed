#include "adapters/reference_import.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "adapters/json_answer.h"
#include "base/status.h"
#include "base/time.h"
#include "config/names.h"

namespace bukubesar {

namespace {

struct Table {
  std::string_view name;
  EventType type;
};
constexpr std::array<Table, 4> kReferenceTables{{{"vendor", EventType::reference_vendor},
                                                 {"institution", EventType::reference_institution},
                                                 {"commodity", EventType::reference_commodity},
                                                 {"region", EventType::reference_region}}};

absl::StatusOr<Outgoing> reference_event(std::string_view line, std::string_view source, EventIds& ids) {
  // Ordered: the bytes sent are the file's, member by member.
  auto fact = nlohmann::ordered_json::parse(line.begin(), line.end(), nullptr, false);
  if (!fact.is_object() || line.find('\0') != std::string_view::npos) return invalid_argument("no JSON object");
  const std::string table = text_member(fact, "table");
  const std::string code = text_member(fact, "code");
  const std::string valid_from = text_member(fact, "valid_from");
  const auto known = std::find_if(kReferenceTables.begin(), kReferenceTables.end(), [&](const Table& t) { return t.name == table; });
  if (known == kReferenceTables.end()) return invalid_argument("table \"{}\": want vendor, institution, commodity or region", table);
  if (!is_code_text(code)) return invalid_argument("code \"{}\": want 1 to 64 of A-Z a-z 0-9 . _ -", code);
  if (!parse_month(valid_from)) return invalid_argument("valid_from \"{}\": want a month like 2023-01", valid_from);
  fact.erase("table");
  fact.erase("code");
  const std::string members = fact.dump();
  const std::string subject = table + "/" + code;
  const EventFrame frame{known->type, source, subject, "", "", ""};
  return Outgoing{true, subject, build_event(ids, frame, std::string_view(members).substr(1, members.size() - 2)).text, false};
}

}  // namespace

absl::StatusOr<std::vector<Outgoing>> reference_events(std::string_view text, const std::string& file_name, std::string_view source,
                                                       EventIds& ids) {
  std::vector<Outgoing> events;
  for (std::uint64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto event = reference_event(line, source, ids);
    if (!event.ok()) return with_context(event.status(), fmt::format("{}:{}", file_name, number));
    events.push_back(std::move(*event));
  }
  return events;
}

}  // namespace bukubesar
