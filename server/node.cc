#include "server/node.h"

#include <malloc.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "adapters/http_client.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/thread.h"
#include "server/problem.h"
#include "server/routes.h"
#include "server/tokens.h"

namespace bukubesar {

namespace {

constexpr std::chrono::milliseconds kStopGrace{5'000};
constexpr absl::Duration kAccessFilesInterval = absl::Seconds(1);
constexpr std::string_view kDemoFeed = "/feed/demo";

bool is_demo_feed(std::string_view source) {
  if (!source.starts_with(kDemoFeed)) return false;
  return source.size() == kDemoFeed.size() || source[kDemoFeed.size()] == '-' || source[kDemoFeed.size()] == '/';
}

absl::StatusOr<bool> has_demo_feed(const Projections& projections) {
  TotalsQuery query;
  query.by = {Dimension::feed};
  ASSIGN_OR_RETURN(const TotalsAnswer answer, projections.totals(query));
  return std::any_of(answer.rows.begin(), answer.rows.end(),
                     [](const TotalsRow& row) { return !row.key.empty() && is_demo_feed(row.key[0]); });
}

// Up to half a gigabyte of records, and as much of librdkafka's notes on them, lies in pieces all over the heap. Whoever asks for memory
// may wait for as long as this takes: so it is done once after a backlog, not beside one.
void give_back_memory() {
  const auto begun = std::chrono::steady_clock::now();
  malloc_trim(0);
  spdlog::info("caught up; free memory was given back to the system in {} ms",
               std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count());
}

bool file_exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

// Epoch 0: where every partition begins. The ledger is made with these lines, so that it remembers them.
absl::StatusOr<std::vector<SourceStatement>> first_sources(const Config& config, const Definition& definition) {
  const bool embedded = config.broker.kind == BrokerKind::embedded;
  if (!embedded && config.broker.create_topics) RETURN_IF_ERROR(create_topics(config, definition.partitions));
  ASSIGN_OR_RETURN(const std::string cluster, cluster_id(config));
  std::vector<SourceStatement> sources;
  for (PartitionId partition : definition.all_partitions()) {
    SourceStatement source;
    source.partition = partition;
    source.cluster = cluster;
    source.topic = partition.is_reference() ? config.broker.reference_topic : config.broker.purchases_topic;
    source.kafka_partition = partition.is_reference() ? 0 : static_cast<std::int32_t>(partition.number());
    if (!embedded) {
      ASSIGN_OR_RETURN(source.first_offset, first_offset_of(config, source.topic, source.kafka_partition));
    }
    source.root = std::string(as_view(sha256("")));
    source.reason = "first source of this ledger";
    source.decided_by = "bukubesar serve, from its configuration";
    sources.push_back(std::move(source));
  }
  return sources;
}

// How a witness asks the server that signs.
absl::StatusOr<HttpClientOptions> signing_server(const WitnessConfig& config) {
  HttpClientOptions options;
  options.url = config.ledger;
  options.ca_file = config.ca_file;
  if (config.token_file.empty()) return options;
  auto token = read_token_text(config.token_file);
  if (!token.ok()) return with_context(token.status(), "witness.token_file");
  options.token = *std::move(token);
  return options;
}

absl::StatusOr<std::string> fetch(const WitnessConfig& config, const std::string& target) {
  ASSIGN_OR_RETURN(HttpClientOptions options, signing_server(config));
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(options)));
  ASSIGN_OR_RETURN(HttpResponse response, client.get(target));
  const absl::Status status = with_context(status_of(response), config.ledger + target);
  if (absl::IsUnauthenticated(status) || absl::IsPermissionDenied(status))
    return with_context(status, "witness.token_file (--token-file): this server wants a token with role read");
  RETURN_IF_ERROR(status);
  return std::move(response.body);
}

// A witness has the definition of the ledger that it witnesses: taken over where it has none, compared where it has one.
absl::Status follow_definition(const Config& config, const std::string& path) {
  if (config.broker.kind == BrokerKind::embedded)
    return invalid_argument("a witness reads the same topics as the ledger: set broker.kind to \"kafka\", and broker.bootstrap_servers");
  auto theirs = fetch(config.witness, "/v1/definition");
  if (!file_exists(path)) {
    RETURN_IF_ERROR(theirs.status());
    RETURN_IF_ERROR(parse_definition(*theirs, config.witness.ledger + "/v1/definition").status());
    spdlog::info("took the definition over from {}: {}", config.witness.ledger, path);
    return write_file_durably(path, *theirs);
  }
  if (!theirs.ok()) {
    spdlog::warn("the ledger's definition could not be compared: {}", message_of(theirs.status()));
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string ours, read_file(path));
  if (ours != *theirs)
    return failed_precondition("{} and {}/v1/definition differ: every node of a ledger needs the same lines", path, config.witness.ledger);
  return absl::OkStatus();
}

}  // namespace

