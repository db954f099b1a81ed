// Metrics: Prometheus text. Events are counted where they happen; everything else is read when somebody asks.
//
// Threads  any.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ledger/commit.h"
#include "ledger/ledger.h"

namespace bukubesar {

class Node;

class Metrics {
 public:
  Metrics();

  // Kafka timestamps of one commit, as (timestamp, how many): for the end-to-end delay.
  using Stamps = std::vector<std::pair<std::int64_t, std::uint64_t>>;
  [[nodiscard]] static Stamps stamps_of(const Commit& commit);

  void observe_commit(const Commit& commit);
  void observe_visible(const Stamps& stamps, std::int64_t now_ms);
  void count_unmeasured() { unmeasured_.Increment(); }
  void observe_http(std::string_view route, std::string_view method, unsigned status, std::chrono::nanoseconds took);
  void count_signing(bool ok);

  // Everything, in the text format.
  [[nodiscard]] std::string text(Node& node) const;

 private:
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  prometheus::Family<prometheus::Counter>& verdicts_;
  prometheus::Histogram& delay_;
  prometheus::Counter& unmeasured_;
  prometheus::Family<prometheus::Counter>& http_requests_;
  prometheus::Family<prometheus::Histogram>& http_duration_;
  prometheus::Family<prometheus::Counter>& signings_;
};

}  // namespace bukubesar
