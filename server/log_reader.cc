#include "server/log_reader.h"

#include <algorithm>
#include <set>

#include "base/status.h"
#include "ledger/tlog_path.h"
#include "server/json.h"
#include "server/node.h"
#include "server/payload_run.h"
#include "server/query.h"

namespace bukubesar {

namespace {

absl::Status found_twice(std::string_view id) {
  return failed_precondition(
      "event '{}' was accepted in more than one place (another source, or partitioner any): name it by --source, or by "
      "<partition>/<sequence>",
      id);
}

class HttpLogReader : public LogReader {
 public:
  explicit HttpLogReader(HttpClient client) : client_(std::move(client)) {}

  absl::StatusOr<std::string> definition() override { return get("/v1/definition"); }
  absl::StatusOr<std::string> verifier_keys() override { return get("/log/vkeys"); }
  absl::StatusOr<std::string> cut_note() override { return get("/log/cut"); }
  absl::StatusOr<std::string> checkpoint(PartitionId partition, const CheckpointChoice& choice) override {
    const std::string which = choice.size ? fmt::format("/{}", *choice.size) : choice.cosigned ? "/cosigned" : "";
    return get(fmt::format("/log/{}/checkpoint{}", partition.name(), which));
  }
  absl::StatusOr<std::string> entry_bundle(PartitionId partition, std::uint64_t index, unsigned width) override {
    return get(fmt::format("/log/{}/{}", partition.name(), format_tile_path({true, 0, index, width})));
  }
  absl::StatusOr<std::string> tile(PartitionId partition, unsigned level, std::uint64_t index, unsigned width) override {
    return get(fmt::format("/log/{}/{}", partition.name(), format_tile_path({false, level, index, width})));
  }
  absl::StatusOr<std::vector<std::optional<std::string>>> payloads(PartitionId partition, Sequence first, std::size_t count) override {
    std::vector<std::optional<std::string>> to;
    while (to.size() < count) {
      const std::size_t limit = std::min(count - to.size(), kPayloadRunEntriesMax);
      const std::string target = fmt::format("/v1/payloads/{}?first={}&limit={}", partition.name(), first.value() + to.size(), limit);
      ASSIGN_OR_RETURN(const std::string body, get(target));
      ASSIGN_OR_RETURN(const std::vector<RunPayload> run, decode_payload_run(body));
      if (run.empty() || run.size() > limit) return unavailable("{}: gave {} payloads, not {}", target, run.size(), limit);
      for (const RunPayload& one : run) to.push_back(one.payload ? std::optional<std::string>(*one.payload) : std::nullopt);
    }
    return to;
  }
  absl::StatusOr<std::string> entry_proof(PartitionId partition, Sequence sequence, const CheckpointChoice& choice,
                                          bool with_payload) override {
    std::string target = fmt::format("/v1/proofs/{}/{}?payload={}", partition.name(), sequence.value(), with_payload);
    if (choice.size) target += fmt::format("&checkpoint={}", *choice.size);
    if (choice.cosigned) target += "&cosigned=true";
    return get(target);
  }
  absl::StatusOr<std::string> consistency_proof(PartitionId partition, std::uint64_t old_size, std::uint64_t size) override {
    return get(fmt::format("/v1/consistency/{}?old={}&new={}", partition.name(), old_size, size));
  }
  absl::StatusOr<EntryPlace> find(std::string_view source, std::string_view id) override {
    std::string target = "/v1/events?id=" + percent_encode(id);
    if (!source.empty()) target += "&source=" + percent_encode(source);
    ASSIGN_OR_RETURN(const std::string body, get(target));
    const Json json = Json::parse(body, nullptr, false);
    if (!json.is_object() || !json.contains("entries") || json["entries"].empty())
      return unavailable("{}: the answer names no entry", target);
    if (json["entries"].size() > 1) return found_twice(id);
    const Json& entry = json["entries"][0];
    const auto partition = PartitionId::parse(entry.value("partition", ""));
    if (!partition || !entry["sequence"].is_number_unsigned()) return unavailable("{}: the answer names no entry", target);
    return EntryPlace{*partition, Sequence(entry["sequence"].get<std::uint64_t>())};
  }

 private:
  absl::StatusOr<std::string> get(const std::string& target) {
    ASSIGN_OR_RETURN(HttpResponse response, client_.get(target));
    RETURN_IF_ERROR(status_of(response));
    return std::move(response.body);
  }
  HttpClient client_;
};

class DirectoryLogReader : public LogReader {
 public:
  DirectoryLogReader(Config config, DefinitionFile file, std::unique_ptr<Ledger> ledger)
      : config_(std::move(config)), file_(std::move(file)), ledger_(std::move(ledger)) {}

