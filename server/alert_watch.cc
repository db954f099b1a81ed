#include "server/alert_watch.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "adapters/http_client.h"
#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/file.h"
#include "base/private_file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/thread.h"
#include "server/json.h"
#include "server/node.h"

namespace bukubesar {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A look takes at most a twentieth of a core's time, and comes once a minute at least: the longer nobody looked, the more there is to add.
constexpr int kLookShare = 20;
constexpr milliseconds kPauseMost{60'000};
// While a backlog comes in, its figures are of the past and soon others; where entries come in faster than any purchasing makes them, both
// cores may be busy with them. Then figures are looked at seldom.
constexpr std::int64_t kBacklogRecords = 100'000;
constexpr double kBusyEntriesPerSecond = 50'000;
constexpr std::chrono::minutes kBusyLooks{5};
constexpr milliseconds kBackoffFirst{500}, kBackoffMost{60'000};
constexpr std::size_t kIdDigits = 32;

std::string place(const std::string& data_dir, const char* name) { return data_dir + "/" + name; }

// What of a firing makes it another one.
std::pair<std::string, std::string> about(const Firing& firing) { return {firing.alert, firing.key}; }

Json line_of(std::string_view what, const KnownFiring& firing, const Cut& at) {
  return {{"what", what},
          {"id", firing.id},
          {"alert", firing.what.alert},
          {"kind", name_of(firing.what.kind)},
          {"key", firing.what.key},
          {"about", firing.what.about},
          {"severity", firing.what.severity},
          {"values", firing.what.values},
          {"detail", firing.what.detail().en},
          {"posted", firing.posted},
          {"cut", at.text()}};
}

std::string lines_of(std::string_view what, const std::vector<KnownFiring>& firings, const Cut& at) {
  std::string lines;
  for (const KnownFiring& one : firings) lines += to_text(line_of(what, one, at)) + "\n";
  return lines;
}

std::map<std::string, std::string> texts_in(const Json& line, const char* member) {
  std::map<std::string, std::string> texts;
  const auto found = line.find(member);
  if (found == line.end() || !found->is_object()) return texts;
  for (const auto& [name, value] : found->items())
    if (value.is_string()) texts.emplace(name, value.get<std::string>());
  return texts;
}

// The kinds that no cut decides.
bool is_of_the_node(AlertKind kind) { return kind == AlertKind::intake_lag || kind == AlertKind::unverifiable; }

std::uint64_t entries_of(const Cut& cut) {
  std::uint64_t entries = 0;
  for (const auto& [partition, size] : cut.sizes()) entries += size;
  return entries;
}

// "https://host:8443/hook?x=1" → the part before the path, and the rest.
std::pair<std::string, std::string> split_url(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t path = scheme == std::string::npos ? std::string::npos : url.find('/', scheme + 3);
  return path == std::string::npos ? std::pair(url, std::string("/")) : std::pair(url.substr(0, path), url.substr(path));
}

}  // namespace

Json firing_json(const AlertSettings& settings, const Firing& firing) {
  const auto of_its_name = [&firing](const AlertRule& rule) { return rule.name == firing.alert; };
  const auto rule = std::find_if(settings.rules.begin(), settings.rules.end(), of_its_name);
  const AlertText title = rule == settings.rules.end() ? AlertText{firing.alert, firing.alert} : AlertText{rule->title_id, rule->title_en};
  const AlertText detail = firing.detail();
  return {{"alert", firing.alert},       {"kind", name_of(firing.kind)},
          {"key", firing.key},           {"about", firing.about},
          {"severity", firing.severity}, {"title", {{"id", title.id}, {"en", title.en}}},
          {"values", firing.values},     {"detail", {{"id", detail.id}, {"en", detail.en}}}};
}

struct AlertWatch::Impl {
  explicit Impl(Node& the_node) : node(the_node) {}

  absl::Status read_known();
  absl::Status take_line(const Json& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void leave_out_what_is_over(std::string_view text) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void look_loop();
  absl::Status look();
  [[nodiscard]] bool figures_are_due(const Cut& cut) const;
  [[nodiscard]] Json stream_event(const KnownFiring& firing, bool begins) const;
  struct News {
    std::vector<KnownFiring> ended, begun;
    std::uint64_t left_out = 0;
  };
  void note(const std::vector<Firing>& firings, const Cut& cut);
  [[nodiscard]] News compare(const std::vector<Firing>& firings, const Cut& cut);
  void drop_what_waits_in_vain(const Cut& cut);
  void deliver_loop();
  absl::Status deliver(HttpClient& client, const std::string& secret, const std::string& target, const KnownFiring& firing);
  absl::StatusOr<Looked> at(const std::optional<Cut>& cut, std::map<std::string, Cut>& views_balanced) const;
  std::vector<Firing> of_the_node() const;
  // Nothing where it has ended.
  [[nodiscard]] KnownFiring* still_firing(const KnownFiring& one) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto at = firing.find(about(one.what));
    return at != firing.end() && at->second.id == one.id ? &at->second : nullptr;
  }
  [[nodiscard]] bool fires_already(const std::string& alert, const std::string& key) const {
    absl::MutexLock lock(&mutex);
    return firing.count({alert, key}) != 0;
  }
  bool append(const std::string& lines) ABSL_LOCKS_EXCLUDED(mutex, file_mutex);
  // True: stop was asked for.
  bool wait(milliseconds time) {
    absl::MutexLock lock(&mutex);
    return mutex.AwaitWithTimeout(absl::Condition(&stopping), absl::FromChrono(time));
  }

  Node& node;
  AlertSettings settings;
  std::string path;
  // The looking thread's alone. What was known at the start stands until figures can be looked at.
  Looked of_figures;
  Cut figures_cut;
  std::map<std::string, Cut> balanced;
  struct Look {
    steady_clock::time_point time;
    std::uint64_t entries = 0;
  };
  std::optional<Look> figures_looked_at;

  const AbandonedFlag abandoned = std::make_shared<std::atomic<bool>>(false);  // what a stop does not wait for
  absl::Mutex file_mutex;                                                      // one append at a time; nobody who reads the state waits
  mutable absl::Mutex mutex;
  bool stopping ABSL_GUARDED_BY(mutex) = false;
  std::map<std::pair<std::string, std::string>, KnownFiring> firing ABSL_GUARDED_BY(mutex);
  std::deque<KnownFiring> pending ABSL_GUARDED_BY(mutex);
  Cut looked_at ABSL_GUARDED_BY(mutex);
  std::uint64_t left_out ABSL_GUARDED_BY(mutex) = 0;
  std::string look_trouble ABSL_GUARDED_BY(mutex), delivery_trouble ABSL_GUARDED_BY(mutex);
  std::thread looking, delivering;
};

AlertWatch::AlertWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AlertWatch::~AlertWatch() { stop(); }

absl::StatusOr<std::unique_ptr<AlertWatch>> AlertWatch::open(Node& node) {
  auto impl = std::make_unique<Impl>(node);
  const std::string own = place(node.config().data_dir, "alerts.json");
  const absl::StatusOr<std::string> text = read_file(own);
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  auto settings = parse_alerts(text.ok() ? std::string_view(*text) : default_alerts_text());
  if (!settings.ok()) return with_context(settings.status(), text.ok() ? own : "the alerts that are built in");
  impl->settings = *std::move(settings);
  impl->path = place(node.config().data_dir, "alerts.jsonl");
  RETURN_IF_ERROR(impl->read_known());
  return std::unique_ptr<AlertWatch>(new AlertWatch(std::move(impl)));
}

absl::Status AlertWatch::Impl::read_known() {
  const absl::StatusOr<std::string> text = read_file(path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  if (!text.ok()) return text.status();
  absl::MutexLock lock(&mutex);
  std::size_t number = 0;
  for (std::size_t at = 0; at < text->size(); ++number) {
    const std::size_t end = text->find('\n', at);
    if (end == std::string::npos) {
      // A line that a crash cut off said nothing to anybody yet.
      RETURN_IF_ERROR(write_file_durably(path, text->substr(0, at)));
      break;
    }
    const Json line = Json::parse(text->substr(at, end - at), nullptr, false);
    if (const absl::Status taken = take_line(line); !taken.ok()) return data_loss("{}:{}: {}", path, number + 1, message_of(taken));
    at = end + 1;
  }
  for (const auto& [key, known] : firing)
    if (!is_of_the_node(known.what.kind)) of_figures.firings.push_back(known.what);
  if (number > kLinesOverMax) leave_out_what_is_over(*text);
  return absl::OkStatus();
}

// Lines stay as they were written: what one of another program means is not for this one to say again.
void AlertWatch::Impl::leave_out_what_is_over(std::string_view text) {
  std::set<std::string> ids;
  for (const auto& [key, known] : firing) ids.insert(known.id);
  for (const KnownFiring& one : pending) ids.insert(one.id);
  std::string kept;
  std::size_t over = 0;
  for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
    const std::string_view line = text.substr(0, end + 1);
    text.remove_prefix(line.size());
    if (ids.count(Json::parse(line).value("id", "")) != 0)
      kept += line;
    else
      ++over;
  }
  if (over <= kLinesOverMax) return;
  const absl::Status written = write_file_durably(path, kept);
  if (!written.ok()) spdlog::warn("alerts: {} stays as long as it is: {}", path, message_of(written));
}

absl::Status AlertWatch::Impl::take_line(const Json& line) {
  if (!line.is_object()) return data_loss("no JSON object");
  KnownFiring known;
  known.id = line.value("id", "");
  known.what.alert = line.value("alert", "");
  known.what.key = line.value("key", "");
  known.what.severity = line.value("severity", "");
  // Lines of a program that wrote down no values: the next look has them.
  known.what.kind = parse_alert_kind(line.value("kind", "")).value_or(AlertKind::unverifiable);
  known.what.about = texts_in(line, "about");
  known.what.values = line.contains("values") ? texts_in(line, "values") : AlertValues{{"why", line.value("detail", "")}};
  const std::string what = line.value("what", "");
  const auto same_id = [&known](const KnownFiring& one) { return one.id == known.id; };
  if (what == "began") {
    ASSIGN_OR_RETURN(known.since, Cut::parse(line.value("cut", "")));
    // What began while there was no webhook is not for the one that came later.
    known.posted = !settings.webhook_url.empty() && line.value("posted", true);
    firing[about(known.what)] = known;
    if (known.posted) pending.push_back(known);
  } else if (what == "ended") {
    firing.erase(about(known.what));
  } else if (what == "delivered") {
    std::erase_if(pending, same_id);
    if (KnownFiring* const at = still_firing(known)) at->delivered = true;
  } else if (what == "dropped") {
    std::erase_if(pending, same_id);
  } else {
    return data_loss("'{}' is none of began, ended, delivered, dropped", what);
  }
  return absl::OkStatus();
}

void AlertWatch::start() {
  impl_->looking = std::thread([this] { impl_->look_loop(); });
  if (!impl_->settings.webhook_url.empty()) impl_->delivering = std::thread([this] { impl_->deliver_loop(); });
}

void AlertWatch::begin_stop() {
  *impl_->abandoned = true;
  absl::MutexLock lock(&impl_->mutex);
  impl_->stopping = true;
}

void AlertWatch::stop() {
  begin_stop();
  if (impl_->looking.joinable()) impl_->looking.join();
  if (impl_->delivering.joinable()) impl_->delivering.join();
}

void AlertWatch::Impl::look_loop() {
  name_own_thread("alerts");
  lower_own_priority(kBehindOthers, "alerts");
  const ComputesFor looker(abandoned);
  milliseconds pause{0};
  while (!wait(pause)) {
    const milliseconds begun = own_processor_time();
    const absl::Status looked = look();
    if (absl::IsCancelled(looked)) return;
    if (!looked.ok()) spdlog::warn("alerts: {}", message_of(looked));
    {
      absl::MutexLock lock(&mutex);
      look_trouble = looked.ok() ? "" : message_of(looked);
    }
    const milliseconds interval(settings.interval_ms);
    pause = std::clamp((own_processor_time() - begun) * kLookShare, interval, std::max(interval, kPauseMost));
  }
}

absl::Status AlertWatch::Impl::look() {
  if (!node.readable().ok()) return absl::OkStatus();
  const Cut cut = node.projections().cut();
  if (figures_are_due(cut)) {
    ASSIGN_OR_RETURN(Looked looked, at(std::nullopt, balanced));
    RETURN_IF_ERROR(still_wanted());
    // What an alert said stands until it can be looked at again.
    for (const Firing& one : of_figures.firings)
      if (looked.failed.count(one.alert) != 0) looked.firings.push_back(one);
    of_figures = std::move(looked);
    figures_cut = cut;
    figures_looked_at = {steady_clock::now(), entries_of(cut)};
  }
  std::vector<Firing> firings = of_figures.firings;
  const std::vector<Firing> own = of_the_node();
  firings.insert(firings.end(), own.begin(), own.end());
  note(firings, cut);
  return of_figures.failed.empty() ? absl::OkStatus() : of_figures.failed.begin()->second;
}

// Not beside the building of the standing views, which would take the second core of two from the intake; seldom beside a backlog or a
// flood.
bool AlertWatch::Impl::figures_are_due(const Cut& cut) const {
  const std::vector<ViewInfo> views = node.projections().views();
  if (std::any_of(views.begin(), views.end(), [](const ViewInfo& view) { return view.build_progress < 1.0; })) return false;
  const std::vector<SourceStatus> sources = node.intake().sources();
  const bool backlog =
      std::any_of(sources.begin(), sources.end(), [](const SourceStatus& one) { return one.lag_records > kBacklogRecords; });
  if (!figures_looked_at) return true;
  const auto since = steady_clock::now() - figures_looked_at->time;
  const double rate = static_cast<double>(entries_of(cut) - figures_looked_at->entries) / std::chrono::duration<double>(since).count();
  return (!backlog && rate < kBusyEntriesPerSecond) || since >= kBusyLooks;
}

absl::StatusOr<Looked> AlertWatch::Impl::at(const std::optional<Cut>& given, std::map<std::string, Cut>& views_balanced) const {
  const Cut cut = given ? *given : node.projections().cut();
  AlertTime time;
  time.zone_minutes = node.definition().zone_minutes;
  if (node.definition().clock != LedgerClock::none) {
    for (const auto& [partition, size] : cut.sizes()) {
      if (partition.is_reference() || size == 0) continue;
      ASSIGN_OR_RETURN(const std::int64_t ms, node.ledger().ledger_time_ms(partition, Sequence(size - 1)));
      if (ms != 0) time.ledger_time_ms = std::max(ms, time.ledger_time_ms.value_or(ms));
    }
  }
  time.size_at = [this](PartitionId partition, std::int64_t ms) { return node.ledger().size_at(partition, ms); };
  return firings_at(settings.rules, node.projections(), given, time, views_balanced);
}

// What the cut does not decide: how this node is.
std::vector<Firing> AlertWatch::Impl::of_the_node() const {
  std::vector<Firing> firings;
  const auto fire = [&firings](const AlertRule& rule, std::string key, std::map<std::string, std::string> about, AlertValues values) {
    firings.push_back({rule.name, std::move(key), rule.severity, rule.kind, std::move(about), std::move(values)});
  };
  for (const AlertRule& rule : settings.rules) {
    if (rule.kind == AlertKind::intake_lag) {
      // While nobody knows the lag (the broker is away, or the node has just started), what was said stands.
      for (const SourceStatus& source : node.intake().sources())
        if (source.lag_records < 0 ? fires_already(rule.name, source.partition.name())
                                   : source.lag_records > static_cast<std::int64_t>(rule.records))
          fire(rule, source.partition.name(), {{"partition", source.partition.name()}}, {{"records", fmt::format("{}", rule.records)}});
    } else if (rule.kind == AlertKind::unverifiable) {
      if (const std::string damage = node.damage_text(); !damage.empty()) fire(rule, "damage", {}, {{"why", damage}});
      if (node.witness_objects()) fire(rule, "witness", {}, {});
      if (const std::string failed = node.projections().status().failed; !failed.empty()) fire(rule, "projections", {}, {{"why", failed}});
    }
  }
  return firings;
}

// For topic `alerts` of the stream. The message is the same at the beginning and at the end.
Json AlertWatch::Impl::stream_event(const KnownFiring& known, bool begins) const {
  Json json = firing_json(settings, known.what);
  json["message"] = known.what.alert + ": " + known.what.key;
  json["id"] = known.id;
  json["firing"] = begins;
  return json;
}

bool AlertWatch::Impl::append(const std::string& lines) {
  absl::MutexLock lock(&file_mutex);
  const absl::Status written = append_file_durably(path, lines);
  if (!written.ok()) spdlog::error("alerts: {}: {}", path, message_of(written));
  return written.ok();
}

// What can't be written down has not happened: it is noticed again at the next look.
void AlertWatch::Impl::note(const std::vector<Firing>& firings, const Cut& cut) {
  const News news = compare(firings, cut);
  const std::string lines = lines_of("ended", news.ended, cut) + lines_of("began", news.begun, cut);
  if (!lines.empty() && !append(lines)) return;
  {
    absl::MutexLock lock(&mutex);
    looked_at = figures_cut;  // together with what fires there
    left_out = news.left_out;
    for (const KnownFiring& one : news.ended) firing.erase(about(one.what));
    for (const KnownFiring& one : news.begun) {
      firing.emplace(about(one.what), one);
      if (one.posted) pending.push_back(one);
    }
  }
  for (const KnownFiring& one : news.ended) {
    spdlog::info("alert {} about '{}' has ended at {}", one.what.alert, one.what.key, cut.text());
    node.stream().publish(stream_event(one, false));
  }
  for (const KnownFiring& one : news.begun) {
    const Firing& what = one.what;
    spdlog::warn("alert {} ({}) about '{}' at {}: {}", what.alert, what.severity, what.key, cut.text(), what.detail().en);
    node.stream().publish(stream_event(one, true));
  }
  drop_what_waits_in_vain(cut);
}

// What is new against what was known, which takes over the newest values of what fires on.
AlertWatch::Impl::News AlertWatch::Impl::compare(const std::vector<Firing>& firings, const Cut& cut) {
  News news;
  std::map<std::pair<std::string, std::string>, const Firing*> now;
  const std::size_t count = std::min(firings.size(), kFiringsMax);
  for (std::size_t i = 0; i < count; ++i) now.emplace(about(firings[i]), &firings[i]);
  absl::MutexLock lock(&mutex);
  news.left_out = firings.size() - count;
  for (const auto& [key, one] : firing)
    if (now.count(key) == 0) news.ended.push_back(one);
  for (const auto& [key, what] : now) {
    if (const auto there = firing.find(key); there != firing.end()) {
      there->second.what = *what;
      continue;
    }
    const std::string text = fmt::format("{}\n{}\n{}\n{}", node.definition().name, what->alert, what->key, cut.text());
    news.begun.push_back({hex(as_view(sha256(text))).substr(0, kIdDigits), *what, cut, !settings.webhook_url.empty(), false});
  }
  return news;
}

void AlertWatch::Impl::drop_what_waits_in_vain(const Cut& cut) {
  std::vector<KnownFiring> dropped;
  {
    absl::MutexLock lock(&mutex);
    if (pending.size() <= kPendingMax) return;
    std::size_t over = pending.size() - kPendingMax;
    std::erase_if(pending, [&](const KnownFiring& one) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
      if (over == 0 || still_firing(one) != nullptr) return false;
      --over;
      dropped.push_back(one);
      return true;
    });
  }
  if (dropped.empty()) return;
  spdlog::warn("alerts: the webhook has taken nothing for long: {} firings that have ended are not posted any more", dropped.size());
  (void)append(lines_of("dropped", dropped, cut));  // else they wait again after a restart
}

void AlertWatch::Impl::deliver_loop() {
  name_own_thread("webhook");
  const ComputesFor poster(abandoned);
  const std::pair<std::string, std::string> url = split_url(settings.webhook_url);
  milliseconds pause{100};
  while (!wait(pause)) {
    std::optional<KnownFiring> next;
    {
      absl::MutexLock lock(&mutex);
      if (!pending.empty()) next = pending.front();
    }
    if (!next) {
      pause = milliseconds(100);
      continue;
    }
    const auto attempt = [&]() -> absl::Status {
      ASSIGN_OR_RETURN(std::string secret, read_private_file(settings.webhook_secret_file));
      while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
      HttpClientOptions options;
      options.url = url.first;
      options.attempts_max = 1;
      options.connect_timeout_ms = options.answer_timeout_ms = settings.webhook_timeout_ms;
      options.body_bytes_max = 64 * 1024;
      ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(options));
      return deliver(client, secret, url.second, *next);
    };
    const absl::Status delivered = attempt();
    if (absl::IsCancelled(delivered)) return;
    const bool noted = delivered.ok() && append(lines_of("delivered", {*next}, next->since));
    absl::MutexLock lock(&mutex);
    delivery_trouble = delivered.ok() ? "" : message_of(delivered);
    if (noted) {
      std::erase_if(pending, [&next](const KnownFiring& one) { return one.id == next->id; });
      if (KnownFiring* const at = still_firing(*next)) at->delivered = true;
      pause = milliseconds(0);
    } else {
      // The first failure of a row is said; the next ones wait longer.
      pause = pause < kBackoffFirst ? kBackoffFirst : std::min(kBackoffMost, pause * 2);
      if (pause == kBackoffFirst) spdlog::warn("alerts: webhook {}: {}; trying again until it answers", url.first, message_of(delivered));
    }
  }
}

