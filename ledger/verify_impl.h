// What the parts of the verifier share: verify.cc has what concerns the whole ledger, verify_partition.cc one partition's pass.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "ledger/ledger_impl.h"
#include "ledger/rows.h"
#include "ledger/signer.h"
#include "ledger/verify.h"
#include "ledger/verify_pipeline.h"

namespace bukubesar {

[[nodiscard]] inline std::string short_hex(std::string_view bytes) { return hex(bytes.substr(0, 8)) + "…"; }

// "The first `size` entries have this root", said by a checkpoint, a cut note or the heads file.
struct RootClaim {
  Hash256 root{};
  std::string place;
};
using RootClaimsBySize = std::multimap<std::uint64_t, RootClaim>;

class LedgerVerifier {
 public:
  LedgerVerifier(const Ledger& ledger, const Definition& definition, const VerifyVisitor& visit, const Progress& progress)
      : ledger_(ledger), impl_(*ledger.impl_), definition_(definition), visit_(visit), progress_(progress) {}

  VerifyReport run(const std::string& key_file, const std::vector<std::string>& verifier_keys);

 private:
  class PartitionPass;

  void find(std::string place, std::string what) {
    if (report_.findings.size() < kVerifyFindingsMax)
      report_.findings.push_back({std::move(place), std::move(what)});
    else
      ++report_.findings_left_out;
  }
  void find(std::string place, const absl::Status& status) { find(std::move(place), message_of(status)); }
  void claim(PartitionId partition, std::uint64_t size, const Hash256& root, std::string place);
  void take_keys(const std::string& key_file, const std::vector<std::string>& verifier_keys);
  void check_signature(const std::string& place, std::string_view note, const std::string& origin);
  void read_checkpoints();
  void check_checkpoint(std::string_view key, std::string_view note);
  void check_cosignature(std::string_view key, std::string_view value);
  void check_cut_note(std::uint64_t number, std::string_view value);
  void read_heads_file();
  void check_claims_beyond(const std::map<PartitionId, PartitionHead>& heads);
  void check_no_other_rows(Family family);
  void check_meta_rows();
  void check_redaction_row(std::string_view key, std::string_view value);
  void check_rows();

  const Ledger& ledger_;
  const Ledger::Impl& impl_;
  const Definition& definition_;
  const VerifyVisitor& visit_;
  const Progress& progress_;
  VerifyReport report_;
  std::map<std::string, std::string> keys_;  // verifier keys by origin
  std::map<PartitionId, RootClaimsBySize> claims_;
  std::uint64_t recorded_cut_notes_ = 0;
  std::map<std::pair<PartitionId, std::uint64_t>, std::uint64_t> first_cut_notes_;  // what the index rows say
};

// One partition, from its first row to its last: everything that depends on what stands before an entry.
class LedgerVerifier::PartitionPass {
 public:
  PartitionPass(LedgerVerifier& verifier, PartitionId id, const PartitionHead& head);
  void run();

 private:
  void find(std::uint64_t sequence, std::string what);
  void find(std::uint64_t sequence, const absl::Status& status) { find(sequence, message_of(status)); }
  void find_stray(std::string_view key);
  bool begins_here(const CheckedChunk& chunk);
  void take_chunk(CheckedChunk& chunk);
  void take_entry(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void take_redaction(std::uint64_t sequence, CheckedEntry& checked, Arena& arena);
  void check_redaction(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void check_payload(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void check_judgement(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void check_statement(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void check_offset(std::uint64_t sequence, const Entry& entry);
  void check_id(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked);
  void check_copy(std::uint64_t sequence, const Entry& entry, const CheckedEntry& checked, Sequence first, const Entry& first_entry);
  void check_claims_here();
  void check_tree();
  void check_offsets();
  void check_head();

  LedgerVerifier& verifier_;
  const Ledger::Impl& impl_;
  const PartitionId id_;
  const std::string name_;
  const PartitionHead head_;  // what the ledger says
  PartitionHead now_;         // what its entries say
  Frontier frontier_;
  bool whole_ = true;  // false: entries are missing, so the tree cannot be rebuilt beyond
  const RootClaimsBySize& claims_;
  RootClaimsBySize::const_iterator next_claim_;
  std::vector<Subtree> completed_;
  std::vector<OffsetRun> runs_;
  IdTable ids_;
  Judge judge_;  // of what stands in for erased payloads
};

}  // namespace bukubesar