  absl::StatusOr<std::string> definition() override { return file_.definition().text; }
  absl::StatusOr<std::string> verifier_keys() override {
    ASSIGN_OR_RETURN(const SigningKeys keys, SigningKeys::load(key_path(config_)));
    std::string text;
    for (PartitionId partition : file_.definition().all_partitions())
      text += keys.verifier_key(file_.definition().origin(partition)) + "\n";
    text += keys.verifier_key(cut_note_origin(file_.definition().name)) + "\n";
    for (const std::string& key : witness_keys(config_.signing)) text += key + "\n";
    return text;
  }
  absl::StatusOr<std::string> cut_note() override {
    ASSIGN_OR_RETURN(auto note, ledger_->newest_cut_note());
    if (!note) return not_found("{}: nothing is signed yet", ledger_directory(config_));
    return *std::move(note);
  }
  absl::StatusOr<std::string> checkpoint(PartitionId partition, const CheckpointChoice& choice) override {
    return choose_checkpoint(*ledger_, partition, choice);
  }
  absl::StatusOr<std::string> entry_bundle(PartitionId partition, std::uint64_t index, unsigned width) override {
    return ledger_->entry_bundle(partition, index, width);
  }
  absl::StatusOr<std::string> tile(PartitionId partition, unsigned level, std::uint64_t index, unsigned width) override {
    return ledger_->tile(partition, level, index, width);
  }
  absl::StatusOr<std::vector<std::optional<std::string>>> payloads(PartitionId partition, Sequence first, std::size_t count) override {
    std::vector<std::optional<std::string>> to;
    while (to.size() < count) {
      ASSIGN_OR_RETURN(const StoredRun run, ledger_->read(partition, first + to.size(), count - to.size()));
      if (run.entries.empty()) return data_loss("entry {}:{}: not stored", partition.name(), first.value() + to.size());
      for (const StoredEntry& stored : run.entries)
        to.push_back(stored.payload ? std::optional<std::string>(*stored.payload) : std::nullopt);
    }
    return to;
  }
  absl::StatusOr<std::string> entry_proof(PartitionId partition, Sequence sequence, const CheckpointChoice& choice,
                                          bool with_payload) override {
    RETURN_IF_ERROR(known(partition));
    return prove_entry(*ledger_, partition, sequence, choice, with_payload);
  }
  absl::StatusOr<std::string> consistency_proof(PartitionId partition, std::uint64_t old_size, std::uint64_t size) override {
    RETURN_IF_ERROR(known(partition));
    return prove_consistency(*ledger_, partition, old_size, size);
  }
  absl::StatusOr<EntryPlace> find(std::string_view source, std::string_view id) override {
    std::set<std::string> sources(file_.definition().authorities.begin(), file_.definition().authorities.end());
    for (const FeedStatement& feed : file_.definition().feeds) sources.insert(feed.source);
    if (!source.empty()) sources = {std::string(source)};
    std::vector<EntryPlace> found;
    for (const std::string& each : sources) {
      ASSIGN_OR_RETURN(const std::vector<EntryPlace> places, find_event(*ledger_, each, id));
      found.insert(found.end(), places.begin(), places.end());
    }
    if (found.size() > 1) return found_twice(id);
    if (!found.empty()) return found.front();
    return not_found("no accepted event has id '{}' and source {}; name its source by --source: the definition knows {}", id,
                     source.empty() ? "any that the definition knows" : fmt::format("'{}'", source),
                     sources.empty() ? "none" : fmt::format("{}", fmt::join(sources, ", ")));
  }

 private:
  absl::Status known(PartitionId partition) const {
    for (PartitionId each : ledger_->partitions())
      if (each == partition) return absl::OkStatus();
    return not_found("partition '{}': this ledger has 0 … {} and reference", partition.name(), file_.definition().partitions - 1);
  }
  Config config_;
  DefinitionFile file_;
  std::unique_ptr<Ledger> ledger_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<LogReader>> read_log_over_http(HttpClientOptions options) {
  options.attempts_max = 3;
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(std::move(options)));
  return std::unique_ptr<LogReader>(new HttpLogReader(std::move(client)));
}

absl::StatusOr<std::unique_ptr<LogReader>> read_log_of_directory(const Config& config) {
  ASSIGN_OR_RETURN(DefinitionFile file, DefinitionFile::load(definition_path(config)));
  LedgerOptions options;
  options.directory = ledger_directory(config);
  options.read_only = true;
  ASSIGN_OR_RETURN(std::unique_ptr<Ledger> ledger, Ledger::open(std::move(options), file.definition()));
  if (ledger->shorter_than_recorded())
    return data_loss("{}: shorter than the last size and root recorded outside it (I9): nothing is proved from it",
                     ledger_directory(config));
  return std::unique_ptr<LogReader>(new DirectoryLogReader(config, std::move(file), std::move(ledger)));
}

std::optional<EntryPlace> parse_entry_place(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto partition = PartitionId::parse(text.substr(0, slash));
  const auto sequence = parse_decimal(text.substr(slash + 1));
  if (!partition || !sequence) return std::nullopt;
  return EntryPlace{*partition, Sequence(*sequence)};
}

}  // namespace bukubesar
