// Verify: re-reads everything and says what is off, naming the first bad sequence. It trusts nothing that was derived:
// every payload and entry is hashed and judged again by the rules that were in force, tree and id index are rebuilt, heads and counts are
// compared with the rebuilt ones.
//
// Threads  of its own while it runs: chunks are decompressed, hashed and judged by all cores, and looked at in order by the caller's
// thread,
//          so that what is found, and in which order, does not depend on them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "ledger/ledger.h"

namespace bukubesar {

struct VerifyFinding {
  std::string place;  // "0:812", "0 tree level 1 index 3", "checkpoint 0/812"
  std::string what;   // "payload hash want 9f3a… got 0000…"
};
struct VerifyReport {
  Cut cut;                              // what was covered
  std::string first_bad_sequence;       // "0:812"; empty: no finding names an entry
  std::vector<VerifyFinding> findings;  // empty: all is well; in the order found, at most kVerifyFindingsMax
  std::uint64_t findings_left_out = 0;  // beyond those
  std::uint64_t redacted = 0;           // payloads that were erased, by an entry that says so
  std::uint64_t entries = 0, payloads = 0, hash_only = 0, payload_bytes = 0, checkpoints = 0;
  std::uint64_t signatures_checked = 0,
                signatures_unchecked = 0;  // of checkpoints and cut notes; unchecked: there is no key for their origin
  [[nodiscard]] bool ok() const { return findings.empty(); }
};
inline constexpr std::size_t kVerifyFindingsMax = 100;

// Read are all rows of the ledger, the heads file and the checksums of RocksDB's files. RocksDB's OPTIONS, IDENTITY and own log
// hold nothing that an answer depends on and are not looked at; damage to CURRENT, MANIFEST and logs shows when the
// ledger is opened.
//
// key_file: of the signing keys; empty: none. verifier_keys: `<origin>+…` lines, which come before those of the key file. Signatures
// without a key are counted, not checked.
// visit: told each run in order, so that the projections' check (fold against segments) needs no second pass; may be empty. `events` stand
// beside the run's entries: what the payload of an accepted one says, else null.
using VerifyVisitor = std::function<void(PartitionId, const StoredRun&, std::span<const Event* const> events)>;
[[nodiscard]] VerifyReport verify_ledger(const Ledger& ledger, const Definition& definition, const std::string& key_file,
                                         const VerifyVisitor& visit, const Progress& progress,
                                         const std::vector<std::string>& verifier_keys = {});

}  // namespace bukubesar
