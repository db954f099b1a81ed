// StreamHub: what GET /v1/stream sends. One thread looks at what the projections have read since it last looked, renders each topic of
// that step once into a frame, and all clients are sent the same bytes.
//
// Frames   of the text/event-stream: an event for each topic that has something, then `cut`, whose id is the cut: whoever comes back with
//          it as Last-Event-ID is told what came since, from the ledger, however long ago that was.
// Slow     a client holds a place among the newest kFramesMax frames and nothing else. One that falls behind is told `skipped`, with the
//          cuts between which it missed something, and goes on from there; the hub and the others never wait.
// Pace     a frame at most every kFrameInterval, and at most a tenth of the thread's time; none while there are no clients.
// Alerts   what publish() is given, and the node's own warnings (server/node.h) when they come and when they go. While there are no clients
//          they wait for the first one, kAlertsWaitingMax at most.
// Limits   kStreamClientsMax clients; kFrameRows entries and findings in a frame, kCatchUpRows in the first one after a return: more are
//          counted, and the sequences that /v1/entries has them under are named.
// Threads  note_commit(), publish(), subscribe() and clients from any; start() and close() from one.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "base/cut.h"
#include "server/http_types.h"
#include "server/json.h"

namespace bukubesar {

class Node;

enum class Topic : std::uint8_t { views, entries, findings, alerts };
inline constexpr std::array<Topic, 4> kAllTopics = {Topic::views, Topic::entries, Topic::findings, Topic::alerts};
[[nodiscard]] std::string_view name_of(Topic topic);
[[nodiscard]] std::optional<Topic> parse_topic(std::string_view name);
using Topics = std::bitset<kAllTopics.size()>;

inline constexpr std::chrono::milliseconds kFrameInterval{200};
inline constexpr std::chrono::minutes kStreamAgeMax{10};  // then the client comes again, with a token that still counts
inline constexpr std::size_t kFramesMax = 16;
inline constexpr std::size_t kFrameRows = 20;
inline constexpr std::size_t kCatchUpRows = 100;
inline constexpr std::size_t kStreamClientsMax = 1000;
inline constexpr std::size_t kAlertsWaitingMax = 64;

struct StreamStats {
  std::size_t clients = 0;
  std::uint64_t frames = 0, skips = 0, alerts_dropped = 0;
};

class StreamHub {
 public:
  explicit StreamHub(Node& node);
  ~StreamHub();
  StreamHub(const StreamHub&) = delete;
  StreamHub& operator=(const StreamHub&) = delete;

  void start();
  // Ends all answers. Idempotent.
  void close();
  // Something may have come. Never blocks for longer than a frame is handed over.
  void note_commit();
  // Goes out to topic `alerts` with the next frame.
  void publish(const Json& alert);

  // The answer's first bytes: what came since `since` (nothing: from now on), then the state of the views.
  // ResourceExhausted: kStreamClientsMax clients. OutOfRange: `since` lies beyond the ledger. Unavailable: beyond what has been read.
  [[nodiscard]] absl::StatusOr<ServerResponse> subscribe(Topics topics, const std::optional<Cut>& since);

  [[nodiscard]] StreamStats stats() const;

 private:
  // One step from cut to cut.
  struct Frame {
    Cut from, to;
    std::array<std::string, kAllTopics.size()> texts;  // each whole events, or empty
    std::string end;                                   // the event `cut`
  };
  class Client;

  void run();
  void look_at_warnings() ABSL_LOCKS_EXCLUDED(mutex_);
  // Renders a frame where there is something new and somebody to tell.
  void step() ABSL_LOCKS_EXCLUDED(step_mutex_, mutex_);
  [[nodiscard]] std::shared_ptr<const Frame> render(const Cut& from, const Cut& to, std::size_t rows, std::vector<std::string> alerts);
  // After a restart most clients come back with the same cut: the newest of these is kept.
  [[nodiscard]] std::shared_ptr<const Frame> catch_up(const Cut& from, const Cut& to) ABSL_LOCKS_EXCLUDED(mutex_);
  [[nodiscard]] std::string views_text();
  [[nodiscard]] std::string entries_text(const Cut& from, const Cut& to, std::size_t rows);
  [[nodiscard]] std::string findings_text(const Cut& from, const Cut& to, std::size_t rows);
  bool take(Client& client, std::string& to);
  void wake_all() ABSL_LOCKS_EXCLUDED(mutex_);

  Node& node_;
  absl::Mutex step_mutex_;  // one step at a time; taken before mutex_
  mutable absl::Mutex mutex_;
  Cut at_ ABSL_GUARDED_BY(mutex_);  // where the newest frame ends
  std::deque<std::shared_ptr<const Frame>> frames_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const Frame> catch_up_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t next_frame_ ABSL_GUARDED_BY(mutex_) = 0;  // number of the frame after the newest
  std::vector<std::weak_ptr<Client>> clients_ ABSL_GUARDED_BY(mutex_);
  std::size_t client_count_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> alerts_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t skips_ ABSL_GUARDED_BY(mutex_) = 0, alerts_dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  bool dirty_ ABSL_GUARDED_BY(mutex_) = false, closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<std::set<std::string>> warnings_;  // of the last look; the thread's own
  std::thread thread_;
};

}  // namespace bukubesar
