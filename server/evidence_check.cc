// check_evidence(): what a pack shows, with nothing but keys.
#include <algorithm>
#include <set>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/sha256.h"
#include "base/status.h"
#include "config/definition.h"
#include "events/rules.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"
#include "ledger/pruned_tree.h"
#include "server/entry_json.h"
#include "server/evidence_pack.h"
#include "server/redaction_request.h"

namespace bukubesar {

namespace {

constexpr const char* kNeeded[] = {"SHA256SUMS",    "pack.json", "report.json", "report.csv", "report.html",
                                   "entries.jsonl", "cut.txt",   "vkeys",       "views.json", "definition.jsonl"};

// The line in which two texts differ first, shortened.
std::string first_difference(std::string_view want, std::string_view got) {
  const auto at = static_cast<std::size_t>(std::mismatch(want.begin(), want.end(), got.begin(), got.end()).first - want.begin());
  const auto around = [at](std::string_view text) {
    const std::size_t from = at < 30 ? 0 : at - 30;
    return std::string(text.substr(std::min(from, text.size()), 80));
  };
  return fmt::format("at byte {}: the entries give …{}…, the file says …{}…", at, around(want), around(got));
}

class PackCheck {
 public:
  PackCheck(const ZipFiles& files, const std::vector<std::string>& keys) : files_(files), keys_(keys) {}
  EvidenceCheck run() {
    if (check_manifest() && check_pack() && check_entries() && check_signatures() && check_trees() && check_erased()) check_report();
    return std::move(check_);
  }

 private:
  bool fail(EvidenceResult result, std::string why) {
    check_.result = result;
    check_.why = std::move(why);
    return false;
  }
  bool damaged(std::string_view file, std::string_view what) { return fail(EvidenceResult::damaged, fmt::format("{}: {}", file, what)); }
  bool damaged(std::string_view file, const absl::Status& status) { return damaged(file, message_of(status)); }
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    check_.shown.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  bool check_manifest();
  bool check_pack();
  bool check_entries();
  bool check_signatures();
  bool check_cut_note();
  bool check_trees();
  bool check_erased();
  bool check_erased(const PackEntry& entry, const PackEntry* redaction, Judge& judge);
  void check_report();
  void say_what_is_not_shown(bool whole);
  [[nodiscard]] bool is_whole() const;