std::string definition_path(const Config& config) { return config.data_dir + "/definition.jsonl"; }
std::string ledger_directory(const Config& config) { return config.data_dir + "/ledger"; }
std::string segments_directory(const Config& config) { return config.data_dir + "/segments"; }
std::string key_path(const Config& config) {
  return config.signing.key_file.empty() ? config.data_dir + "/signing.key" : config.signing.key_file;
}

std::string tokens_path(const Config& config) {
  return config.http.tokens_file.empty() ? config.data_dir + "/tokens.jsonl" : config.http.tokens_file;
}

std::string reads_directory(const Config& config) { return config.data_dir + "/reads"; }

absl::StatusOr<DefinitionFile> load_or_create_definition(const Config& config) {
  const std::string path = definition_path(config);
  if (!config.witness.ledger.empty()) RETURN_IF_ERROR(follow_definition(config, path));
  if (file_exists(path)) return DefinitionFile::load(path);
  if (file_exists(ledger_directory(config) + "/CURRENT"))
    return failed_precondition("{} is missing but {} holds a ledger; bring the definition back from another node or a backup", path,
                               ledger_directory(config));
  Definition first;
  first.name = config.ledger.name;
  first.partitions = config.ledger.partitions;
  first.partitioner = config.ledger.partitioner;
  const auto zone = parse_zone_minutes(config.ledger.zone);
  if (!zone) return invalid_argument("ledger.zone: '{}' is no offset from UTC, such as +08:00", config.ledger.zone);
  first.zone_minutes = *zone;
  RulesStatement rules;
  rules.from_ledger_time_ms = 0;
  first.rules.push_back(rules);
  first.clock = config.broker.kind == BrokerKind::kafka ? LedgerClock::kafka : LedgerClock::intake;
  ASSIGN_OR_RETURN(first.sources, first_sources(config, first));
  spdlog::info("made the definition {}; every node of this ledger needs the same file", path);
  return DefinitionFile::create(path, first);
}

Node::Node(Config config, Progress progress) : config_(std::move(config)), progress_(std::move(progress)) {
  stream_ = std::make_unique<StreamHub>(*this);
  add_routes(router_, *this);
  HttpServerHooks hooks;
  hooks.admit = [this](ServerRequest& request, const Route* route) { return access_->admit(request, route); };
  hooks.wrong_host = [this](std::string_view host) { return access_->wrong_host(host); };
  hooks.decorate = [this](const ServerRequest& request, ServerResponse& response) {
    if (ready_ && response.status != 401 && response.status != 403 && !response.has_header("Bukubesar-Cut"))
      response.with("Bukubesar-Cut", projections_->cut().text());
    if (request.is_audited || response.is_audited) write_down(request, response);
  };
  hooks.observe = [this](std::string_view route, std::string_view method, unsigned status, std::chrono::nanoseconds took) {
    metrics_.observe_http(route, method, status, took);
  };
  http_ = std::make_unique<HttpServer>(config_.http, router_, std::move(hooks));
}

// An answer that can't be written down is not given.
void Node::write_down(const ServerRequest& request, ServerResponse& response) {
  if (response.status == 401 || response.status == 403 || response.status == 429) return;  // nobody was let in
  const std::string path = request.query.empty() ? request.path : request.path + "?" + request.query;
  AuditedRead read{request.caller, request.method, path, "", response.status};
  for (const auto& [name, value] : response.headers)
    if (name == "Bukubesar-Cut") read.cut = value;
  if (const absl::Status written = reads_->append(read); !written.ok()) response = problem(written);
}

