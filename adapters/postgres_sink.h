// The PostgreSQL sink: a mart that follows a server, for as long as it is wanted. Whatever does not answer is tried again, with backoff.
//
// Threads  one, and one that reads ahead.
// Errors   what trying again would not change: another ledger, a schema of another version, a refused statement, no role to read.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "adapters/http_client.h"
#include "adapters/mart_load.h"
#include "base/progress.h"

namespace bukubesar {

struct PostgresSinkOptions {
  HttpClientOptions client;
  std::string database;  // libpq's connection string
  std::uint64_t page_rows = 50'000;
  std::uint32_t interval_ms = 500;  // between two looks at the server
  bool once = false;                // end when the mart is where the server is; then nothing is tried again
  Progress progress;
  std::function<void(std::string_view)> say;  // what an operator should know: a state that changed
};

// Returns when `stopping` is set, or with `once` when the mart is where the server is.
[[nodiscard]] absl::StatusOr<MartStatus> run_postgres_sink(const PostgresSinkOptions& options, const std::atomic<bool>& stopping);

}  // namespace bukubesar
