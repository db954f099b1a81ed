// build_evidence(): asks a server for a report and for all that it stands on.
#include <algorithm>

#include "adapters/json_answer.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "config/definition.h"
#include "events/rules.h"
#include "ledger/merkle.h"
#include "ledger/pruned_tree.h"
#include "ledger/signer.h"
#include "projections/partition_fold.h"
#include "server/evidence_pack.h"
#include "server/node.h"

namespace bukubesar {

namespace {

constexpr std::size_t kEntriesAsked = 1024;  // in one request
constexpr std::size_t kRunsTextMax = 4096;   // of its target, in bytes
constexpr std::uint32_t kHashOnly = 0xFFFFFFFF;
constexpr std::uint32_t kErased = 0xFFFFFFFE;  // then the redaction (u64) and its substitute

// Hashes of subtrees out of the log's tiles, each fetched once.
class FetchedTiles : public SubtreeSource {
 public:
  FetchedTiles(LogReader& log, PartitionId partition, std::uint64_t size) : log_(log), partition_(partition), size_(size) {}
  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override {
    const unsigned level = height / kTileHeight;
    const unsigned within = height % kTileHeight;
    const std::uint64_t first = index << within;  // hashes of the tile's level
    const std::uint64_t tile = first / kTileWidth;
    const std::uint64_t complete = size_ >> (level * kTileHeight);
    auto& bytes = tiles_[{level, tile}];
    if (bytes.empty()) {
      const auto width = static_cast<unsigned>(std::min(kTileWidth, complete - tile * kTileWidth));
      ASSIGN_OR_RETURN(bytes, log_.tile(partition_, level, tile, width));
      if (bytes.size() != width * sizeof(Hash256))
        return unavailable("tile {}/{} of partition {}: it has {} bytes", level, tile, partition_.name(), bytes.size());
    }
    std::vector<Hash256> hashes(std::size_t{1} << within);
    for (std::size_t i = 0; i < hashes.size(); ++i)
      std::copy_n(bytes.data() + (first % kTileWidth + i) * sizeof(Hash256), sizeof(Hash256), reinterpret_cast<char*>(hashes[i].data()));
    for (; hashes.size() > 1; hashes.resize(hashes.size() / 2))
      for (std::size_t i = 0; i < hashes.size() / 2; ++i) hashes[i] = node_hash(hashes[2 * i], hashes[2 * i + 1]);
    return hashes[0];
  }

 private:
  LogReader& log_;
  const PartitionId partition_;
  const std::uint64_t size_;
  std::map<std::pair<unsigned, std::uint64_t>, std::string> tiles_;
};

class PackBuilder {
 public:
  PackBuilder(HttpClient client, std::unique_ptr<LogReader> log, const EvidenceRequest& request, const Progress& progress)
      : client_(std::move(client)), log_(std::move(log)), request_(request), progress_(progress) {}
  absl::StatusOr<ZipFiles> run();

 private:
  absl::StatusOr<std::string> get(const std::string& target) {
    ASSIGN_OR_RETURN(HttpResponse response, client_.get(target));
    RETURN_IF_ERROR(status_of(response));
    return std::move(response.body);
  }
  void report(std::string_view what, std::uint64_t done, std::uint64_t total) const {
    if (progress_) progress_(what, done, total);
  }
  absl::Status ask_places();
  absl::Status add_partition(PartitionId partition, std::uint64_t size, std::string_view checkpoint);
  absl::Status fetch(PartitionId partition, const std::vector<std::uint64_t>& wanted, std::size_t at);
  std::vector<std::uint64_t> wanted(PartitionId partition, std::uint64_t size) const;
  absl::Status add_report();
  Json pack_json() const;