Node::~Node() { stop(); }

absl::Status Node::start() {
  RETURN_IF_ERROR(make_directories(config_.data_dir));
  ASSIGN_OR_RETURN(lock_, DataLock::take(config_.data_dir));
  crash_point("start_locked");
  RETURN_IF_ERROR(open_access());
  ASSIGN_OR_RETURN(reads_, ReadsLog::open({reads_directory(config_)}));
  RETURN_IF_ERROR(http_->listen(tls_.get()));
  const absl::Status opened = open_all();
  if (!opened.ok()) {
    stop();
    return opened;
  }
  ready_ = true;
  return absl::OkStatus();
}

absl::Status Node::open_access() {
  const HttpConfig& http = config_.http;
  if (!http.tls_certificate_file.empty()) {
    ASSIGN_OR_RETURN(tls_, TlsCertificate::load(http.tls_certificate_file, http.tls_key_file));
  }
  AccessOptions options;
  options.http = http;
  options.tokens_path = tokens_path(config_);
  ASSIGN_OR_RETURN(access_, Access::open(std::move(options)));
  access_files_ = std::thread([this] { look_at_access_files(); });
  return absl::OkStatus();
}

void Node::look_at_access_files() {
  name_own_thread("access");
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kAccessFilesInterval)) return;
    }
    access_->look_for_changes(false);
    if (tls_) tls_->look_for_changes(false);
  }
}

void Node::reload_access() {
  access_->look_for_changes(true);
  if (tls_) tls_->look_for_changes(true);
}

absl::Status Node::open_all() {
  const Progress progress = [this](std::string_view what, std::uint64_t done, std::uint64_t total) { note_progress(what, done, total); };
  note_progress("reading the definition", 0, 0);
  ASSIGN_OR_RETURN(DefinitionFile file, load_or_create_definition(config_));
  definition_ = std::make_unique<DefinitionFile>(std::move(file));

  crash_point("start_defined");
  note_progress("opening the ledger", 0, 0);
  LedgerOptions ledger_options;
  ledger_options.directory = ledger_directory(config_);
  ledger_options.progress = progress;
  ASSIGN_OR_RETURN(ledger_, Ledger::open(std::move(ledger_options), definition()));

  backups_ = std::make_unique<BackupJob>(config_, *ledger_);

  crash_point("start_ledger_opened");
  note_progress("opening the projections", 0, 0);
  ProjectionsOptions options;
  options.directory = segments_directory(config_);
  options.ledger = ledger_.get();
  options.definition = &definition();
  options.hand_offs_max = config_.intake.hand_offs_max;
  options.progress = progress;
  options.views_text = std::string(default_views_text());
  if (!config_.projections.views_file.empty()) {
    ASSIGN_OR_RETURN(options.views_text, read_file(config_.projections.views_file));
  }
  ASSIGN_OR_RETURN(projections_, Projections::open(std::move(options)));
  crash_point("start_projections_opened");
  projections_->start();
  stream_->start();
  ASSIGN_OR_RETURN(const bool synthetic, has_demo_feed(*projections_));
  if (synthetic) synthetic_ = true;
  const auto erased = [this](PartitionId partition, Sequence sequence) {
    backups_->forget_frozen();
    if (partition.is_reference()) projections_->forget_names(sequence);
    ++erasures_;
  };
  eraser_ = std::make_unique<Eraser>(
      *ledger_, [this]() -> const Definition& { return definition(); }, erased);
  eraser_->start();

  RETURN_IF_ERROR(load_witness_keys());
  RETURN_IF_ERROR(load_key());
  if (config_.witness.ledger.empty() && !verifier_key(PartitionId::reference()).ok())
    spdlog::warn("no signing key at {}: nothing is signed; make one with `bukubesar key new`, it is used from then on", key_path(config_));
  RETURN_IF_ERROR(start_intake());
  crash_point("start_intake_begun");
  start_scrub();
  signing_ = std::thread([this] { sign_loop(); });
  RETURN_IF_ERROR(start_witness());
  ASSIGN_OR_RETURN(alerts_, AlertWatch::open(*this));
  alerts_->start();
  return absl::OkStatus();
}

