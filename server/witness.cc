#include "server/witness.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/proof.h"

namespace bukubesar {

namespace {

constexpr std::string_view kStateHeader = "bukubesar witness 1";
constexpr std::string_view kRefused = "refused ";  // then origin, what, note; the latter two in base64
constexpr std::uint32_t kAnswerTimeoutMs = 10'000;

std::optional<Disagreement> parse_refusal(const Definition& definition, std::string_view words) {
  const std::size_t first = words.find(' '), second = words.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto what = unbase64(words.substr(first + 1, second - first - 1)), note = unbase64(words.substr(second + 1));
  for (const PartitionId partition : definition.all_partitions())
    if (what && note && words.substr(0, first) == definition.origin(partition)) return Disagreement{partition, *what, *note};
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Witness>> Witness::open(WitnessOptions options, SigningKeys keys) {
  HttpClientOptions server = options.server;
  server.attempts_max = 1;  // the next round tries again
  server.answer_timeout_ms = kAnswerTimeoutMs;
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(server)));
  std::unique_ptr<Witness> witness(new Witness(std::move(options), std::move(keys), std::move(client)));
  RETURN_IF_ERROR(witness->load_state());
  return witness;
}

// The state is a cut note that nobody signs: the heads that were cosigned last; then a line for each partition that is refused.
absl::Status Witness::load_state() {
  const auto text = read_file(options_.state_path);
  if (absl::IsNotFound(text.status())) return absl::OkStatus();
  RETURN_IF_ERROR(text.status());
  const absl::Status damaged =
      data_loss("{}: it is not what a witness wrote; without it nothing is cosigned: put back a copy of it", options_.state_path);
  const std::string header = fmt::format("{}\n", kStateHeader);
  if (text->substr(0, header.size()) != header) return damaged;
  absl::MutexLock lock(&mutex_);
  std::string heads;
  for (std::string_view rest = std::string_view(*text).substr(header.size()); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.substr(0, kRefused.size()) != kRefused) {
      heads += fmt::format("{}\n", line);
      continue;
    }
    const std::optional<Disagreement> refused = parse_refusal(*options_.definition, line.substr(kRefused.size()));
    if (!refused) return damaged;
    disagreements_[refused->partition] = *refused;
    spdlog::critical("witness {}: partition {} stays REFUSED: {}", options_.name, refused->partition.name(), refused->what);
  }
  if (heads == cut_note_text(options_.definition->name, {})) return absl::OkStatus();  // refused before anything was cosigned
  const auto parsed = parse_cut_note(fmt::format("{}\n\u2014 none AAAAAAA=\n", heads));
  if (!parsed.ok()) return damaged;
  for (const Checkpoint& head : parsed->parts)
    for (const PartitionId partition : options_.definition->all_partitions())
      if (head.origin == options_.definition->origin(partition)) cosigned_[partition] = head;
  return absl::OkStatus();
}

absl::Status Witness::store_state(const std::map<PartitionId, Checkpoint>& cosigned,
                                  const std::map<PartitionId, Disagreement>& disagreements) const {
  std::vector<Checkpoint> heads;
  for (const auto& [partition, head] : cosigned) heads.push_back(head);
  std::string text = fmt::format("{}\n{}", kStateHeader, cut_note_text(options_.definition->name, heads));
  for (const auto& [partition, one] : disagreements)
    text += fmt::format("{}{} {} {}\n", kRefused, options_.definition->origin(partition), base64(one.what), base64(one.note));
  return write_file_durably(options_.state_path, text);
}

absl::Status Witness::note_cosigned(PartitionId partition, const Checkpoint& head) {
  absl::MutexLock lock(&mutex_);
  auto next = cosigned_;
  next[partition] = head;
  RETURN_IF_ERROR(store_state(next, disagreements_));
  cosigned_ = std::move(next);
  return absl::OkStatus();
}

absl::Status Witness::check_note(PartitionId partition, const std::string& note) const {
  const std::string origin = options_.definition->origin(partition);
  for (const std::string& key : options_.verifier_keys)
    if (key.substr(0, key.find('+')) == origin) return verify_note(note, key);
  return failed_precondition("no verifier key of {} was given", origin);
}

absl::StatusOr<bool> Witness::refuse(const Disagreement& disagreement) {
  const std::string partition = disagreement.partition.name();
  absl::MutexLock lock(&mutex_);
  auto next = disagreements_;
  next.emplace(disagreement.partition, disagreement);
  if (const absl::Status stored = store_state(cosigned_, next); !stored.ok())
    return with_context(stored, fmt::format("partition {} is to be REFUSED: {}; that can't be stored", partition, disagreement.what));
  disagreements_ = std::move(next);
  spdlog::critical("witness {}: REFUSED partition {}: {}; nothing of it is cosigned any more\n{}", options_.name, partition,
                   disagreement.what, disagreement.note);
  return true;
}

absl::StatusOr<bool> Witness::look() {
  const ComputesFor looker(stopping_);
  bool all = true;
  absl::Status first_error;
  for (const PartitionId partition : options_.definition->all_partitions()) {
    const auto done = look_at(partition);
    if (*stopping_) return false;
    if (!done.ok() && first_error.ok()) first_error = done.status();
    all = all && done.ok() && *done;
    if (absl::IsUnavailable(done.status()) || absl::IsDeadlineExceeded(done.status())) break;  // nor does it answer for the others
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
    return refuse({partition, fmt::format("its checkpoint of {} entries: {}", head->size, message_of(signed_by_it)), note});
  }
  if (last && head->size < last->size) {
    return refuse({partition, fmt::format("it signs {} entries, {} were cosigned: it has become shorter", head->size, last->size), note});
  }
  if (options_.ledger->shorter_than_recorded() || options_.ledger->head(partition).size < head->size) return false;
  ASSIGN_OR_RETURN(const Hash256 root, options_.ledger->root(partition, head->size));
  if (root != head->root) {
    return refuse({partition,
                   fmt::format("its first {} entries have root {} as it signs, {} as read from Kafka here", head->size,
                               base64(as_view(head->root)), base64(as_view(root))),
                   note});
  }
  if (verify_note(note, verifier_key()).ok()) return true;  // cosigned before
  RETURN_IF_ERROR(note_cosigned(partition, *head));
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
