#include "server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <limits>
#include <map>

#include "server/node.h"

namespace bukubesar {

namespace {

using Bounds = prometheus::Histogram::BucketBoundaries;
using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

const Bounds& delay_bounds() {
  static const Bounds bounds{0.001, 0.0015, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03,
                             0.04,  0.05,   0.06,  0.1,   0.25,  0.5,   1,     2.5,  5,     10,   60};
  return bounds;
}
Bounds duration_bounds() { return {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}; }

prometheus::Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help, const Bounds& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

// Collects samples that are read when somebody asks.
class Samples {
 public:
  using Labels = std::vector<ClientMetric::Label>;
  void gauge(const std::string& name, const std::string& help, double value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
  }
  void counter(const std::string& name, const std::string& help, std::uint64_t value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    family(name, help, MetricType::Counter).metric.push_back(std::move(metric));
  }
  // scale: from the unit counted in to the unit of the metric.
  void histogram(const std::string& name, const std::string& help, const Histogram& counted, double scale) {
    ClientMetric metric;
    metric.histogram.sample_count = counted.observations;
    metric.histogram.sample_sum = static_cast<double>(counted.sum) * scale;
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < counted.counts.size(); ++i) {
      cumulative += counted.counts[i];
      const double bound =
          i < Histogram::kBounds.size() ? static_cast<double>(Histogram::kBounds[i]) * scale : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({cumulative, bound});
    }
    family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
  }
  void append_to(std::vector<MetricFamily>& all) {
    for (auto& [name, family] : families_) all.push_back(std::move(family));
  }