absl::Status Node::start_intake() {
  note_progress("starting the intake", 0, 0);
  IntakeOptions options;
  options.config = &config_;
  options.definition = definition_.get();
  options.ledger = ledger_.get();
  options.observers.push_back([this](const std::shared_ptr<const Commit>& commit) { projections_->hand_off(commit); });
  options.observers.push_back([this](const std::shared_ptr<const Commit>& commit) {
    for (const PartitionBatch& part : commit->parts)
      if (part.partition.is_reference()) eraser_->wake();
    metrics_.observe_commit(*commit);
    watch_for_synthetic(*commit);
    stream_->note_commit();
    Cut after;
    for (const PartitionBatch& part : commit->parts) after.set(part.partition, part.first.value() + part.entries.size());
    const auto waits = projections_->when_read(after, Waits::commit, [this, stamps = Metrics::stamps_of(*commit)] {
      metrics_.observe_visible(stamps, Clock::system().wall_ms());
    });
    if (!waits) metrics_.count_unmeasured();
  });
  intake_ = std::make_unique<Intake>(std::move(options));
  if (const std::string refusal = check_contract(); !refusal.empty()) {
    intake_->refuse_to_start(refusal);
  } else {
    RETURN_IF_ERROR(intake_->start());
  }
  return absl::OkStatus();
}

// A broken contract keeps the intake from starting; reads go on. A broker that does not answer is waited out by the intake.
std::string Node::check_contract() {
  if (config_.broker.kind == BrokerKind::embedded) return {};
  note_progress("checking the topic contract", 0, 0);
  if (config_.broker.create_topics)
    if (const absl::Status made = create_topics(config_, definition().partitions); !made.ok())
      spdlog::warn("creating topics: {}", message_of(made));
  const auto findings = check_topic_contract(config_, &definition());
  if (!findings.ok()) {
    spdlog::warn("the topic contract could not be checked: {}", message_of(findings.status()));
    return {};
  }
  std::string refusal;
  for (const ContractFinding& finding : *findings) {
    contract_warnings_.push_back("topic contract: " + finding.what);
    if (finding.fatal) refusal += (refusal.empty() ? "it does not start, the topic contract is broken: " : "; ") + finding.what;
    spdlog::log(finding.fatal ? spdlog::level::err : spdlog::level::warn, "topic contract: {}", finding.what);
  }
  return refusal;
}

void Node::start_scrub() {
  if (config_.scrub.bytes_per_s_max == 0) return;
  ScrubOptions options;
  options.ledger = ledger_.get();
  options.bytes_per_s_max = config_.scrub.bytes_per_s_max;
  options.interval = std::chrono::seconds(config_.scrub.interval_s);
  if (config_.broker.kind == BrokerKind::kafka) {
    options.commits_gaps_at_once = [this](PartitionId partition, Epoch epoch) {
      const SourceStatement* source = definition().source_of(partition, epoch);
      return source != nullptr && source->transactional;
    };
    options.record_in_gap = [this](PartitionId partition, const Gap& gap) {
      return bukubesar::record_in_gap(config_, *definition().source_of(partition, gap.epoch), gap);
    };
  }
  scrub_ = std::make_unique<Scrub>(std::move(options));
  scrub_->start();
}

std::string Node::damage_text() const {
  if (!scrub_) return {};
  const ScrubStatus status = scrub_->status();
  if (status.errors == 0) return {};
  std::string text = fmt::format("the scrub found {} errors", status.errors);
  for (const ScrubFinding& finding : status.findings) text += fmt::format("; {}: {}", finding.place, finding.what);
  return text;
}

// Whatever runs beside the intake ends while that drains; it is waited for once what was drained is signed.
void Node::tell_to_stop() {
  if (alerts_) alerts_->begin_stop();
  if (witness_) witness_->begin_stop();
  if (scrub_) scrub_->begin_stop();
  if (backups_) backups_->begin_stop();
  if (eraser_) eraser_->begin_stop();
  absl::MutexLock lock(&mutex_);
  stopping_ = true;
}

