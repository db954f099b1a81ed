#include "adapters/demo_run.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace bukubesar {

namespace {

using Json = nlohmann::json;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kWindowEventsMax = 2'000;      // handed to the sink at once
constexpr std::uint64_t kWindowBytesMax = 8U << 20;  // and no more bytes than that
constexpr auto kTick = std::chrono::milliseconds(100);
// send() returns when all is stored, so only one window is ever in doubt; another one for a run that was itself continuing.
constexpr std::size_t kUncertainMax = 2 * kWindowEventsMax;

absl::StatusOr<Json> get_json(HttpClient& client, const std::string& target) {
  ASSIGN_OR_RETURN(const HttpResponse response, client.get(target));
  RETURN_IF_ERROR(status_of(response));
  Json json = Json::parse(response.body, nullptr, false);
  if (!json.is_object()) return unavailable("GET {}: no JSON object", target);
  return json;
}

std::string cut_text(const Json& cut) {
  std::string text;
  for (const auto& [partition, size] : cut.items())
    if (size.is_number_unsigned()) text += fmt::format("{}{}={}", text.empty() ? "" : ",", partition, size.get<std::uint64_t>());
  return text;
}

// Asks a running server how far an earlier run came.
class Position {
 public:
  Position(HttpClient& client, const DemoPlan& plan) : client_(client), plan_(plan) {}

  // The axis second of the newest known event; -1: none.
  absl::StatusOr<std::int64_t> newest() {
    ASSIGN_OR_RETURN(const Json cuts, get_json(client_, "/v1/cut"));
    if (cuts.contains("committed") && cuts["committed"].is_object()) min_cut_ = cut_text(cuts["committed"]);
    RETURN_IF_ERROR(check_same_demo());
    std::int64_t known = -1;
    std::int64_t unknown = kDemoDaysMax * kDaySeconds;
    ASSIGN_OR_RETURN(const bool any, has_events_from(0));
    if (!any) return known;
    known = 0;
    while (unknown - known > 1) {
      const std::int64_t middle = known + (unknown - known) / 2;
      ASSIGN_OR_RETURN(const bool later, has_events_from(middle));
      (later ? known : unknown) = middle;
    }
    return known;
  }

  // How many events of the purchase the ledger has taken in.
  absl::StatusOr<std::size_t> known_steps(const std::string& subject) {
    const auto response = client_.get(fmt::format("/v1/purchases/{}?min_cut={}", percent_encode(subject), percent_encode(min_cut_)));
    if (!response.ok()) return response.status();
    if (response->status == 404) return std::size_t{0};
    RETURN_IF_ERROR(status_of(*response));
    const Json json = Json::parse(response->body, nullptr, false);
    if (!json.is_object() || !json.contains("history") || !json["history"].is_array())
      return unavailable("GET /v1/purchases/{}: no history", subject);
    return json["history"].size();
  }

 private:
  // Two demos in one ledger would double the figures.
  absl::Status check_same_demo() {
    ASSIGN_OR_RETURN(const Json page, get_json(client_, fmt::format("/v1/purchases?feed={}&limit=1&min_cut={}", percent_encode(kDemoSource),
                                                                    percent_encode(min_cut_))));
    const auto rows = page.find("purchases");
    if (rows == page.end() || !rows->is_array() || rows->empty()) return absl::OkStatus();
    const std::string id = (*rows)[0].value("id", "");
    const std::string own = fmt::format("/sintetis-{}-", plan_.options().seed);
    const std::string own_bulk = fmt::format("/sintetis-{}b-", plan_.options().seed);
    if (id.find(own) != std::string::npos || id.find(own_bulk) != std::string::npos) return absl::OkStatus();
    return failed_precondition("the ledger holds another demo ({}): give its --seed, or use a new data directory", id);
  }

  absl::StatusOr<bool> has_events_from(std::int64_t axis_seconds) {
    const std::string from = format_instant_ms(demo_instant_ms(axis_seconds), 0);
    ASSIGN_OR_RETURN(const Json totals,
                     get_json(client_, fmt::format("/v1/totals?by=stage&feed={}&from={}&min_cut={}", percent_encode(kDemoSource),
                                                   percent_encode(from), percent_encode(min_cut_))));
    const auto rows = totals.find("rows");
    if (rows == totals.end() || !rows->is_array()) return unavailable("GET /v1/totals: no rows");
    return !rows->empty();
  }

  HttpClient& client_;
  const DemoPlan& plan_;
  std::string min_cut_;
};

class DemoRun {
 public:
  DemoRun(const DemoRunOptions& options, EventSink& sink, HttpClient* reader, const ShowDemo& show)
      : options_(options), sink_(sink), reader_(reader), show_(show), plan_(options.demo), stream_(plan_), ids_(demo_event_ids()) {}

