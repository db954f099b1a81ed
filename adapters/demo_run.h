// Demo run: sends the stream at a pace, and continues where an earlier run stopped.
//
// Continuing  ids are a function of the seed, so sending everything again would be harmless, but slow, and would fill the ledger with
//             duplicates. So the run asks the server for the newest event time of the feed (bisection over totals), passes what is
//             earlier unsent, and asks purchase by purchase about the events near that time, whose order several connections may have
//             changed. What can't be asked about there (facts) is sent again.
// Errors      as the sink's; FailedPrecondition where the ledger holds a demo of another seed or size that would mix with this one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "adapters/demo_stream.h"
#include "adapters/http_client.h"
#include "adapters/publisher.h"

namespace bukubesar {

struct DemoRunOptions {
  DemoOptions demo;
  double rate = 0;                       // events a second; 0: as fast as they are taken
  std::optional<std::int64_t> until_ms;  // stop before events of this time
  std::uint64_t events_max = ~std::uint64_t{0};
};

struct DemoProgress {
  std::int64_t simulated_ms = 0;
  std::uint64_t sent = 0, passed = 0;  // passed: known to the ledger already
  std::uint64_t purchases = 0;
  MoneySum broad_kalsel = 0;  // what the calibrated figure has come to
  double rate = 0;            // events a second, lately
};
using ShowDemo = std::function<void(const DemoProgress&)>;

struct DemoReport {
  DemoProgress last;
  PublishCounts published;
  std::uint64_t bad_sent = 0;
  std::uint64_t open_purchases_max = 0;
  bool year_over = false;
  std::optional<std::int64_t> continued_from_ms;
};

// reader: null where there is no server to ask (Kafka, file): then everything is sent.
[[nodiscard]] absl::StatusOr<DemoReport> run_demo(const DemoRunOptions& options, EventSink& sink, HttpClient* reader, const ShowDemo& show);

}  // namespace bukubesar