void Node::stop() {
  if (stopped_) return;
  stopped_ = true;
  crash_point("stop_begun");
  http_->stop_accepting();
  tell_to_stop();
  if (intake_) intake_->stop();
  crash_point("stop_drained");
  if (signing_.joinable()) {
    signing_.join();
    (void)sign_once();
  }
  crash_point("stop_signed");
  if (witnessing_.joinable()) witnessing_.join();
  if (access_files_.joinable()) access_files_.join();
  if (alerts_) alerts_->stop();
  if (scrub_) scrub_->stop();
  if (backups_) backups_->stop();
  if (eraser_) eraser_->stop();
  if (projections_ && ready_) (void)projections_->wait_for(ledger_->cut(), std::chrono::seconds(10));
  stream_->close();
  http_->stop(kStopGrace);
  ready_ = false;
  if (projections_) projections_->stop();
  if (ledger_ && !ledger_->shorter_than_recorded()) {
    if (const absl::Status recorded = ledger_->record_heads(true); !recorded.ok())
      spdlog::error("recording the heads: {}", message_of(recorded));
  }
  scrub_.reset();
  backups_.reset();
  intake_.reset();
  eraser_.reset();
  projections_.reset();
  ledger_.reset();  // the witness stays: what it refused is asked for after the stop
}

absl::Status Node::readable() const {
  if (!ready_) return unavailable("starting: {}", starting_text());
  if (ledger_->shorter_than_recorded())
    return unavailable(
        "the ledger is shorter than the last size recorded outside it; no reads until Kafka has been read again up to that size and root");
  return absl::OkStatus();
}

std::string Node::starting_text() const {
  absl::MutexLock lock(&mutex_);
  return starting_;
}

void Node::note_progress(std::string_view what, std::uint64_t done, std::uint64_t total) {
  std::string text(what);
  if (total > 0)
    text += fmt::format(", {} of {}", done, total);
  else if (done > 0)
    text += fmt::format(", {}", done);
  {
    absl::MutexLock lock(&mutex_);
    starting_ = std::move(text);
  }
  if (progress_) progress_(what, done, total);
}

absl::Status Node::load_key() {
  if (!config_.witness.ledger.empty()) return absl::OkStatus();  // a witness cosigns, and signs nothing of its own
  const std::string path = key_path(config_);
  if (!file_exists(path)) return absl::OkStatus();
  ASSIGN_OR_RETURN(SigningKeys keys, SigningKeys::load(path));
  absl::MutexLock lock(&mutex_);
  signer_ = std::make_shared<CheckpointSigner>(*ledger_, definition(), std::move(keys));
  return absl::OkStatus();
}

absl::StatusOr<std::string> Node::verifier_key(PartitionId partition) const {
  absl::MutexLock lock(&mutex_);
  if (!signer_) return failed_precondition("this node has no signing key; `bukubesar key new` makes one");
  return signer_->keys().verifier_key(definition().origin(partition));
}