  absl::StatusOr<DemoReport> run() {
    if (reader_ != nullptr) RETURN_IF_ERROR(pass_known());
    started_ = SteadyClock::now();
    DemoItem item;
    while (progress_.sent + window_.size() < options_.events_max) {
      if (!stream_.next(item)) {
        report_.year_over = true;
        break;
      }
      if (options_.until_ms && demo_instant_ms(item.at) >= *options_.until_ms) break;
      RETURN_IF_ERROR(take(item));
    }
    RETURN_IF_ERROR(send_window());
    RETURN_IF_ERROR(sink_.flush());
    show_now();
    const double seconds = std::chrono::duration<double>(SteadyClock::now() - started_).count();
    progress_.rate = seconds > 0 ? static_cast<double>(progress_.sent) / seconds : 0;  // of the whole run
    report_.last = progress_;
    report_.published = sink_.counts();
    report_.open_purchases_max = stream_.open_purchases_max();
    return report_;
  }

 private:
  absl::Status pass_known() {
    Position position(*reader_, plan_);
    ASSIGN_OR_RETURN(const std::int64_t newest, position.newest());
    if (newest < 0) return absl::OkStatus();
    report_.continued_from_ms = demo_instant_ms(newest);
    std::deque<DemoItem> uncertain;
    DemoItem item;
    bool more = stream_.next(item);
    for (; more && item.at <= newest; more = stream_.next(item)) {
      uncertain.push_back(item);
      if (uncertain.size() > kUncertainMax) uncertain.pop_front();
      ++progress_.passed;
    }
    progress_.simulated_ms = demo_instant_ms(newest);
    std::map<std::pair<bool, std::uint64_t>, std::size_t> known;
    for (const DemoItem& near : uncertain) RETURN_IF_ERROR(take_uncertain(near, position, known));
    return more ? take(item) : absl::OkStatus();
  }

  absl::Status take_uncertain(const DemoItem& item, Position& position, std::map<std::pair<bool, std::uint64_t>, std::size_t>& known) {
    if (item.kind == DemoItem::Kind::vendor_fact) return take(item);  // deterministic ids: known ones come back as duplicates
    if (item.kind != DemoItem::Kind::step) return absl::OkStatus();
    const auto key = std::make_pair(item.bulk, item.index);
    auto at = known.find(key);
    if (at == known.end()) {
      const DemoPurchase purchase = plan_.purchase(item.bulk, item.index);
      ASSIGN_OR_RETURN(const std::size_t steps, position.known_steps(plan_.subject(purchase)));
      at = known.emplace(key, steps).first;
    }
    if (item.step < at->second) return absl::OkStatus();
    --progress_.passed;
    return take(item);
  }

  absl::Status take(const DemoItem& item) {
    if (item.kind == DemoItem::Kind::bad) ++report_.bad_sent;
    window_.push_back(stream_.build(item, ids_));
    window_bytes_ += window_.back().value ? window_.back().value->size() : 0;
    progress_.simulated_ms = demo_instant_ms(item.at);
    const std::size_t full =
        options_.rate <= 0 ? kWindowEventsMax : std::clamp<std::size_t>(static_cast<std::size_t>(options_.rate / 10), 1, kWindowEventsMax);
    if (window_.size() < full && window_bytes_ < kWindowBytesMax) return absl::OkStatus();
    return send_window();
  }

  absl::Status send_window() {
    if (window_.empty()) return absl::OkStatus();
    if (options_.rate > 0) {
      const auto due = started_ + std::chrono::duration_cast<SteadyClock::duration>(
                                      std::chrono::duration<double>(static_cast<double>(progress_.sent) / options_.rate));
      std::this_thread::sleep_until(due);
    }
    RETURN_IF_ERROR(sink_.send(window_));
    progress_.sent += window_.size();
    window_.clear();
    window_bytes_ = 0;
    if (SteadyClock::now() - shown_ >= kTick) show_now();
    return absl::OkStatus();
  }

  void show_now() {
    const auto now = SteadyClock::now();
    const double seconds = std::chrono::duration<double>(now - shown_).count();
    if (shown_ != SteadyClock::time_point{} && seconds > 0) progress_.rate = static_cast<double>(progress_.sent - sent_shown_) / seconds;
    shown_ = now;
    sent_shown_ = progress_.sent;
    progress_.purchases = stream_.purchases_begun();
    progress_.broad_kalsel = stream_.broad_kalsel_sen();
    show_(progress_);
  }

  const DemoRunOptions& options_;
  EventSink& sink_;
  HttpClient* reader_;
  const ShowDemo& show_;
  const DemoPlan plan_;
  DemoStream stream_;
  EventIds ids_;
  DemoReport report_;
  DemoProgress progress_;
  std::vector<Outgoing> window_;
  std::uint64_t window_bytes_ = 0;
  SteadyClock::time_point started_{}, shown_{};
  std::uint64_t sent_shown_ = 0;
};

}  // namespace

absl::StatusOr<DemoReport> run_demo(const DemoRunOptions& options, EventSink& sink, HttpClient* reader, const ShowDemo& show) {
  if (options.demo.purchases < kDemoPurchasesMin || options.demo.purchases > kDemoPurchasesMax)
    return invalid_argument("--purchases {}: want {} to {}", options.demo.purchases, kDemoPurchasesMin, kDemoPurchasesMax);
  if (options.rate < 0) return invalid_argument("--rate {}: want 0 (as fast as possible) or more", options.rate);
  return DemoRun(options, sink, reader, show).run();
}

}  // namespace bukubesar
