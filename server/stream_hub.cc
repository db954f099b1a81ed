#include "server/stream_hub.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/thread.h"
#include "server/entry_json.h"
#include "server/measures_json.h"
#include "server/node.h"

namespace bukubesar {

namespace {

constexpr std::chrono::milliseconds kProjectionsWait{100};  // for what is committed to be read, before a step goes on with what is

// A write to a client costs about 20 us (bench/web): frames come as seldom as it takes for all of them together to cost a twentieth of a
// core, 400 ms with kStreamClientsMax.
constexpr std::chrono::microseconds kFramePausePerClient{400};
constexpr absl::Duration kWarningsInterval = absl::Seconds(1);

std::string event_of(std::string_view name, const Json& data) { return fmt::format("event: {}\ndata: {}\n\n", name, to_text(data)); }

std::string cut_event(const Cut& cut) {
  return fmt::format("id: {}\nevent: cut\ndata: {}\n\n", cut.text(), to_text(Json{{"cut", to_json(cut)}}));
}

}  // namespace

std::string_view name_of(Topic topic) {
  constexpr std::array<std::string_view, kAllTopics.size()> names = {"views", "entries", "findings", "alerts"};
  return names[static_cast<std::size_t>(topic)];
}

std::optional<Topic> parse_topic(std::string_view name) {
  for (Topic topic : kAllTopics)
    if (name_of(topic) == name) return topic;
  return std::nullopt;
}

// One answer. Its place among the frames is guarded by the hub's mutex; the hub outlives all answers (Node::stop closes it before HTTP).
class StreamHub::Client : public LiveBody {
 public:
  Client(StreamHub& hub, Topics wanted) : topics(wanted), hub_(hub) {}
  ~Client() override {
    absl::MutexLock lock(&hub_.mutex_);
    --hub_.client_count_;
  }
  bool take(std::string& to) override { return hub_.take(*this, to); }
  void when_more(std::function<void()> wake) override {
    {
      absl::MutexLock lock(&hub_.mutex_);
      if (!hub_.closed_ && next == hub_.next_frame_) {
        wake_ = std::move(wake);
        return;
      }
    }
    wake();
  }
  [[nodiscard]] std::string_view heartbeat() const override { return ": still here\n\n"; }
  // What to call, once; under the hub's mutex.
  std::function<void()> take_wake() { return std::exchange(wake_, nullptr); }

  const Topics topics;
  const std::chrono::steady_clock::time_point end = std::chrono::steady_clock::now() + kStreamAgeMax;
  Cut at;                  // where the last frame that it was given ends
  std::uint64_t next = 0;  // number of the frame that it wants

 private:
  StreamHub& hub_;
  std::function<void()> wake_;
};

StreamHub::StreamHub(Node& node) : node_(node) {}
StreamHub::~StreamHub() { close(); }

void StreamHub::start() {
  {
    absl::MutexLock lock(&mutex_);
    at_ = node_.projections().cut();
  }
  thread_ = std::thread([this] { run(); });
}

void StreamHub::close() {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  wake_all();
  if (thread_.joinable()) thread_.join();
}

void StreamHub::note_commit() {
  absl::MutexLock lock(&mutex_);
  dirty_ = true;
}

void StreamHub::publish(const Json& alert) {
  absl::MutexLock lock(&mutex_);
  if (alerts_.size() >= kAlertsWaitingMax) {
    ++alerts_dropped_;
    return;
  }
  alerts_.push_back(event_of("alert", alert));
  dirty_ = true;
}

StreamStats StreamHub::stats() const {
  absl::MutexLock lock(&mutex_);
  return {client_count_, next_frame_, skips_, alerts_dropped_};
}

void StreamHub::run() {
  name_own_thread("stream");
  using Steady = std::chrono::steady_clock;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      const auto woken = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || (dirty_ && client_count_ > 0); };
      mutex_.AwaitWithTimeout(absl::Condition(&woken), kWarningsInterval);
      if (closed_) return;
      if (client_count_ == 0) continue;
    }
    look_at_warnings();
    {
      absl::MutexLock lock(&mutex_);
      if (!std::exchange(dirty_, false)) continue;
    }
    const auto start = Steady::now();
    step();
    absl::MutexLock lock(&mutex_);
    const auto pause = std::max<Steady::duration>({kFrameInterval, kFramePausePerClient * client_count_, 9 * (Steady::now() - start)});
    mutex_.AwaitWithTimeout(absl::Condition(&closed_), absl::FromChrono(pause));
  }
}