  HttpClient client_;
  std::unique_ptr<LogReader> log_;
  const EvidenceRequest& request_;
  const Progress& progress_;
  ReportTarget target_;
  Definition definition_;
  Json places_;
  Cut cut_;
  ZipFiles files_;
  std::vector<PackEntry> entries_;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::uint16_t> rules_;
  std::uint64_t total_ = 0;
};

absl::Status PackBuilder::ask_places() {
  std::string target = "/v1/evidence/" + target_.path + "?" + target_.query;
  if (!request_.as_of.empty()) target += (target.back() == '?' ? "" : "&") + std::string("as_of=") + percent_encode(request_.as_of);
  if (request_.cosigned) target += (target.back() == '?' ? "" : "&") + std::string("cosigned=true");
  report("asking which entries the report stands on", 0, 0);
  ASSIGN_OR_RETURN(const std::string body, get(target));
  places_ = Json::parse(body, nullptr, false);
  for (const char* name : {"cut", "cut_note", "checkpoints", "entries", "purchases", "configuration_sha256", "views", "synthetic"})
    if (!places_.is_object() || !places_.contains(name)) return unavailable("{}: the answer has no {}", target, name);
  ASSIGN_OR_RETURN(cut_, Cut::parse(cut_text(places_["cut"])));
  return absl::OkStatus();
}

std::vector<std::uint64_t> PackBuilder::wanted(PartitionId partition, std::uint64_t size) const {
  std::vector<std::uint64_t> to;
  if (request_.whole) {
    for (std::uint64_t sequence = 0; sequence < size; ++sequence) to.push_back(sequence);
    return to;
  }
  if (!places_["entries"].contains(partition.name())) return to;
  for (const Json& run : places_["entries"][partition.name()])
    for (auto sequence = run[0].get<std::uint64_t>(); sequence < run[1].get<std::uint64_t>(); ++sequence) to.push_back(sequence);
  return to;
}

// The entries from wanted[at] on, as many as one answer holds.
absl::Status PackBuilder::fetch(PartitionId partition, const std::vector<std::uint64_t>& wanted, std::size_t at) {
  std::string runs;
  for (std::size_t i = at, asked = 0; i < wanted.size() && asked < kEntriesAsked && runs.size() < kRunsTextMax;) {
    std::size_t end = i + 1;
    while (end < wanted.size() && wanted[end] == wanted[end - 1] + 1 && asked + (end - i) < kEntriesAsked) ++end;
    asked += end - i;
    runs += fmt::format("{}{}-{}", runs.empty() ? "" : ",", wanted[i], wanted[end - 1]);
    i = end;
  }
  const std::string target = fmt::format("/v1/evidence/entries/{}?at={}", partition.name(), runs);
  ASSIGN_OR_RETURN(const std::string body, get(target));
  for (ByteReader reader(body); !reader.at_end();) {
    PackEntry entry;
    entry.partition = partition;
    entry.sequence = Sequence(reader.be<std::uint64_t>());
    entry.bytes = reader.take(kEntryBytes);
    const auto size = reader.be<std::uint32_t>();
    if (size == kErased) {
      const Sequence by(reader.be<std::uint64_t>());
      entry.erased = PackErased{by, std::string(reader.take(reader.be<std::uint32_t>()))};
    } else if (size != kHashOnly) {
      entry.payload = std::string(reader.take(size));
    }
    if (!reader.ok() || at >= wanted.size() || entry.sequence.value() != wanted[at++])
      return unavailable("{}: the answer has other entries than were asked for", target);
    entries_.push_back(std::move(entry));
  }
  return body.empty() ? unavailable("{}: the answer is empty", target) : absl::OkStatus();
}

absl::Status PackBuilder::add_partition(PartitionId partition, std::uint64_t size, std::string_view checkpoint) {
  ASSIGN_OR_RETURN(const Checkpoint head, parse_checkpoint(checkpoint));
  files_[fmt::format("checkpoints/{}.txt", partition.name())] = checkpoint;
  std::map<std::uint64_t, Hash256> leaves;
  std::string& lines = files_["entries.jsonl"];
  const std::vector<std::uint64_t> sequences = wanted(partition, size);
  const std::size_t before = entries_.size();
  while (entries_.size() - before < sequences.size()) {
    report("fetching entries and payloads", entries_.size(), total_);
    const std::size_t done = entries_.size();
    RETURN_IF_ERROR(fetch(partition, sequences, done - before));
    for (std::size_t i = done; i < entries_.size(); ++i) {
      const PackEntry& entry = entries_[i];
      leaves[entry.sequence.value()] = leaf_hash(entry.bytes);
      if (const auto decoded = decode_entry(entry.bytes); decoded && decoded->rules_version != 0) rules_.push_back(decoded->rules_version);
      lines += to_line(entry);
    }
    if (lines.size() > kZipBytesMax) return invalid_argument("more than {} bytes of entries: narrow the report", kZipBytesMax);
  }
  counts_[partition.name()] = leaves.size();
  if (leaves.empty()) return absl::OkStatus();
  report("fetching the tree", 0, 0);
  FetchedTiles tiles(*log_, partition, head.size);
  PrunedTreeText tree{head.size, {}};
  ASSIGN_OR_RETURN(tree.hashes, prune(tiles, head.size, leaves));
  files_[fmt::format("tree/{}.txt", partition.name())] = to_text(tree);
  return absl::OkStatus();
}

Json PackBuilder::pack_json() const {
  std::vector<std::uint16_t> rules = rules_;
  std::sort(rules.begin(), rules.end());
  rules.erase(std::unique(rules.begin(), rules.end()), rules.end());
  Json counts = Json::object();
  for (const auto& [partition, count] : counts_) counts[partition] = count;
  return {{"pack", 1},
          {"ledger", definition_.name},
          {"report", "/v1/" + target_.path + (target_.query.empty() ? "" : "?" + target_.query)},
          {"as_of", request_.as_of.empty() ? cut_.text() : request_.as_of},
          {"cut", to_json(cut_)},
          {"whole", request_.whole},
          {"purchases", places_["purchases"]},
          {"entries", counts},
          {"rules", rules},
          {"fold", kFoldVersion},
          {"program", fmt::format("bukubesar {}", kVersion)},
          {"synthetic", places_["synthetic"]},
          {"configuration_sha256", places_["configuration_sha256"]},
          {"views_sha256", hex(as_view(sha256(files_.at("views.json"))))},
          {"definition_sha256", hex(as_view(sha256(files_.at("definition.jsonl"))))}};
}

absl::Status PackBuilder::add_report() {
  report("fetching the report", 0, 0);
  const std::string target =
      "/v1/" + target_.path + "?" + target_.query + (target_.query.empty() ? "" : "&") + "as_of=" + percent_encode(cut_.text());
  ASSIGN_OR_RETURN(files_["report.json"], get(target));
  report("computing the report again", 0, 0);
  ASSIGN_OR_RETURN(ZipFiles again, recompute_report(files_, entries_));
  for (const char* name : {"report.csv", "report.html"}) files_[name] = std::move(again[name]);
  return absl::OkStatus();
}

constexpr std::string_view kReadme =
    "An evidence pack of Bukubesar: a report with all that it takes to compute it again.\n\n"
    "  bukubesar evidence check THIS.zip --key KEYS    checks every file and computes the report again; says equal or not\n"
    "  bukubesar evidence prove THIS.zip 0/812         one entry's proof as a C2SP tlog-proof, for other people's software\n"
    "  sha256sum -c SHA256SUMS                         the files alone\n\n"
    "KEYS are the ledger's verifier keys. Get them another way than from this pack: what it says of itself proves nothing.\n\n"
    "report.html      to print; report.json as the server answered it; report.csv: the rows\n"
    "entries.jsonl    each entry (88 bytes, hex) with its payload: whole histories of the purchases behind the report, and the facts "
    "used;\n"
    "                 of a payload that was erased by law, what stands in its place, and which entry asked for that\n"
    "tree/            hashes that lead from these entries to the signed root of each partition\n"
    "checkpoints/     those roots, signed, with the cosignatures of witnesses; cut.txt: all partitions at once\n"
    "definition.jsonl views.json pack.json    what decides how entries become figures; hashes of it and of the configuration\n";

absl::StatusOr<ZipFiles> PackBuilder::run() {
  ASSIGN_OR_RETURN(target_, parse_report_target(request_.report));
  ASSIGN_OR_RETURN(files_["definition.jsonl"], log_->definition());
  ASSIGN_OR_RETURN(definition_, parse_definition(files_["definition.jsonl"], "the ledger's definition"));
  RETURN_IF_ERROR(ask_places());
  ASSIGN_OR_RETURN(files_["vkeys"], log_->verifier_keys());
  files_["views.json"] = places_["views"].get<std::string>();
  files_["cut.txt"] = places_["cut_note"].get<std::string>();
  files_["README.txt"] = kReadme;
  files_["entries.jsonl"];
  for (const auto& [partition, size] : cut_.sizes()) total_ += wanted(partition, size).size();
  for (const auto& [partition, size] : cut_.sizes()) {
    if (size == 0) continue;
    if (!places_["checkpoints"].contains(partition.name()))
      return unavailable("the server gave no checkpoint of partition {}", partition.name());
    RETURN_IF_ERROR(add_partition(partition, size, places_["checkpoints"][partition.name()].get<std::string>()));
  }
  files_["pack.json"] = to_text(pack_json(), 2) + "\n";
  RETURN_IF_ERROR(add_report());
  files_[std::string(kPackManifest)] = manifest_of(files_);
  return std::move(files_);
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  for (; !text.empty();
       text.remove_prefix(std::min(text.size(), text.find('\n') == std::string_view::npos ? text.size() : text.find('\n') + 1)))
    if (const std::string_view line = text.substr(0, text.find('\n')); !line.empty()) lines.emplace_back(line);
  return lines;
}

}  // namespace

absl::StatusOr<ZipFiles> build_evidence(const HttpClientOptions& server, const EvidenceRequest& request, const Progress& progress) {
  HttpClientOptions options = server;
  options.body_bytes_max = kZipBytesMax;
  ASSIGN_OR_RETURN(HttpClient client, HttpClient::make(options));
  ASSIGN_OR_RETURN(std::unique_ptr<LogReader> log, read_log_over_http(server));
  ASSIGN_OR_RETURN(ZipFiles files, PackBuilder(std::move(client), std::move(log), request, progress).run());
  if (progress) progress("checking the pack", 0, 0);
  // Cosigners' keys are in the list too, and need not have signed this one.
  std::vector<std::string> keys = lines_of(files.at("vkeys"));
  std::erase_if(keys, [](const std::string& key) {
    const auto info = key_info(key);
    return !info.ok() || info->is_witness;
  });
  const EvidenceCheck check = check_evidence(files, keys);
  if (check.result == EvidenceResult::differs)
    return failed_precondition(
        "{}\nthe entries behind the report do not give it by themselves: an entry that is not among them decides how they count. Ask for "
        "the "
        "whole ledger with --whole",
        check.why);
  if (check.result != EvidenceResult::equal) return data_loss("the pack does not hold: {}", check.why);
  return files;
}

}  // namespace bukubesar
