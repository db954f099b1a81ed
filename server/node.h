// Node: one running server: definition, ledger, projections, intake, signer and HTTP, wired; and their designed start and stop.
//
// Start    HTTP first (healthz answers, readyz says what is being done), then definition, ledger, projections, intake.
// Stop     stop accepting, stop intake (drains and commits what is in flight, answers who waits), sign, wait for what runs beside, let
//          answers go out, close.
// Threads  start() and stop() from one thread; everything else from any, and only while ready().
// Crash    at any moment: what was answered as stored is in the ledger (I8); the next start continues there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/file.h"
#include "base/progress.h"
#include "config/config.h"
#include "config/definition.h"
#include "consumers/intake.h"
#include "ledger/ledger.h"
#include "ledger/scrub.h"
#include "ledger/signer.h"
#include "projections/projections.h"
#include "server/access.h"
#include "server/alert_watch.h"
#include "server/backlog_end.h"
#include "server/backup_job.h"
#include "server/data_lock.h"
#include "server/eraser.h"
#include "server/http_server.h"
#include "server/metrics.h"
#include "server/reads_log.h"
#include "server/router.h"
#include "server/stream_hub.h"
#include "server/tls_certificate.h"
#include "server/witness.h"

namespace bukubesar {

inline constexpr std::string_view kVersion = "0.1.0";

[[nodiscard]] std::string definition_path(const Config& config);
[[nodiscard]] std::string ledger_directory(const Config& config);
[[nodiscard]] std::string segments_directory(const Config& config);
[[nodiscard]] std::string key_path(const Config& config);
[[nodiscard]] std::string tokens_path(const Config& config);
[[nodiscard]] std::string reads_directory(const Config& config);

// Loads <data_dir>/definition.jsonl, or makes it from the configuration and the broker where it is missing.
[[nodiscard]] absl::StatusOr<DefinitionFile> load_or_create_definition(const Config& config);

class Node {
 public:
  Node(Config config, Progress progress);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Returns when the node is ready, or why it cannot be.
  [[nodiscard]] absl::Status start();
  void stop();

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] std::uint16_t port() const { return http_->port(); }
  // Reads certificate and tokens again, changed or not (SIGHUP). From any thread.
  void reload_access();
  // OK where reads may be answered; else Unavailable with what is going on (start-up, or I9: shorter than recorded).
  [[nodiscard]] absl::Status readable() const;
  // What start-up is doing, for people.
  [[nodiscard]] std::string starting_text() const;

  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Definition& definition() const { return definition_->definition(); }
  [[nodiscard]] Ledger& ledger() { return *ledger_; }
  [[nodiscard]] Projections& projections() { return *projections_; }
  [[nodiscard]] Intake& intake() { return *intake_; }
  [[nodiscard]] HttpServer& http() { return *http_; }
  [[nodiscard]] StreamHub& stream() { return *stream_; }
  [[nodiscard]] Metrics& metrics() { return metrics_; }
  [[nodiscard]] BackupJob& backups() { return *backups_; }
  [[nodiscard]] const Eraser& eraser() const { return *eraser_; }
  [[nodiscard]] ReadsLog& reads() { return *reads_; }
  // Null where the configuration has it off.
  [[nodiscard]] const Scrub* scrub() const { return scrub_.get(); }
  // What the scrub has found, for people, one line; empty: nothing.
  [[nodiscard]] std::string damage_text() const;
  [[nodiscard]] const Router& router() const { return router_; }

  // The verifier key of a partition; FailedPrecondition while the node has no signing key.
  [[nodiscard]] absl::StatusOr<std::string> verifier_key(PartitionId partition) const;
  [[nodiscard]] std::string bootstrap_servers() const { return intake_->bootstrap_servers(); }
  // Of all partitions and of the cut notes, then of the witnesses that are configured.
  [[nodiscard]] absl::StatusOr<std::vector<std::string>> verifier_keys() const;
  [[nodiscard]] const std::vector<std::string>& witness_keys() const { return witness_keys_; }
  // Null where this node is no witness.
  [[nodiscard]] const Witness* witness() const { return witness_.get(); }
  // What people are told about. Only while ready().
  [[nodiscard]] const AlertWatch& alerts() const { return *alerts_; }
  // True where it refused a partition, or (witness.once) its last look failed.
  [[nodiscard]] bool witness_objects() const;
  // CloudEvents sources that the definition or an accepted event names.
  [[nodiscard]] std::vector<std::string> known_sources();
  // Signs all heads now, or records them where there is no key. From any thread.
  [[nodiscard]] absl::Status sign_once();
  // For people, in status: no key, the embedded broker has no access control, last signing failed, …
  [[nodiscard]] std::vector<std::string> warnings() const;
  // True where the ledger holds events of the demo's feed: shown wherever its figures are.
  [[nodiscard]] bool synthetic() const { return synthetic_; }
  // How often something was erased since the start; what is read after it has grown holds nothing of that.
  [[nodiscard]] std::uint64_t erasures() const { return erasures_; }

  [[nodiscard]] const std::vector<Route>& routes() const { return router_.routes(); }
  // Null before start().
  [[nodiscard]] const Access* access() const { return access_.get(); }
  [[nodiscard]] const TlsCertificate* tls() const { return tls_.get(); }

 private:
  [[nodiscard]] absl::Status open_access();
  void look_at_access_files();
  void write_down(const ServerRequest& request, ServerResponse& response);
  [[nodiscard]] absl::Status open_all();
  [[nodiscard]] absl::Status start_intake();
  // Why the intake may not start; empty where it may.
  [[nodiscard]] std::string check_contract();
  void start_scrub();
  void tell_to_stop();
  [[nodiscard]] absl::Status load_key();
  [[nodiscard]] absl::Status load_witness_keys();
  [[nodiscard]] absl::Status start_witness();
  void witness_loop();
  void sign_loop();
  [[nodiscard]] std::optional<std::int64_t> lag_records() const;
  void note_progress(std::string_view what, std::uint64_t done, std::uint64_t total);
  void watch_for_synthetic(const Commit& commit);

  Config config_;
  Progress progress_;
  Router router_;
  Metrics metrics_;
  std::unique_ptr<TlsCertificate> tls_;  // null: none
  std::unique_ptr<Access> access_;
  std::unique_ptr<StreamHub> stream_;  // answers under way refer to it, so it goes after http_
  std::unique_ptr<HttpServer> http_;   // destroyed last: others hold callbacks into it
  DataLock lock_;
  std::unique_ptr<ReadsLog> reads_;
  std::unique_ptr<DefinitionFile> definition_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Projections> projections_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Scrub> scrub_;
  std::unique_ptr<BackupJob> backups_;
  std::unique_ptr<Eraser> eraser_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> synthetic_{false};
  std::atomic<std::uint64_t> erasures_{0};
  std::unique_ptr<Witness> witness_;
  bool stopped_ = false;
  std::vector<std::string> witness_keys_;       // written before ready_
  std::vector<std::string> contract_warnings_;  // of the start; written before ready_

  absl::Mutex sign_mutex_;  // one signing at a time; taken before mutex_
  mutable absl::Mutex mutex_;
  std::string starting_ ABSL_GUARDED_BY(mutex_) = "starting";
  std::shared_ptr<CheckpointSigner> signer_ ABSL_GUARDED_BY(mutex_);
  std::string signing_trouble_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::string witness_trouble_ ABSL_GUARDED_BY(mutex_);
  BacklogEnd backlog_end_;  // of sign_loop()
  std::thread signing_, witnessing_, access_files_;
  std::unique_ptr<AlertWatch> alerts_;
};

}  // namespace bukubesar