absl::Status Node::load_witness_keys() {
  for (std::string& key : bukubesar::witness_keys(config_.signing)) {
    ASSIGN_OR_RETURN(const KeyInfo info, key_info(key));
    if (!info.is_witness) return invalid_argument("signing.witnesses: {} is the key of a log, not of a witness", info.name);
    witness_keys_.push_back(std::move(key));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Node::verifier_keys() const {
  absl::MutexLock lock(&mutex_);
  if (!signer_) return failed_precondition("this node has no signing key; `bukubesar key new` makes one");
  std::vector<std::string> keys;
  for (PartitionId partition : definition().all_partitions()) keys.push_back(signer_->keys().verifier_key(definition().origin(partition)));
  keys.push_back(signer_->keys().verifier_key(cut_note_origin(definition().name)));
  keys.insert(keys.end(), witness_keys_.begin(), witness_keys_.end());
  return keys;
}

absl::Status Node::start_witness() {
  if (config_.witness.ledger.empty()) return absl::OkStatus();
  if (config_.witness.name.empty()) return invalid_argument("witness.name is empty: a witness has a name of its own, in its key");
  note_progress("starting the witness", 0, 0);
  WitnessOptions options;
  options.definition = &definition();
  options.ledger = ledger_.get();
  ASSIGN_OR_RETURN(options.server, signing_server(config_.witness));
  options.name = config_.witness.name;
  options.state_path = config_.data_dir + "/witness.state";
  const std::string keys_path = config_.witness.keys_file.empty() ? config_.data_dir + "/witness.keys" : config_.witness.keys_file;
  if (config_.witness.keys_file.empty() && !file_exists(keys_path)) {
    ASSIGN_OR_RETURN(const std::string fetched, fetch(config_.witness, "/log/vkeys"));
    RETURN_IF_ERROR(write_file_durably(keys_path, fetched));
    spdlog::warn("took the ledger's verifier keys over from {}: compare {} with what its operator says", config_.witness.ledger, keys_path);
  }
  ASSIGN_OR_RETURN(const std::string keys, read_file(keys_path));
  for (std::string_view rest = keys; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty()) continue;
    if (const auto info = key_info(line); !info.ok()) return with_context(info.status(), keys_path);
    options.verifier_keys.emplace_back(line);
  }
  if (!file_exists(key_path(config_))) RETURN_IF_ERROR(SigningKeys::create(key_path(config_)));
  ASSIGN_OR_RETURN(SigningKeys own, SigningKeys::load(key_path(config_)));
  ASSIGN_OR_RETURN(witness_, Witness::open(std::move(options), std::move(own)));
  spdlog::info("witness of {}: the ledger takes its cosignatures with signing.witnesses {}", config_.witness.ledger,
               witness_->verifier_key());
  witnessing_ = std::thread([this] { witness_loop(); });
  return absl::OkStatus();
}

void Node::witness_loop() {
  name_own_thread("witness");
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), absl::Milliseconds(config_.witness.interval_ms))) return;
    }
    if (!ready_) continue;  // the end of `once` is a stop like any other, and needs a start
    const absl::StatusOr<bool> done = witness_->look();
    const std::string trouble = done.ok() ? "" : message_of(done.status());
    {
      absl::MutexLock lock(&mutex_);
      if (trouble != witness_trouble_ && !trouble.empty()) spdlog::error("witness: {}", trouble);
      witness_trouble_ = trouble;
    }
    // A ledger that does not take our cosignature will not by itself: only what may pass is waited for.
    const bool may_pass =
        done.ok() ? !*done
                  : absl::IsUnavailable(done.status()) || absl::IsDeadlineExceeded(done.status()) || absl::IsNotFound(done.status());
    if (config_.witness.once && !may_pass) break;
  }
  kill(getpid(), SIGTERM);  // the designed stop
}

bool Node::witness_objects() const {
  if (!witness_) return false;
  absl::MutexLock lock(&mutex_);
  return !witness_->disagreements().empty() || (config_.witness.once && !witness_trouble_.empty());
}

std::vector<std::string> Node::known_sources() {
  std::set<std::string> sources(definition().authorities.begin(), definition().authorities.end());
  for (const FeedStatement& feed : definition().feeds) sources.insert(feed.source);
  TotalsQuery query;
  query.by = {Dimension::feed};
  if (const auto answer = projections_->totals(query); answer.ok())
    for (const TotalsRow& row : answer->rows)
      if (!row.key.empty() && row.key[0] != "unknown") sources.insert(row.key[0]);
  return {sources.begin(), sources.end()};
}

void Node::sign_loop() {
  name_own_thread("sign");
  const absl::Duration interval = absl::Milliseconds(std::max(1U, config_.signing.interval_ms));
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), interval)) return;
    }
    (void)sign_once();
    if (backlog_end_.look(lag_records())) give_back_memory();
  }
}

// Over all sources; nothing where that of one is not known.
std::optional<std::int64_t> Node::lag_records() const {
  std::int64_t lag = 0;
  for (const SourceStatus& source : intake_->sources()) {
    if (source.lag_records < 0) return std::nullopt;
    lag += source.lag_records;
  }
  return lag;
}