absl::Status AlertWatch::Impl::deliver(HttpClient& client, const std::string& secret, const std::string& target, const KnownFiring& one) {
  Json json = firing_json(settings, one.what);
  json["id"] = one.id;
  json["ledger"] = node.definition().name;
  json["cut"] = to_json(one.since);
  const std::string body = to_text(json);
  const HttpHeaders headers{{"Bukubesar-Firing", one.id}, {"Bukubesar-Signature", "sha256=" + hex(as_view(hmac_sha256(secret, body)))}};
  ASSIGN_OR_RETURN(const HttpResponse response, client.post(target, "application/json", body, headers));
  return status_of(response);
}

const AlertSettings& AlertWatch::settings() const { return impl_->settings; }
absl::StatusOr<std::vector<Firing>> AlertWatch::at(const Cut& cut) const {
  std::map<std::string, Cut> balanced;
  ASSIGN_OR_RETURN(const Looked looked, impl_->at(cut, balanced));
  if (!looked.failed.empty()) return looked.failed.begin()->second;
  return looked.firings;
}

AlertState AlertWatch::state() const {
  absl::MutexLock lock(&impl_->mutex);
  AlertState state;
  state.cut = impl_->looked_at;
  for (const auto& [key, one] : impl_->firing) state.firing.push_back(one);
  state.pending = impl_->pending.size();
  state.left_out = impl_->left_out;
  state.trouble = impl_->look_trouble.empty() ? impl_->delivery_trouble : impl_->look_trouble;
  return state;
}

}  // namespace bukubesar
