#include "adapters/kafka_sink.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "adapters/json_answer.h"
#include "adapters/patience.h"
#include "base/cut.h"
#include "base/status.h"

namespace bukubesar {

namespace {

using OrderedJson = nlohmann::ordered_json;

absl::StatusOr<OrderedJson> get(HttpClient& client, const std::string& target) {
  ASSIGN_OR_RETURN(const HttpResponse response, client.get(target));
  RETURN_IF_ERROR(status_of(response));
  OrderedJson json = OrderedJson::parse(response.body, nullptr, false);
  if (!json.is_object()) return unavailable("GET {}: no JSON object", target);
  return json;
}

absl::StatusOr<std::vector<std::string>> all_views(HttpClient& client) {
  ASSIGN_OR_RETURN(const OrderedJson json, get(client, "/v1/views"));
  std::vector<std::string> names;
  if (json.contains("views"))
    for (const OrderedJson& view : json["views"])
      if (view.is_object() && view.contains("name") && view["name"].is_string()) names.push_back(view["name"].get<std::string>());
  return names;
}

absl::StatusOr<std::string> current_cut(HttpClient& client) {
  ASSIGN_OR_RETURN(const OrderedJson json, get(client, "/v1/cut"));
  return json.contains("cut") ? cut_text(json["cut"]) : std::string();
}

// All views at one cut, in one transaction.
absl::Status bring_to(const std::string& cut, const std::vector<std::string>& views, HttpClient& client, KafkaChangelog& topic,
                      KafkaSinkStatus& status) {
  std::vector<ViewRecord> records;
  for (const std::string& name : views) {
    const auto known = topic.views().find(name);
    const ViewRows before = known == topic.views().end() ? ViewRows{} : known->second;
    if (before.cut == cut) continue;
    if (!before.cut.empty()) {
      ASSIGN_OR_RETURN(const Cut was, Cut::parse(before.cut));
      ASSIGN_OR_RETURN(const Cut is, Cut::parse(cut));
      if (!is.covers(was))
        return failed_precondition("the topic has view {} at {}, the server is at {}: another ledger, or a copy that is behind", name,
                                   before.cut, cut);
    }
    ASSIGN_OR_RETURN(const HttpResponse response, client.get("/v1/views/" + percent_encode(name) + "?as_of=" + percent_encode(cut)));
    RETURN_IF_ERROR(status_of(response));
    ASSIGN_OR_RETURN(const ViewAnswer now, parse_view_answer(response.body));
    const std::vector<ViewRecord> changes = changes_of(before, now);
    records.insert(records.end(), changes.begin(), changes.end());
  }
  if (records.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(topic.write(records));
  status.records += records.size();
  ++status.transactions;
  return absl::OkStatus();
}

absl::Status follow(const KafkaSinkRun& run, Patience& patience, KafkaSinkStatus& status) {
  HttpClientOptions http = run.client;
  http.attempts_max = 1;  // the waiting is Patience's, where it can be said and stopped
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(http));
  std::vector<std::string> views = run.views;
  if (views.empty()) {
    ASSIGN_OR_RETURN(views, all_views(client));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<KafkaChangelog> topic, KafkaChangelog::open(run.topic));
  while (!patience.stopping()) {
    ASSIGN_OR_RETURN(const std::string cut, current_cut(client));
    if (cut != status.cut) {
      RETURN_IF_ERROR(bring_to(cut, views, client, *topic, status));
      patience.say(fmt::format("at {}: {} records in {} transactions written by this run", cut, status.records, status.transactions));
      status.cut = cut;
    }
    patience.went_well();
    if (run.once) break;
    patience.wait(std::chrono::milliseconds(run.interval_ms));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<KafkaSinkStatus> run_kafka_sink(const KafkaSinkRun& run, const std::atomic<bool>& stopping) {
  Patience patience(stopping, run.say);
  KafkaSinkStatus status;
  const auto once = [&] { return follow(run, patience, status); };
  RETURN_IF_ERROR(run.once ? once() : patience.run(once));
  return status;
}

}  // namespace bukubesar