absl::Status Node::sign_once() {
  if (ledger_->shorter_than_recorded()) return readable();
  absl::MutexLock signing(&sign_mutex_);
  const auto current = [this] {
    absl::MutexLock lock(&mutex_);
    return signer_;
  };
  absl::Status done;
  if (!current()) done = load_key();  // it may have been made while the node runs
  const std::shared_ptr<CheckpointSigner> signer = current();
  if (done.ok()) done = signer ? signer->sign() : ledger_->record_heads(false);
  metrics_.count_signing(done.ok());
  absl::MutexLock lock(&mutex_);
  const std::string trouble = done.ok() ? "" : message_of(done);
  if (trouble != signing_trouble_) {
    if (!trouble.empty()) spdlog::error("signing: {}", trouble);
    signing_trouble_ = trouble;
  }
  return done;
}

void Node::watch_for_synthetic(const Commit& commit) {
  if (synthetic_) return;
  for (const PartitionBatch& part : commit.parts)
    for (const Event* event : part.events)
      if (event != nullptr && is_demo_feed(event->source)) synthetic_ = true;
}

std::vector<std::string> Node::warnings() const {
  std::vector<std::string> warnings;
  if (const auto contract = intake_->contract()) {
    for (const ContractFinding& finding : *contract) warnings.push_back("topic contract: " + finding.what);
  } else {
    warnings = contract_warnings_;
  }
  if (!reads_->trouble().empty()) warnings.push_back("the log of reads is damaged: " + reads_->trouble());
  if (synthetic_) warnings.push_back("this ledger holds synthetic events of the demo: its figures are made up");
  if (config_.broker.kind == BrokerKind::embedded)
    warnings.push_back("the embedded broker has no access control: whoever writes to " + bootstrap_servers() +
                       " directly is outside every promise");
  if (definition().partitioner == "any") warnings.push_back("dedup: per partition (partitioner any)");
  if (definition().clock == LedgerClock::none)
    warnings.push_back("the topic has CreateTime: as_of takes a cut or a checkpoint, not a time");
  // A reason that all partitions share is said once.
  std::map<std::pair<SourceState, std::string>, std::string> troubles;
  for (const SourceStatus& source : intake_->sources())
    if (source.state == SourceState::stopped || source.state == SourceState::waiting_for_broker ||
        source.state == SourceState::waiting_for_disk) {
      std::string& partitions = troubles[{source.state, source.why}];
      partitions += (partitions.empty() ? "" : ", ") + source.partition.name();
    }
  for (const auto& [trouble, partitions] : troubles) {
    const char* const does = trouble.first == SourceState::stopped            ? "has stopped"
                             : trouble.first == SourceState::waiting_for_disk ? "waits"
                                                                              : "waits for the broker";
    warnings.push_back(fmt::format("intake of partition {} {}: {}", partitions, does, trouble.second));
  }
  if (const std::string failed = projections_->status().failed; !failed.empty()) warnings.push_back("projections have stopped: " + failed);
  if (ledger_->shorter_than_recorded())
    warnings.push_back("the ledger is shorter than recorded: reads wait until Kafka has been read again");
  if (std::string damage = damage_text(); !damage.empty()) warnings.push_back(std::move(damage));
  for (const auto& [partition, why] : ledger_->damage())
    warnings.push_back("partition " + partition.name() + " is damaged and is not signed any more: run `bukubesar verify` (" + why + ")");
  if (witness_)
    for (const Disagreement& each : witness_->disagreements())
      warnings.push_back(fmt::format("witness: REFUSED partition {}: {}", each.partition.name(), each.what));
  for (std::string& warning : access_->warnings()) warnings.push_back(std::move(warning));
  if (tls_)
    for (std::string& warning : tls_->warnings(Clock::system().wall_ms())) warnings.push_back(std::move(warning));
  absl::MutexLock lock(&mutex_);
  if (!witness_trouble_.empty()) warnings.push_back("witness: " + witness_trouble_);
  if (!signer_ && !witness_)
    warnings.push_back("no signing key: nothing is signed; `bukubesar key new` makes one, it is used from then on");
  if (!signing_trouble_.empty()) warnings.push_back("signing fails: " + signing_trouble_);
  return warnings;
}

}  // namespace bukubesar
