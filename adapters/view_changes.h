// View changes as records of a compacted topic, in the form that Kafka Connect's JsonConverter reads: {"schema": …, "payload": …}, in
// keys and values alike. docs/CHANGELOG_TOPIC.md has it with an example.
//
// Errors  Unavailable: an answer of GET /v1/views/{name} is not what the route promises.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace bukubesar {

struct ViewRecord {
  std::string key;
  std::optional<std::string> value;  // nothing: the row is no more
};

// What a topic says of one view.
struct ViewRows {
  std::string cut;                          // "0=812,reference=97"; empty: the topic has nothing of it
  std::map<std::string, std::string> rows;  // key → payload without the cut, by which a change is told
};

struct ViewAnswer {
  std::string name, cut;
  std::vector<std::string> by;
  std::map<std::string, std::string> rows;     // key → payload without the cut
  std::map<std::string, std::string> records;  // key → value, whole
};
[[nodiscard]] absl::StatusOr<ViewAnswer> parse_view_answer(std::string_view body);

// What turns `before` into `now`: rows that differ or are new, rows that are gone, and last the record that carries the cut.
[[nodiscard]] std::vector<ViewRecord> changes_of(const ViewRows& before, const ViewAnswer& now);
// Takes a record that was read into account. False: it is none of ours.
[[nodiscard]] bool apply_record(std::string_view key, std::optional<std::string_view> value, std::map<std::string, ViewRows>& views);

}  // namespace bukubesar
