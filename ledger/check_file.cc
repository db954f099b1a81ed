// check_file(): what a file on its own, with keys, shows; in plain words.
#include <algorithm>

#include "base/bytes.h"
#include "base/status.h"
#include "base/time.h"
#include "ledger/entry.h"
#include "ledger/merkle.h"
#include "ledger/proof.h"

namespace bukubesar {

namespace {

bool begins(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

class FileCheck {
 public:
  explicit FileCheck(const std::vector<std::string>& keys) : keys_(keys) {}
  CheckReport run(std::string_view text);

 private:
  bool fail(CheckResult result, std::string why) {
    report_.result = result;
    report_.sentences.push_back(std::move(why));
    return false;
  }
  bool damaged(const absl::Status& status) { return fail(CheckResult::damaged, message_of(status)); }
  template <class... Args>
  void say(fmt::format_string<Args...> format, Args&&... args) {
    report_.sentences.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  bool parse_keys();
  // The note is signed by its origin's key, and cosigned by every witness whose key was given.
  bool check_signatures(std::string_view note, std::string_view origin, bool cosigned);
  bool check_entry(std::string_view text);
  bool describe_entry(const TlogProof& proof, const Checkpoint& checkpoint);
  bool check_consistency_file(std::string_view text);
  bool check_checkpoint(std::string_view text);
  bool check_cut(std::string_view text);

  const std::vector<std::string>& keys_;
  std::vector<KeyInfo> infos_;  // beside keys_
  CheckReport report_;
};

CheckReport FileCheck::run(std::string_view text) {
  if (!parse_keys()) return std::move(report_);
  if (begins(text, "c2sp.org/tlog-proof@")) {
    report_.kind = "entry";
    check_entry(text);
  } else if (begins(text, "bukubesar consistency proof")) {
    report_.kind = "consistency";
    check_consistency_file(text);
  } else if (const std::string_view first = text.substr(0, text.find('\n')); first.size() > 4 && first.substr(first.size() - 4) == "/cut") {
    report_.kind = "cut note";
    check_cut(text);
  } else if (note_signatures(text).ok()) {
    report_.kind = "checkpoint";
    check_checkpoint(text);
  } else {
    fail(CheckResult::damaged, "this is no proof, consistency proof, checkpoint or cut note: its first line is none of theirs");
  }
  return std::move(report_);
}

bool FileCheck::parse_keys() {
  for (const std::string& key : keys_) {
    auto info = key_info(key);
    if (!info.ok()) return fail(CheckResult::not_signed, message_of(info.status()));
    infos_.push_back(*std::move(info));
  }
  return true;
}

bool FileCheck::check_signatures(std::string_view note, std::string_view origin, bool cosigned) {
  std::string others;
  bool known = false;
  bool signed_by_origin = false;
  std::string why;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (infos_[i].is_witness) continue;
    if (infos_[i].name != origin) {
      others += (others.empty() ? "" : ", ") + infos_[i].name;
      continue;
    }
    known = true;
    const absl::Status status = verify_note(note, keys_[i]);
    if (absl::IsInvalidArgument(status)) return damaged(status);
    if (status.ok())
      signed_by_origin = true;
    else
      why = message_of(status);
  }
  if (!known)
    return fail(CheckResult::other_ledger, fmt::format("it is about {}; {}", origin,
                                                       others.empty() ? "no key of a log was given" : "the keys given are for " + others));
  if (!signed_by_origin) return fail(CheckResult::not_signed, why);
  say("signed by {}", origin);
  for (std::size_t i = 0; i < keys_.size() && cosigned; ++i) {
    if (!infos_[i].is_witness) continue;
    const absl::Status status = verify_note(note, keys_[i]);
    if (!status.ok()) return fail(absl::IsInvalidArgument(status) ? CheckResult::damaged : CheckResult::not_signed, message_of(status));
    const auto signatures = note_signatures(note);
    if (!signatures.ok()) return damaged(signatures.status());
    for (const NoteSignature& signature : *signatures)
      if (signature.key_id == infos_[i].id && signature.name == infos_[i].name && signature.cosigned_at_s)
        say("cosigned by {} at {}", infos_[i].name, format_instant_ms(static_cast<std::int64_t>(*signature.cosigned_at_s) * 1000, 0));
  }
  return true;
}

bool FileCheck::check_entry(std::string_view text) {
  const auto proof = parse_tlog_proof(text);
  if (!proof.ok()) return damaged(proof.status());
  const auto checkpoint = parse_checkpoint(proof->checkpoint_note);
  if (!checkpoint.ok()) return damaged(checkpoint.status());
  if (!check_signatures(proof->checkpoint_note, checkpoint->origin, true)) return false;
  if (!proof->extra || proof->extra->size() < kEntryBytes)
    return fail(CheckResult::damaged,
                "the proof's extra line does not hold the entry: `bukubesar prove` puts its 88 bytes there, then the payload");
  const auto entry_bytes = std::string_view(*proof->extra).substr(0, kEntryBytes);
  const absl::Status included = check_inclusion(proof->hashes, proof->index, checkpoint->size, leaf_hash(entry_bytes), checkpoint->root);
  if (!included.ok()) return damaged(included);
  say("entry {} of {} is in the tree of {} entries with root {}", proof->index, checkpoint->origin, checkpoint->size,
      base64(as_view(checkpoint->root)));
  return describe_entry(*proof, *checkpoint);
}

bool FileCheck::describe_entry(const TlogProof& proof, const Checkpoint& checkpoint) {
  const std::string_view extra = *proof.extra;
  const auto entry = decode_entry(extra.substr(0, kEntryBytes));
  if (!entry) return fail(CheckResult::damaged, "the entry's bytes are no entry of version 1");
  say("verdict {}{}{}, epoch {}, offset {}{}", name_of(entry->verdict), entry->reason == Reason::none ? "" : ", reason ",
      entry->reason == Reason::none ? "" : name_of(entry->reason), entry->epoch.value(), entry->offset.value(),
      entry->timestamp_present ? ", Kafka timestamp " + format_instant_ms(entry->timestamp_ms, 0) : "");
  if (entry->duplicate_of != kNoSequence) say("a duplicate of entry {} of {}", entry->duplicate_of.value(), checkpoint.origin);
  const std::string_view payload = extra.substr(kEntryBytes);
  if (payload.empty()) {
    say("the payload is not in the file; its SHA-256 is {}", hex(as_view(entry->payload_hash)));
    return true;
  }
  if (payload.size() != entry->payload_size || sha256(payload) != entry->payload_hash)
    return fail(CheckResult::damaged,
                fmt::format("the payload in the file, {} bytes, is not the one that the entry names: SHA-256 want {} got {}",
                            payload.size(), hex(as_view(entry->payload_hash)), hex(as_view(sha256(payload)))));
  say("the payload in the file, {} bytes, is the one that the entry names: SHA-256 {}", payload.size(), hex(as_view(entry->payload_hash)));
  return true;
}

bool FileCheck::check_consistency_file(std::string_view text) {
  const auto proof = parse_consistency_proof(text);
  if (!proof.ok()) return damaged(proof.status());
  const auto older = parse_checkpoint(proof->old_note);
  const auto newer = parse_checkpoint(proof->new_note);
  if (!older.ok()) return damaged(with_context(older.status(), "the older checkpoint"));
  if (!newer.ok()) return damaged(with_context(newer.status(), "the newer checkpoint"));
  if (older->origin != newer->origin)
    return fail(CheckResult::other_ledger, fmt::format("its checkpoints are of two logs, {} and {}", older->origin, newer->origin));
  // A cosignature under the newer one covers the older one, once consistency is shown.
  if (!check_signatures(proof->old_note, older->origin, false) || !check_signatures(proof->new_note, newer->origin, true)) return false;
  const absl::Status consistent = check_consistency(proof->hashes, older->size, newer->size, older->root, newer->root);
  if (!consistent.ok()) return damaged(consistent);
  say("the tree of {} entries of {} continues the tree of {} entries: the first {} entries are the same in both", newer->size,
      newer->origin, older->size, older->size);
  return true;
}

bool FileCheck::check_checkpoint(std::string_view text) {
  const auto checkpoint = parse_checkpoint(text);
  if (!checkpoint.ok()) return damaged(checkpoint.status());
  if (!check_signatures(text, checkpoint->origin, true)) return false;
  say("checkpoint of {}: {} entries, root {}", checkpoint->origin, checkpoint->size, base64(as_view(checkpoint->root)));
  return true;
}

bool FileCheck::check_cut(std::string_view text) {
  const auto cut = parse_cut_note(text);
  if (!cut.ok()) return damaged(cut.status());
  if (!check_signatures(text, cut->name, false)) return false;
  for (const Checkpoint& part : cut->parts) say("{}: {} entries, root {}", part.origin, part.size, base64(as_view(part.root)));
  return true;
}

}  // namespace

CheckReport check_file(std::string_view text, const std::vector<std::string>& keys) { return FileCheck(keys).run(text); }

}  // namespace bukubesar