  const ZipFiles& files_;
  const std::vector<std::string>& keys_;
  EvidenceCheck check_;
  Json pack_;
  Definition definition_;
  Cut cut_;
  std::vector<PackEntry> entries_;
  std::map<PartitionId, std::map<std::uint64_t, Hash256>> leaves_;
  std::map<PartitionId, Checkpoint> heads_;
};

bool PackCheck::check_manifest() {
  for (const char* name : kNeeded)
    if (!files_.contains(name)) return damaged(name, "it is missing");
  std::set<std::string> listed;
  for (std::string_view rest = files_.at(std::string(kPackManifest)); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.size() < 67 || line.substr(64, 2) != "  ") return damaged(kPackManifest, "a line that is no SHA-256 with a name");
    const std::string name(line.substr(66));
    const auto file = files_.find(name);
    if (file == files_.end()) return damaged(name, "it is missing");
    if (hex(as_view(sha256(file->second))) != line.substr(0, 64)) return damaged(name, "its SHA-256 is not the one in SHA256SUMS");
    listed.insert(name);
  }
  for (const auto& [name, content] : files_)
    if (name != kPackManifest && !listed.contains(name)) return damaged(name, "it is not listed in SHA256SUMS");
  say("{} files are as SHA256SUMS lists them", listed.size());
  return true;
}

bool PackCheck::check_pack() {
  pack_ = Json::parse(files_.at("pack.json"), nullptr, false);
  if (!pack_.is_object() || pack_.value("pack", Json()) != Json(1)) return damaged("pack.json", "it is no pack of version 1");
  for (const char* name : {"ledger", "report", "as_of", "configuration_sha256"})
    if (!pack_.contains(name) || !pack_[name].is_string()) return damaged("pack.json", fmt::format("{}: want a text", name));
  if (!pack_.contains("cut") || !pack_["cut"].is_object() || !pack_.contains("synthetic") || !pack_["synthetic"].is_boolean() ||
      !pack_.contains("purchases") || !pack_["purchases"].is_number_unsigned())
    return damaged("pack.json", "cut, synthetic or purchases is missing");
  for (const auto& [name, size] : pack_["cut"].items()) {
    const auto partition = PartitionId::parse(name);
    if (!partition || !size.is_number_unsigned()) return damaged("pack.json", "cut: want sizes by partition");
    cut_.set(*partition, size.get<std::uint64_t>());
  }
  auto definition = parse_definition(files_.at("definition.jsonl"), "definition.jsonl");
  if (!definition.ok()) return damaged("definition.jsonl", definition.status());
  definition_ = *std::move(definition);
  if (definition_.name != pack_["ledger"]) return damaged("pack.json", "it names another ledger than definition.jsonl");
  return true;
}

bool PackCheck::check_entries() {
  std::size_t number = 0;
  std::size_t with_payload = 0;
  std::size_t erased = 0;
  for (std::string_view rest = files_.at("entries.jsonl"); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::string where = fmt::format("entries.jsonl:{}", ++number);
    auto entry = parse_pack_entry(line);
    if (!entry.ok()) return damaged(where, entry.status());
    const auto decoded = decode_entry(entry->bytes);
    if (!decoded) return damaged(where, "the bytes are no entry of version 1");
    if (entry->payload && (entry->payload->size() != decoded->payload_size || sha256(*entry->payload) != decoded->payload_hash))
      return damaged(where, "the payload is not the one that the entry names");
    with_payload += entry->payload ? 1 : 0;
    erased += entry->erased ? 1 : 0;
    if (!leaves_[entry->partition].emplace(entry->sequence.value(), leaf_hash(entry->bytes)).second)
      return damaged(where, "the entry stands there twice");
    entries_.push_back(*std::move(entry));
  }
  say("{} entries, {} of them with their payload, which is the one that the entry names", entries_.size(), with_payload);
  if (erased > 0) say("{} entries of which the payload was erased by law: their hash, and what stands in its place", erased);
  return true;
}

bool PackCheck::check_signatures() {
  for (const auto& [partition, size] : cut_.sizes()) {
    if (size == 0) continue;
    const std::string name = fmt::format("checkpoints/{}.txt", partition.name());
    const auto file = files_.find(name);
    if (file == files_.end()) return damaged(name, "it is missing");
    const CheckReport report = check_file(file->second, keys_);
    const std::string why = name + ": " + (report.sentences.empty() ? "" : report.sentences.back());
    if (report.result == CheckResult::other_ledger) return fail(EvidenceResult::other_ledger, why);
    if (report.result == CheckResult::not_signed) return fail(EvidenceResult::not_signed, why);
    const auto head = parse_checkpoint(file->second);
    if (report.result == CheckResult::damaged || !head.ok()) return fail(EvidenceResult::damaged, why);
    if (head->origin != definition_.origin(partition))
      return damaged(name, fmt::format("it is about {}, not {}", head->origin, definition_.origin(partition)));
    if (head->size < size) return damaged(name, fmt::format("it covers {} entries, the report has {}", head->size, size));
    for (const std::string& sentence : report.sentences) say("{}: {}", name, sentence);
    heads_[partition] = *head;
  }
  return check_cut_note();
}

bool PackCheck::check_cut_note() {
  const std::string& note = files_.at("cut.txt");
  const auto cut = parse_cut_note(note);
  if (!cut.ok()) return damaged("cut.txt", cut.status());
  if (cut->name != cut_note_origin(definition_.name)) return damaged("cut.txt", fmt::format("it is about {}", cut->name));
  for (const Checkpoint& part : cut->parts)
    for (const auto& [partition, head] : heads_)
      if (head.origin == part.origin && head.size == part.size && head.root != part.root)
        return damaged("cut.txt", fmt::format("its root of {} is not the checkpoint's", part.origin));
  bool has_key = false;
  for (const std::string& key : keys_)
    if (const auto info = key_info(key); info.ok() && info->name == cut->name) has_key = true;
  if (!has_key) {
    check_.not_shown.push_back("cut.txt: its signature was not checked: no key of " + cut->name + " was given");
    return true;
  }
  const CheckReport report = check_file(note, keys_);
  const std::string why = "cut.txt: " + (report.sentences.empty() ? std::string() : report.sentences.back());
  if (report.result == CheckResult::not_signed) return fail(EvidenceResult::not_signed, why);
  if (report.result != CheckResult::holds) return fail(EvidenceResult::damaged, why);
  say("cut.txt: signed by {}", cut->name);
  return true;
}

bool PackCheck::check_trees() {
  for (const auto& [partition, leaves] : leaves_) {
    const std::string name = fmt::format("tree/{}.txt", partition.name());
    const auto head = heads_.find(partition);
    if (head == heads_.end())
      return damaged("entries.jsonl", fmt::format("entries of partition {}, of which the cut has none", partition.name()));
    const auto file = files_.find(name);
    if (file == files_.end()) return damaged(name, "it is missing");
    const auto text = parse_pruned_tree(file->second);
    if (!text.ok()) return damaged(name, text.status());
    if (text->size != head->second.size) return damaged(name, "its size is not the checkpoint's");
    const auto tree = PrunedTree::build(text->size, leaves, text->hashes);
    if (!tree.ok()) return damaged(name, tree.status());
    if (tree->root() != head->second.root)
      return damaged(name, fmt::format("with the entries it gives root {}, the checkpoint says {}", base64(as_view(tree->root())),
                                       base64(as_view(head->second.root))));
    say("each of the {} entries of {} is in the signed tree of {} entries", leaves.size(), head->second.origin, head->second.size);
  }
  return true;
}

// What stands in for erased payloads: asked for by an entry of the record, of an authority, and the same event to whoever looks at its id.
bool PackCheck::check_erased() {
  Judge judge(Routing{parse_partitioner(definition_.partitioner).value_or(Partitioner::murmur2), definition_.partitions});
  std::map<Sequence, const PackEntry*> reference;
  for (const PackEntry& entry : entries_)
    if (entry.partition.is_reference()) reference[entry.sequence] = &entry;
  return std::all_of(entries_.begin(), entries_.end(), [&](const PackEntry& entry) {
    if (!entry.erased) return true;
    const auto by = reference.find(entry.erased->by);
    return check_erased(entry, by == reference.end() ? nullptr : by->second, judge);
  });
}

bool PackCheck::check_erased(const PackEntry& entry, const PackEntry* redaction, Judge& judge) {
  const std::string name = fmt::format("entry {}/{}", entry.partition.name(), entry.sequence.value());
  const auto wrong = [&](std::string_view what) {
    return damaged("entries.jsonl", fmt::format("{}: erased by reference/{}: {}", name, entry.erased->by.value(), what));
  };
  const Entry decoded = *decode_entry(entry.bytes);
  const auto known_rules = [](const Entry& one) {
    return one.verdict != Verdict::accepted || (one.rules_version != 0 && one.rules_version <= kRulesVersionNewest);
  };
  if (!known_rules(decoded)) return wrong("it was judged by rules that this program does not know");
  Arena arena;
  if (decoded.verdict == Verdict::accepted) {
    const Judgement substitute = judge.judge(decoded.rules_version, entry.partition, entry.erased->substitute, arena);
    if (substitute.event == nullptr || substitute.fingerprint != decoded.fingerprint)
      return wrong("what stands in its place is not the event that the entry names");
  }
  std::string why = "which came after the cut, so its record is not in the pack";
  if (redaction == nullptr && entry.erased->by.value() < cut_.size(PartitionId::reference())) return wrong("that entry is not in the pack");
  if (redaction != nullptr) {
    const StoredEntry stored{redaction->sequence, *decode_entry(redaction->bytes), redaction->folded(), nullptr};
    const auto request = known_rules(stored.entry) ? redaction_request(stored, judge) : std::nullopt;
    if (!request || request->partition != entry.partition || request->sequence != entry.sequence)
      return wrong("that entry asks for no such erasure");
    if (std::find(definition_.authorities.begin(), definition_.authorities.end(), request->source) == definition_.authorities.end())
      return wrong("its source is no authority of the definition");
    if (request->replacement && member_text(entry.erased->substitute, {"data", "document"}) != request->replacement)
      return wrong("the document in its place is not the replacement that was asked for");
    why = fmt::format("ground: {}; authority: {}", request->ground, request->authority);
  }
  check_.not_shown.push_back(fmt::format(
      "what {} said: its payload was erased by reference/{} ({}). It counts by what stands in its place; that this says the same of "
      "money and codes was checked when it was erased, and cannot be checked again",
      name, entry.erased->by.value(), why));
  return true;
}

bool PackCheck::is_whole() const {
  for (const auto& [partition, size] : cut_.sizes()) {
    const auto leaves = leaves_.find(partition);
    if ((leaves == leaves_.end() ? 0 : leaves->second.size()) != size) return false;
  }
  return true;
}

void PackCheck::say_what_is_not_shown(bool whole) {
  if (!whole)
    check_.not_shown.emplace_back(
        "that no other purchase belongs to the report: the pack holds the entries behind it, not the whole ledger (evidence --whole does)");
  check_.not_shown.push_back(
      fmt::format("that definition.jsonl (SHA-256 {}) is the ledger's own: compare it with /v1/definition or another node's",
                  hex(as_view(sha256(files_.at("definition.jsonl"))))));
  check_.not_shown.emplace_back("that the events are true, or that the sources told everything");
}

void PackCheck::check_report() {
  const auto again = recompute_report(files_, entries_);
  if (!again.ok()) {
    damaged("entries.jsonl", again.status());
    return;
  }
  for (const auto& [name, want] : *again)
    if (files_.at(name) != want) {
      fail(EvidenceResult::differs, fmt::format("{}: NOT equal, {}", name, first_difference(want, files_.at(name))));
      return;
    }
  const bool whole = is_whole();
  say("{} {} as of {}: computed again from these entries, it is equal byte for byte (JSON, CSV, HTML)", pack_["report"].get<std::string>(),
      "of ledger " + definition_.name, cut_.text());
  if (whole) say("complete: every entry up to the cut is in the pack, so nothing else belongs to the report");
  say_what_is_not_shown(whole);
}

}  // namespace