 private:
  MetricFamily& family(const std::string& name, const std::string& help, MetricType type) {
    MetricFamily& found = families_[name];
    found.name = name;
    found.help = help;
    found.type = type;
    return found;
  }
  std::map<std::string, MetricFamily> families_;
};

ClientMetric::Label label(std::string name, std::string value) {
  ClientMetric::Label made;
  made.name = std::move(name);
  made.value = std::move(value);
  return made;
}

double number(std::uint64_t value) { return static_cast<double>(value); }
double number(std::int64_t value) { return static_cast<double>(value); }

void sample_witness(Node& node, Samples& samples) {
  if (node.witness() == nullptr) return;
  for (const auto& [partition, size] : node.witness()->cosigned())
    samples.gauge("bukubesar_witness_cosigned_entries", "Entries of the ledger under the newest head that this witness cosigned.",
                  number(size), {label("partition", partition.name())});
  std::map<PartitionId, int> refused;
  for (PartitionId partition : node.ledger().partitions()) refused[partition] = 0;
  for (const Disagreement& each : node.witness()->disagreements()) refused[each.partition] = 1;
  for (const auto& [partition, yes] : refused)
    samples.gauge("bukubesar_witness_refused", "1 where this witness has refused what the ledger signs: somebody must look.", yes,
                  {label("partition", partition.name())});
}

void sample_ledger(Node& node, Samples& samples) {
  for (PartitionId partition : node.ledger().partitions()) {
    const PartitionHead head = node.ledger().head(partition);
    const Samples::Labels at{label("partition", partition.name())};
    samples.gauge("bukubesar_ledger_sequence_next", "Sequence that the next entry of the partition gets; equals its number of entries.",
                  number(head.size), at);
    samples.gauge("bukubesar_ledger_offset_next", "Kafka offset after the last stored record, of the newest epoch.",
                  number(head.next_offset.value()), at);
    samples.gauge("bukubesar_ledger_epoch", "Newest epoch (source topic incarnation) of the partition.", head.epoch.value(), at);
    samples.gauge("bukubesar_ledger_gap_offsets", "Kafka offsets that the broker did not have, of all epochs.", number(head.gap_offsets),
                  at);
    const std::array<std::pair<const char*, std::uint64_t>, 4> verdicts{{{"accepted", head.counts.accepted},
                                                                         {"duplicate", head.counts.duplicate},
                                                                         {"rejected", head.counts.rejected},
                                                                         {"statement", head.counts.statements}}};
    for (const auto& [verdict, count] : verdicts)
      samples.gauge("bukubesar_ledger_entries", "Entries of the whole history by verdict.", number(count),
                    {label("partition", partition.name()), label("verdict", verdict)});
  }
  for (const auto& [part, bytes] : node.ledger().memory_bytes())
    samples.gauge("bukubesar_memory_bytes", "Memory in use, by part.", number(bytes), {label("part", "ledger_" + part)});
  for (const auto& [part, bytes] : node.projections().memory_bytes())
    samples.gauge("bukubesar_memory_bytes", "Memory in use, by part.", number(bytes), {label("part", "projections_" + part)});
  samples.gauge("bukubesar_disk_bytes", "Disk in use, by part.", number(node.ledger().disk_bytes()), {label("part", "ledger")});
  samples.gauge("bukubesar_disk_bytes", "Disk in use, by part.", number(node.projections().disk_bytes()), {label("part", "segments")});
}

void sample_access(Node& node, Samples& samples) {
  if (node.access() == nullptr) return;  // not started yet
  const Access::Stats stats = node.access()->stats();
  samples.gauge("bukubesar_http_tokens", "Tokens that are not revoked.", number(stats.tokens));
  for (Refused why : kAllRefused)
    samples.counter("bukubesar_http_refused_total", "Requests refused for want of access, by reason.",
                    stats.refused[static_cast<std::size_t>(why)], {label("why", std::string(name_of(why)))});
  for (const auto& [id, use] : stats.uses)
    for (const auto& [outcome, count] :
         {std::pair("allowed", use.allowed), std::pair("refused_role", use.refused_role), std::pair("refused_rate", use.refused_rate)})
      samples.counter("bukubesar_http_token_requests_total", "Requests by token and what became of them.", count,
                      {label("token", id), label("outcome", outcome)});
  const auto reloads = [&samples](const char* file, std::uint64_t done, std::uint64_t failed) {
    const std::string help = "Files of access that were read again while the server ran.";
    samples.counter("bukubesar_http_reloads_total", help, done, {label("file", file), label("result", "done")});
    samples.counter("bukubesar_http_reloads_total", help, failed, {label("file", file), label("result", "failed")});
  };
  reloads("tokens", stats.reloads, stats.reloads_failed);
  if (node.tls() == nullptr) return;
  const TlsCertificate::Stats tls = node.tls()->stats();
  reloads("certificate", tls.reloads, tls.reloads_failed);
  samples.gauge("bukubesar_http_certificate_expires_seconds", "When the TLS certificate in use expires, as Unix time.",
                number(tls.expires_ms / 1000));
}

void sample_sources(Node& node, Samples& samples) {
  for (const SourceStatus& source : node.intake().sources()) {
    const Samples::Labels at{label("partition", source.partition.name())};
    if (source.high_watermark >= 0)
      samples.gauge("bukubesar_source_high_watermark", "Kafka's offset after the last record of the topic partition.",
                    number(source.high_watermark), at);
    if (source.lag_records >= 0)
      samples.gauge("bukubesar_source_lag_records", "Records in Kafka that are not in the ledger yet.", number(source.lag_records), at);
    for (SourceState state : {SourceState::connecting, SourceState::streaming, SourceState::waiting_for_broker,
                              SourceState::waiting_for_disk, SourceState::stopped})
      samples.gauge("bukubesar_source_state", "1 for the state that the source is in.", source.state == state ? 1 : 0,
                    {label("partition", source.partition.name()), label("state", std::string(name_of(state)))});
    samples.counter("bukubesar_source_reconnects_total", "Consumers made anew after a broker error.", source.reconnects, at);
    samples.counter("bukubesar_source_gaps_refetched_total", "Forward jumps in offsets that were fetched again.", source.gaps_refetched,
                    at);
    samples.counter("bukubesar_source_anchors_checked_total", "Anchors compared with the last stored record.", source.anchors_checked, at);
    samples.counter("bukubesar_source_anchors_missing_total", "Anchors that retention had removed.", source.anchors_missing, at);
  }
  const IntakeStats stats = node.intake().stats();
  samples.histogram("bukubesar_commit_entries", "Entries in one commit.", stats.commit_entries, 1);
  samples.histogram("bukubesar_commit_duration_seconds", "Time of one commit, all of it.", stats.commit_us, 1e-6);
  samples.histogram("bukubesar_commit_build_seconds", "Time to compress and hash one commit.", stats.build_us, 1e-6);
  samples.histogram("bukubesar_commit_fsync_seconds", "Time to write and sync one commit.", stats.write_us, 1e-6);
  samples.counter("bukubesar_commit_payload_bytes_total", "Payload bytes committed since the start of the process.", stats.payload_bytes);
  samples.counter("bukubesar_commit_stored_bytes_total", "Bytes written for them, compressed.", stats.stored_bytes);
  samples.gauge("bukubesar_publish_in_flight_events", "Events of POST /v1/events that wait for their commit.",
                number(stats.publish_events_in_flight));
  samples.gauge("bukubesar_publish_in_flight_bytes", "Their payload bytes.", number(stats.publish_bytes_in_flight));
  samples.gauge("bukubesar_queue_depth", "Items waiting, by queue.", number(stats.queue_depth), {label("queue", "commits")});
}

void sample_scrub(const Scrub& scrub, Samples& samples) {
  const ScrubStatus status = scrub.status();
  for (const auto& [partition, position] : status.partitions) {
    const Samples::Labels at{label("partition", partition.name())};
    samples.gauge("bukubesar_scrub_sequence_next", "Sequence that the scrub's pass reads next.", number(position.next), at);
    samples.gauge("bukubesar_scrub_sequence_limit", "Entries that the scrub's pass reads.", number(position.size), at);
  }
  samples.counter("bukubesar_scrub_errors_total", "Places where stored bytes are not what they should be, found by the scrub.",
                  status.errors);
  samples.counter("bukubesar_scrub_passes_total", "Passes of the scrub over everything.", status.passes);
  samples.counter("bukubesar_scrub_entries_total", "Entries that the scrub hashed again.", status.entries);
  samples.counter("bukubesar_scrub_read_bytes_total", "Stored bytes that the scrub read.", status.read_bytes);
  samples.counter("bukubesar_scrub_gaps_total", "Gaps of transactional sources that the scrub looked into.", status.gaps_looked_at);
}

void sample_projections(Node& node, Samples& samples) {
  const ProjectionStatus status = node.projections().status();
  for (PartitionId partition : node.ledger().partitions()) {
    const std::uint64_t stored = node.ledger().head(partition).size;
    const std::uint64_t read = std::min(stored, status.cut.size(partition));
    samples.gauge("bukubesar_visible_lag_entries", "Entries that are stored but not yet visible in totals and views.",
                  number(stored - read), {label("partition", partition.name())});
  }
  for (const auto& [partition, size] : status.cut.sizes())
    samples.gauge("bukubesar_projection_sequence_next", "Entries of the partition that views and totals have read.", number(size),
                  {label("partition", partition.name())});
  samples.gauge("bukubesar_projection_transfers", "Transfers in the segments.", number(status.transfers));
  samples.gauge("bukubesar_projection_purchases", "Purchases known.", number(status.purchases));
  samples.gauge("bukubesar_projection_segments", "Segments on disk.", number(status.segments));
  samples.gauge("bukubesar_projection_findings", "Findings of the fold.", number(status.findings));
  samples.gauge("bukubesar_projection_failed", "1 while the projection worker has stopped over an error.", status.failed.empty() ? 0 : 1);
  samples.counter("bukubesar_projection_hand_offs_dropped_total", "Batches not handed over because the projection was behind.",
                  status.hand_offs_dropped);
  samples.gauge("bukubesar_queue_depth", "Items waiting, by queue.", number(status.queue_depth), {label("queue", "hand_offs")});
  samples.gauge("bukubesar_queue_depth", "Items waiting, by queue.", number(status.readers_waiting), {label("queue", "cut_waits")});
}

void sample_stream(Node& node, Samples& samples) {
  const StreamStats stats = node.stream().stats();
  samples.gauge("bukubesar_stream_clients", "Clients that follow /v1/stream.", number(std::uint64_t{stats.clients}));
  samples.counter("bukubesar_stream_frames_total", "Frames rendered, each once for all clients.", stats.frames);
  samples.counter("bukubesar_stream_skips_total", "Times that a slow client was told that it missed frames.", stats.skips);
  samples.counter("bukubesar_stream_alerts_dropped_total", "Alerts not sent to the stream because too many were waiting.",
                  stats.alerts_dropped);
}

void sample_alerts(Node& node, Samples& samples) {
  const AlertState state = node.alerts().state();
  std::map<std::string, std::uint64_t> firing{{"critical", 0}, {"warning", 0}, {"info", 0}};
  for (const KnownFiring& one : state.firing) ++firing[one.what.severity];
  for (const auto& [severity, count] : firing)
    samples.gauge("bukubesar_alerts_firing", "Alerts for people that fire.", number(count), {label("severity", severity)});
  samples.gauge("bukubesar_alerts_undelivered", "Firings that the webhook has not taken yet.", number(state.pending));
}

}  // namespace

