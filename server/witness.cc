#include "server/witness.h"

#include <spdlog/spdlog.h>

#include <chrono>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/proof.h"

namespace bukubesar {

namespace {

constexpr std::string_view kStateHeader = "bukubesar witness 1";

}  // namespace

absl::StatusOr<std::unique_ptr<Witness>> Witness::open(WitnessOptions options, SigningKeys keys) {
  HttpClientOptions server = options.server;
  server.attempts_max = 3;
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(server)));
  std::unique_ptr<Witness> witness(new Witness(std::move(options), std::move(keys), std::move(client)));
  RETURN_IF_ERROR(witness->load_state());
  return witness;
}

// The state is a cut note that nobody signs: the heads that were cosigned last.
absl::Status Witness::load_state() {
  const auto text = read_file(options_.state_path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const absl::Status damaged =
      data_loss("{}: it is not what a witness wrote; without it nothing is cosigned: put back a copy of it", options_.state_path);
  const std::string header = fmt::format("{}\n", kStateHeader);
  if (text->substr(0, header.size()) != header) return damaged;
  const auto heads = parse_cut_note(fmt::format("{}\n{}\u2014 none AAAAAAA=\n", text->substr(header.size()), ""));
  if (!heads.ok()) return damaged;
  absl::MutexLock lock(&mutex_);
  for (const Checkpoint& head : heads->parts)
    for (const PartitionId partition : options_.definition->all_partitions())
      if (head.origin == options_.definition->origin(partition)) cosigned_[partition] = head;
  return absl::OkStatus();
}

absl::Status Witness::store_state(PartitionId partition, const Checkpoint& head) {
  std::vector<Checkpoint> heads;
  absl::MutexLock lock(&mutex_);
  auto next = cosigned_;
  next[partition] = head;
  for (const auto& [each, cosigned] : next) heads.push_back(cosigned);
  RETURN_IF_ERROR(
      write_file_durably(options_.state_path, fmt::format("{}\n{}", kStateHeader, cut_note_text(options_.definition->name, heads))));
  cosigned_ = std::move(next);
  return absl::OkStatus();
}

absl::Status Witness::check_note(PartitionId partition, const std::string& note) const {
  const std::string origin = options_.definition->origin(partition);
  for (const std::string& key : options_.verifier_keys)
    if (key.substr(0, key.find('+')) == origin) return verify_note(note, key);
  return failed_precondition("no verifier key of {} was given", origin);
}

void Witness::refuse(PartitionId partition, std::string what, std::string note) {
  absl::MutexLock lock(&mutex_);
  const auto [at, is_new] = disagreements_.try_emplace(partition, Disagreement{partition, what, note});
  if (is_new)
    spdlog::critical("witness {}: REFUSED partition {}: {}; nothing of it is cosigned any more\n{}", options_.name, partition.name(), what,
                     note);
}

absl::StatusOr<bool> Witness::look() {
  bool all = true;
  absl::Status first_error;
  for (const PartitionId partition : options_.definition->all_partitions()) {
    const auto done = look_at(partition);
    if (!done.ok() && first_error.ok()) first_error = done.status();
    all = all && done.ok() && *done;
  }
  RETURN_IF_ERROR(first_error);
  return all;
}

absl::StatusOr<bool> Witness::look_at(PartitionId partition) {
  std::optional<Checkpoint> last;
  {
    absl::MutexLock lock(&mutex_);
    if (disagreements_.count(partition) != 0) return true;
    if (const auto found = cosigned_.find(partition); found != cosigned_.end()) last = found->second;
  }
  ASSIGN_OR_RETURN(const HttpResponse response, client_.get(fmt::format("/log/{}/checkpoint", partition.name())));
  RETURN_IF_ERROR(status_of(response));
  const std::string& note = response.body;
  const auto head = parse_checkpoint(note);
  RETURN_IF_ERROR(head.status());
  if (const absl::Status signed_by_it = check_note(partition, note); !signed_by_it.ok()) {
    refuse(partition, fmt::format("its checkpoint of {} entries: {}", head->size, message_of(signed_by_it)), note);
    return true;
  }
  if (last && head->size < last->size) {
    refuse(partition, fmt::format("it signs {} entries, {} were cosigned: it has become shorter", head->size, last->size), note);
    return true;
  }
  if (options_.ledger->shorter_than_recorded() || options_.ledger->head(partition).size < head->size) return false;
  ASSIGN_OR_RETURN(const Hash256 root, options_.ledger->root(partition, head->size));
  if (root != head->root) {
    refuse(partition,
           fmt::format("its first {} entries have root {} as it signs, {} as read from Kafka here", head->size, base64(as_view(head->root)),
                       base64(as_view(root))),
           note);
    return true;
  }
  if (verify_note(note, verifier_key()).ok()) return true;  // cosigned before
  RETURN_IF_ERROR(store_state(partition, *head));
  ASSIGN_OR_RETURN(const std::string text, note_text(note));
  const auto now_s = static_cast<std::uint64_t>(Clock::system().wall_ms() / 1000);
  ASSIGN_OR_RETURN(const HttpResponse taken,
                   client_.post(fmt::format("/log/{}/cosignature", partition.name()), "text/plain; charset=utf-8",
                                fmt::format("{}\n{}", text, keys_.cosignature_line(options_.name, text, now_s)), {}, SendTwice::harmless));
  RETURN_IF_ERROR(status_of(taken));
  spdlog::info("witness {}: cosigned {} entries of partition {}", options_.name, head->size, partition.name());
  return true;
}

std::vector<Disagreement> Witness::disagreements() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Disagreement> all;
  for (const auto& [partition, disagreement] : disagreements_) all.push_back(disagreement);
  return all;
}

std::map<PartitionId, std::uint64_t> Witness::cosigned() const {
  absl::MutexLock lock(&mutex_);
  std::map<PartitionId, std::uint64_t> sizes;
  for (const auto& [partition, head] : cosigned_) sizes[partition] = head.size;
  return sizes;
}

}  // namespace bukubesar
