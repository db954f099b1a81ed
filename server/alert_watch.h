// AlertWatch: looks at new cuts, remembers what began to fire and what ended, tells the log, and a webhook.
//
// A firing begins when an alert fires about something (a district, a partition) that it did not fire about at the look before, and ends
// when it no longer does. Each has an id for life and is delivered once it has begun: the post is repeated, with the same id, until the
// other side answers 2xx, and never after that was noted. <data_dir>/alerts.jsonl has every beginning, end and delivery, a line each.
//
// Threads  one looks, one delivers; a webhook that hangs keeps neither the looks nor anything else waiting. Reads from any thread.
// Limits   kFiringsMax firings at once: beyond it the rest is counted and said, not kept. kPendingMax wait for the webhook: beyond it the
//          oldest of those that have ended are dropped, which the log says. kLinesOverMax lines are kept of firings that are over: beyond
//          it the next start rewrites the file to what fires or waits.
// Crash    between an answer and its note in the file the same firing is posted again, with the same id; so it is after a stop meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cut.h"
#include "server/alert_rules.h"
#include "server/json.h"

namespace bukubesar {

class Node;

inline constexpr std::size_t kFiringsMax = 10'000;
inline constexpr std::size_t kPendingMax = kFiringsMax;  // so that of more, some have ended
inline constexpr std::size_t kLinesOverMax = 20'000;

struct KnownFiring {
  std::string id;  // of this beginning
  Firing what;
  Cut since;
  bool posted = false;  // it is for the webhook
  bool delivered = false;
};

struct AlertState {
  Cut cut;  // of the last look at figures
  std::vector<KnownFiring> firing;
  std::uint64_t pending = 0;  // begun and not delivered
  std::uint64_t left_out = 0;
  std::string trouble;  // of the last look or delivery; empty: none
};

// As routes, stream and webhook say it: codes and values for programs, title and detail in both languages for people.
[[nodiscard]] Json firing_json(const AlertSettings& settings, const Firing& firing);

class AlertWatch {
 public:
  // Reads <data_dir>/alerts.json, else what is built in, and what was known. InvalidArgument: the file is wrong. DataLoss: alerts.jsonl is.
  static absl::StatusOr<std::unique_ptr<AlertWatch>> open(Node& node);
  ~AlertWatch();
  void start();
  // Never blocks: a look and a post that are under way end soon. From any thread.
  void begin_stop();
  // Begins it and waits for the end. Idempotent.
  void stop();

  [[nodiscard]] const AlertSettings& settings() const;
  [[nodiscard]] AlertState state() const;
  // What fires at a cut, of the kinds that a cut decides.
  [[nodiscard]] absl::StatusOr<std::vector<Firing>> at(const Cut& cut) const;

 private:
  struct Impl;
  explicit AlertWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
