#include "adapters/postgres_sink.h"

#include <fmt/format.h>

#include <chrono>

#include "adapters/patience.h"
#include "adapters/postgres_store.h"
#include "base/status.h"

namespace bukubesar {

namespace {

// From a fresh connection on, until something does not answer or the end is asked for.
absl::Status follow(const PostgresSinkOptions& options, Patience& patience, MartStatus& status) {
  HttpClientOptions http = options.client;
  http.attempts_max = 1;  // the waiting is Patience's, where it can be said and stopped
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(http));
  ASSIGN_OR_RETURN(HttpClient ahead, HttpClient::make(http));
  ASSIGN_OR_RETURN(const std::unique_ptr<PostgresStore> store, PostgresStore::connect(options.database));
  MartLoader loader(client, ahead, *store, {options.page_rows, "", options.progress});
  RETURN_IF_ERROR(loader.open());
  if (const absl::Status readers = store->prepare_readers(); !readers.ok())
    patience.say(fmt::format("the role bi_reader could not be made or granted: {}", message_of(readers)));
  while (!patience.stopping()) {
    RETURN_IF_ERROR(loader.catch_up(std::string(mart_postgres_text())));
    if (status.cut != loader.status().cut)
      patience.say(fmt::format("at {}: {} transfers, {} findings stored since it connected", loader.status().cut.text(),
                               loader.status().transfers, loader.status().findings));
    status = loader.status();
    patience.went_well();
    if (options.once) break;
    patience.wait(std::chrono::milliseconds(options.interval_ms));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<MartStatus> run_postgres_sink(const PostgresSinkOptions& options, const std::atomic<bool>& stopping) {
  Patience patience(stopping, options.say);
  MartStatus status;
  const auto once = [&] { return follow(options, patience, status); };
  RETURN_IF_ERROR(options.once ? once() : patience.run(once));
  return status;
}

}  // namespace bukubesar