Metrics::Metrics()
    : verdicts_(prometheus::BuildCounter()
                    .Name("bukubesar_verdicts_total")
                    .Help("Entries committed since the start of the process, by verdict and reason.")
                    .Register(*registry_)),
      delay_(histogram(*registry_, "bukubesar_end_to_end_delay_seconds",
                       "From a record's Kafka timestamp until it is visible in totals and views.", delay_bounds())),
      unmeasured_(prometheus::BuildCounter()
                      .Name("bukubesar_end_to_end_delay_unmeasured_commits_total")
                      .Help("Commits whose delay was not measured, because too many were waiting to be read.")
                      .Register(*registry_)
                      .Add({})),
      http_requests_(prometheus::BuildCounter()
                         .Name("bukubesar_http_requests_total")
                         .Help("HTTP requests answered, by route, method and status.")
                         .Register(*registry_)),
      http_duration_(prometheus::BuildHistogram()
                         .Name("bukubesar_http_request_duration_seconds")
                         .Help("Time from a request's header to the last byte of its answer, by route.")
                         .Register(*registry_)),
      signings_(prometheus::BuildCounter().Name("bukubesar_signings_total").Help("Rounds of signing, by outcome.").Register(*registry_)) {}

Metrics::Stamps Metrics::stamps_of(const Commit& commit) {
  Stamps stamps;
  for (const PartitionBatch& part : commit.parts)
    for (const Entry& entry : part.entries) {
      if (!entry.timestamp_present) continue;
      if (stamps.empty() || stamps.back().first != entry.timestamp_ms) stamps.emplace_back(entry.timestamp_ms, 0);
      ++stamps.back().second;
    }
  return stamps;
}