void StreamHub::look_at_warnings() {
  if (!node_.ready()) return;
  const std::vector<std::string> now = node_.warnings();
  std::set<std::string> current(now.begin(), now.end());
  if (warnings_) {
    for (const std::string& warning : current)
      if (warnings_->count(warning) == 0) publish({{"kind", "warning"}, {"message", warning}, {"firing", true}});
    for (const std::string& warning : *warnings_)
      if (current.count(warning) == 0) publish({{"kind", "warning"}, {"message", warning}, {"firing", false}});
  }
  warnings_ = std::move(current);
}

void StreamHub::step() {
  absl::MutexLock stepping(&step_mutex_);
  (void)node_.projections().wait_for(node_.ledger().cut(), kProjectionsWait);
  const Cut to = node_.projections().cut();
  const bool behind = !to.covers(node_.ledger().cut());
  Cut from;
  std::vector<std::string> alerts;
  {
    absl::MutexLock lock(&mutex_);
    from = at_;
    // Alerts wait for a client that has its place among the frames: one that is about to have it will begin after this one.
    const auto is_there = [](const std::weak_ptr<Client>& client) { return !client.expired(); };
    if (std::any_of(clients_.begin(), clients_.end(), is_there)) alerts.swap(alerts_);
    dirty_ = dirty_ || behind || !alerts_.empty();
    if (client_count_ == 0 || (from == to && alerts.empty())) return;
  }
  auto frame = render(from, to, kFrameRows, std::move(alerts));
  {
    absl::MutexLock lock(&mutex_);
    at_ = to;
    frames_.push_back(std::move(frame));
    if (frames_.size() > kFramesMax) frames_.pop_front();
    ++next_frame_;
  }
  wake_all();
}

void StreamHub::wake_all() {
  std::vector<std::shared_ptr<Client>> kept;  // let go of after the lock: the end of a client takes it
  std::vector<std::function<void()>> wakes;
  {
    absl::MutexLock lock(&mutex_);
    std::erase_if(clients_, [](const std::weak_ptr<Client>& client) { return client.expired(); });
    for (const std::weak_ptr<Client>& each : clients_) {
      auto client = each.lock();
      if (!client) continue;
      if (auto wake = client->take_wake()) wakes.push_back(std::move(wake));
      kept.push_back(std::move(client));
    }
  }
  for (const auto& wake : wakes) wake();
}

bool StreamHub::take(Client& client, std::string& to) {
  absl::MutexLock lock(&mutex_);
  if (closed_ || std::chrono::steady_clock::now() > client.end) return false;
  const std::uint64_t oldest = next_frame_ - frames_.size();
  if (client.next < oldest) {
    ++skips_;
    const Cut& from = frames_.front()->from;
    to += event_of("skipped", {{"from", to_json(client.at)}, {"to", to_json(from)}});
    client.next = oldest;
  }
  for (; client.next < next_frame_ && to.size() < kStreamChunkBytes; ++client.next) {
    const Frame& frame = *frames_[client.next - oldest];
    for (Topic topic : kAllTopics) {
      const auto index = static_cast<std::size_t>(topic);
      // Views are a state: who takes several frames at once wants the newest alone.
      if (client.topics[index] && (topic != Topic::views || client.next + 1 == next_frame_)) to += frame.texts[index];
    }
    to += frame.end;
    client.at = frame.to;
  }
  return true;
}

absl::StatusOr<ServerResponse> StreamHub::subscribe(Topics topics, const std::optional<Cut>& since) {
  std::shared_ptr<Client> client;
  bool must_step = false;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return unavailable("the server is stopping");
    if (client_count_ >= kStreamClientsMax)
      return resource_exhausted("{} clients follow the stream already; try again later", kStreamClientsMax);
    must_step = ++client_count_ == 1 || (since && !at_.covers(*since));
    client = std::make_shared<Client>(*this, topics);
  }
  if (must_step) step();
  Cut at;
  {
    absl::MutexLock lock(&mutex_);
    if (since && !at_.covers(*since) && node_.ledger().cut().covers(*since))
      return unavailable("Last-Event-ID {}: read so far: {}", since->text(), at_.text());
    if (since && !at_.covers(*since))
      return out_of_range("Last-Event-ID {}: this ledger has been read up to {}; is it of another ledger?", since->text(), at_.text());
    at = client->at = at_;
    client->next = next_frame_;
    clients_.push_back(client);
  }
  ServerResponse response;
  response.content_type = "text/event-stream; charset=utf-8";
  response.with("Bukubesar-Cut", at.text()).with("Cache-Control", "no-store").with("X-Accel-Buffering", "no");
  response.body = "retry: 1000\n\n";
  const auto frame = catch_up(since.value_or(at), at);
  for (Topic topic : kAllTopics) {
    const auto index = static_cast<std::size_t>(topic);
    if (topics[index]) response.body += frame->texts[index];
  }
  response.body += frame->end;
  response.live = client;
  return response;
}