EvidenceCheck check_evidence(const ZipFiles& files, const std::vector<std::string>& keys) { return PackCheck(files, keys).run(); }

absl::StatusOr<std::string> prove_from_pack(const ZipFiles& files, PartitionId partition, Sequence sequence) {
  const auto entries = files.find("entries.jsonl");
  const auto tree_file = files.find(fmt::format("tree/{}.txt", partition.name()));
  const auto checkpoint = files.find(fmt::format("checkpoints/{}.txt", partition.name()));
  if (entries == files.end() || tree_file == files.end() || checkpoint == files.end())
    return not_found("the pack has no entries of partition {}", partition.name());
  std::map<std::uint64_t, Hash256> leaves;
  std::string extra;
  for (std::string_view rest = entries->second; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    ASSIGN_OR_RETURN(const PackEntry entry, parse_pack_entry(line));
    if (entry.partition != partition) continue;
    leaves[entry.sequence.value()] = leaf_hash(entry.bytes);
    if (entry.sequence == sequence) extra = entry.bytes + entry.payload.value_or("");
  }
  if (extra.empty()) return not_found("entry {}/{}: the pack does not hold it", partition.name(), sequence.value());
  ASSIGN_OR_RETURN(const PrunedTreeText text, parse_pruned_tree(tree_file->second));
  ASSIGN_OR_RETURN(PrunedTree tree, PrunedTree::build(text.size, leaves, text.hashes));
  ASSIGN_OR_RETURN(const std::vector<Hash256> hashes, make_inclusion_proof(tree, sequence.value(), text.size));
  return tlog_proof(sequence.value(), hashes, checkpoint->second, extra);
}

}  // namespace bukubesar
