// Alerts for people: what is declared in config/alerts.json, and which of it fires at a cut.
//
// Invariants  I5: what fires is a function of the rules and the cut, but for the kinds that look at the node itself (intake_lag,
//             unverifiable). There is no clock: the month is that of the newest event, bounded by ledger time.
// Errors      InvalidArgument names the alert and the member that is wrong.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "base/money.h"
#include "projections/projections.h"
#include "projections/totals.h"
#include "server/alert_text.h"

namespace bukubesar {

[[nodiscard]] std::string_view default_alerts_text();  // config/alerts.json

[[nodiscard]] std::string_view name_of(AlertKind kind);

struct AlertRule {
  std::string name, severity, title_id, title_en;
  AlertKind kind{};
  std::vector<Dimension> by;
  std::map<Dimension, std::vector<std::string>> where;
  Dimension dimension{};       // share_below: the value's
  std::string value, measure;  // share_below
  std::int64_t percent = 0;    // hundredths
  std::int64_t times = 0;      // hundredths
  MoneySum at_least = 0, threshold = 0;
  std::int32_t months = 0, before = 0, days = 0;
  std::uint64_t count = 0, records = 0;
  std::vector<std::string> stages;
};

struct AlertSettings {
  std::uint32_t interval_ms = 5000, webhook_timeout_ms = 5000;
  std::string webhook_url, webhook_secret_file;
  std::vector<AlertRule> rules;
};
[[nodiscard]] absl::StatusOr<AlertSettings> parse_alerts(std::string_view text);

// One alert about one thing: a district, an institution with a vendor, a partition.
struct Firing {
  std::string alert, key, severity;
  AlertKind kind{};
  std::map<std::string, std::string> about;  // what the key says, by name: {"institution": "D262", "vendor": "v-9", …}
  AlertValues values;
  [[nodiscard]] AlertText detail() const { return alert_text(kind, values); }  // for people, deterministic
  friend auto operator<=>(const Firing&, const Firing&) = default;
};
[[nodiscard]] std::optional<AlertKind> parse_alert_kind(std::string_view name);

// What the ledger says about time at a cut: the newest ledger time, where it has such.
struct AlertTime {
  std::optional<std::int64_t> ledger_time_ms;
  int zone_minutes = 0;
  // Entries of a partition with a ledger time up to an instant.
  std::function<absl::StatusOr<std::uint64_t>(PartitionId, std::int64_t)> size_at;
};

// What was found of the rules, and which could not be looked at: one that asks too much keeps no other from being heard.
struct Looked {
  std::vector<Firing> firings;
  std::map<std::string, absl::Status> failed;  // by alert
};

// Of all kinds but those that look at the node; by alert in the order declared, then by key. Without a cut: now, from the sums that are
// kept and only extended, each alert at the cut of its own sums. `balanced`: the cut at which each view was last found to add up; one
// that nobody has read since is not summed only to be looked at. Empty where all are to be, as with a cut.
[[nodiscard]] Looked firings_at(const std::vector<AlertRule>& rules, const Projections& projections, const std::optional<Cut>& cut,
                                const AlertTime& time, std::map<std::string, Cut>& balanced);

}  // namespace bukubesar