std::shared_ptr<const StreamHub::Frame> StreamHub::catch_up(const Cut& from, const Cut& to) {
  {
    absl::MutexLock lock(&mutex_);
    if (catch_up_ && catch_up_->from == from && catch_up_->to == to) return catch_up_;
  }
  auto frame = render(from, to, kCatchUpRows, {});
  absl::MutexLock lock(&mutex_);
  catch_up_ = frame;
  return frame;
}

std::shared_ptr<const StreamHub::Frame> StreamHub::render(const Cut& from, const Cut& to, std::size_t rows,
                                                          std::vector<std::string> alerts) {
  auto frame = std::make_shared<Frame>();
  frame->from = from;
  frame->to = to;
  frame->texts[static_cast<std::size_t>(Topic::views)] = views_text();
  frame->texts[static_cast<std::size_t>(Topic::entries)] = entries_text(from, to, rows);
  frame->texts[static_cast<std::size_t>(Topic::findings)] = findings_text(from, to, rows);
  for (const std::string& alert : alerts) frame->texts[static_cast<std::size_t>(Topic::alerts)] += alert;
  frame->end = cut_event(to);
  return frame;
}

std::string StreamHub::views_text() {
  auto totals = node_.projections().totals({});  // of now: from the standing sums, at `cut` or after it, and says which
  if (!totals.ok()) {
    spdlog::warn("stream: totals: {}", message_of(totals.status()));
    return {};
  }
  Json total = Json::object();
  append_measures(total, totals->total);
  Json views = Json::array();
  for (const ViewInfo& view : node_.projections().views())
    views.push_back({{"name", view.name}, {"rows", view.rows}, {"build_progress", view.build_progress}});
  return event_of("views", {{"cut", to_json(totals->cut)}, {"total", total}, {"views", views}});
}

std::string StreamHub::entries_text(const Cut& from, const Cut& to, std::size_t rows) {
  Json entries = Json::array(), skipped = Json::array();
  std::uint64_t count = 0;
  std::size_t moved = 0;
  for (const auto& [partition, size] : to.sizes())
    if (size > from.size(partition)) ++moved;
  for (const auto& [partition, size] : to.sizes()) {
    const std::uint64_t begin = from.size(partition);
    if (size <= begin) continue;
    count += size - begin;
    const std::uint64_t shown = std::min<std::uint64_t>(size - begin, std::max<std::size_t>(1, rows / moved));
    const std::uint64_t first = size - shown;
    if (first > begin) skipped.push_back({{"partition", partition.name()}, {"first", begin}, {"limit", first}});
    auto run = node_.ledger().read(partition, Sequence(first), shown);
    if (!run.ok()) {
      spdlog::warn("stream: entries of partition {}: {}", partition.name(), message_of(run.status()));
      skipped.push_back({{"partition", partition.name()}, {"first", first}, {"limit", size}});
      continue;
    }
    for (const StoredEntry& stored : run->entries) entries.push_back(entry_summary_json(node_, partition, stored));
  }
  if (count == 0) return {};
  return event_of("entries", {{"cut", to_json(to)}, {"from", to_json(from)}, {"count", count}, {"skipped", skipped}, {"entries", entries}});
}

std::string StreamHub::findings_text(const Cut& from, const Cut& to, std::size_t rows) {
  const FindingsPage page = node_.projections().findings_between(from, to, rows);
  std::uint64_t count = 0;
  for (const auto& [kind, of_kind] : page.counts) count += of_kind;
  if (count == 0) return {};
  return event_of("findings", {{"cut", to_json(to)}, {"count", count}, {"findings", findings_json(page.findings)}});
}

}  // namespace bukubesar
