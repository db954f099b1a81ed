// Entries as JSON: the 88 bytes by name, and what the payload says where it decodes.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/event.h"
#include "ledger/entry.h"
#include "ledger/ledger.h"
#include "projections/projections.h"
#include "server/json.h"

namespace bukubesar {

class Node;

[[nodiscard]] Json entry_json(PartitionId partition, Sequence sequence, const Entry& entry, int zone_minutes);
// The event's attributes and members, without `salt`: that belongs to the payload.
[[nodiscard]] Json event_json(const Event& event, int zone_minutes);
// For people: why a rejected payload was rejected, by judging it again under the entry's rules. Empty where the payload is not kept.
[[nodiscard]] std::string rejection_detail(Node& node, PartitionId partition, const Entry& entry, std::optional<std::string_view> payload);
// Adds "event" or "detail" to an entry's JSON.
void add_decoded(Json& json, Node& node, PartitionId partition, const StoredEntry& stored);

// For lists that move: verdict and reason, and of the event who, what and how much.
[[nodiscard]] Json entry_summary_json(Node& node, PartitionId partition, const StoredEntry& stored);
// "/v1/entries/0/812"
[[nodiscard]] std::string entry_link(PartitionId partition, Sequence sequence);
[[nodiscard]] Json findings_json(const std::vector<Finding>& findings);

// The verbatim text of a member of the event in a payload, such as {"data", "document"}, in either mode; nothing where it is not there.
[[nodiscard]] std::optional<std::string> member_text(std::string_view payload, std::initializer_list<std::string_view> path);

}  // namespace bukubesar