void Metrics::observe_commit(const Commit& commit) {
  for (const PartitionBatch& part : commit.parts) {
    std::map<std::pair<Verdict, Reason>, std::uint64_t> counts;
    for (const Entry& entry : part.entries) ++counts[{entry.verdict, entry.reason}];
    for (const auto& [what, count] : counts)
      verdicts_
          .Add({{"partition", part.partition.name()},
                {"verdict", std::string(name_of(what.first))},
                {"reason", std::string(name_of(what.second))}})
          .Increment(static_cast<double>(count));
  }
}

void Metrics::observe_visible(const Stamps& stamps, std::int64_t now_ms) {
  std::vector<double> buckets(delay_bounds().size() + 1, 0.0);
  double sum = 0;
  for (const auto& [stamp_ms, count] : stamps) {
    const double delay = std::max(0.0, static_cast<double>(now_ms - stamp_ms) / 1000.0);
    const auto bucket = std::lower_bound(delay_bounds().begin(), delay_bounds().end(), delay) - delay_bounds().begin();
    buckets[static_cast<std::size_t>(bucket)] += static_cast<double>(count);
    sum += delay * static_cast<double>(count);
  }
  delay_.ObserveMultiple(buckets, sum);
}

void Metrics::observe_http(std::string_view route, std::string_view method, unsigned status, std::chrono::nanoseconds took) {
  // A method that no route knows is the client's to invent: it must not make a time series.
  const bool known = method == "GET" || method == "HEAD" || method == "POST";
  http_requests_.Add({{"route", std::string(route)}, {"method", known ? std::string(method) : "other"}, {"status", std::to_string(status)}})
      .Increment();
  http_duration_.Add({{"route", std::string(route)}}, duration_bounds()).Observe(std::chrono::duration<double>(took).count());
}

void Metrics::count_signing(bool ok) { signings_.Add({{"outcome", ok ? "ok" : "failed"}}).Increment(); }

std::string Metrics::text(Node& node) const {
  std::vector<MetricFamily> all = registry_->Collect();
  Samples samples;
  samples.gauge("bukubesar_build_info", "1; the version is in the label.", 1, {label("version", std::string(kVersion))});
  samples.gauge("bukubesar_ready", "1 once start-up is over.", node.ready() ? 1 : 0);
  samples.gauge("bukubesar_http_connections", "HTTP connections open.", number(std::uint64_t{node.http().connections()}));
  samples.gauge("bukubesar_queue_depth", "Items waiting, by queue.", number(std::uint64_t{node.http().pool_depth()}),
                {label("queue", "http_reads")});
  sample_access(node, samples);
  if (node.ready()) {
    sample_ledger(node, samples);
    sample_witness(node, samples);
    sample_sources(node, samples);
    sample_projections(node, samples);
    sample_stream(node, samples);
    sample_alerts(node, samples);
    if (node.scrub() != nullptr) sample_scrub(*node.scrub(), samples);
  }
  samples.append_to(all);
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace bukubesar
