// Checkpoints, cut notes, proofs, verifier keys, tile paths, cuts and the heads file: text that comes from elsewhere or lay on a disk. What
// is read is written the same; what we sign verifies, and does not with one byte changed.
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/cut.h"
#include "base/sha256.h"
#include "ledger/heads_file.h"
#include "ledger/proof.h"
#include "ledger/signer.h"
#include "ledger/tlog_path.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

const SigningKeys& keys() {
  static const SigningKeys of_seed = SigningKeys::of_seed(std::string(32, 's'));
  return of_seed;
}

void try_paths(std::string_view line) {
  if (const auto tile = parse_tile_path(line); tile.ok()) require(format_tile_path(*tile) == line, "one path for one tile");
  if (const auto partition = PartitionId::parse(line)) require(partition->name() == line, "one name for one partition");
  if (const auto cut = Cut::parse(line); cut.ok()) {
    const auto again = Cut::parse(cut->text());
    require(again.ok() && *again == *cut, "a cut's text is that cut");
  }
}

void try_notes(std::string_view text) {
  if (const auto checkpoint = parse_checkpoint(text); checkpoint.ok()) {
    const std::string want = checkpoint_text(checkpoint->origin, checkpoint->size, checkpoint->root);
    require(text.substr(0, want.size()) == want, "a checkpoint begins with its three lines");
  }
  if (const auto cut = parse_cut_note(text); cut.ok()) {
    const std::string want = cut_note_text(cut->name.substr(0, cut->name.size() - 4), cut->parts);
    require(text.substr(0, want.size()) == want, "a cut note is its lines");
  }
  if (const auto proof = parse_tlog_proof(text); proof.ok()) {
    if (!proof->extra || !proof->extra->empty())
      require(tlog_proof(proof->index, proof->hashes, proof->checkpoint_note, proof->extra.value_or("")) == text, "one text for one proof");
    const std::string vkey = keys().verifier_key("fuzz/0");
    if (verify_tlog_proof(*proof, std::string(88, '\1'), vkey).ok())
      require(verify_note(proof->checkpoint_note, vkey).ok(), "a proof holds under a signed checkpoint only");
  }
  const auto [key, note] = fuzz::split_line(text);
  (void)verify_note(note, key).ok();
}

// The body with its checksum, so that what stands behind it is tried too.
void try_heads(std::string_view body) {
  const std::string text = std::string(body) + "sha256 " + hex(as_view(sha256(body))) + "\n";
  (void)parse_heads(body, "fuzz", "h").ok();
  const auto heads = parse_heads(text, "fuzz", "h");
  if (!heads.ok()) return;
  const auto again = parse_heads(format_heads("fuzz", *heads), "fuzz", "h");
  require(again.ok() && *again == *heads, "what was recorded is recorded the same");
}

void try_signing(std::string_view input) {
  std::string text(input.substr(0, 512));
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = '\n';
  text += "\n";
  std::string note = keys().sign_note("fuzz/0", text);
  const std::string vkey = keys().verifier_key("fuzz/0");
  require(verify_note(note, vkey).ok(), "what was signed verifies");
  const Hash256 where = sha256(input);
  const std::size_t at = load_be<std::uint64_t>(where.data()) % note.size();
  note[at] = static_cast<char>(static_cast<unsigned char>(note[at]) ^ (1U << (where[8] % 8)));
  require(!verify_note(note, vkey).ok(), "a note with one bit changed does not verify");
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  bukubesar::try_paths(bukubesar::fuzz::split_line(input).first);
  bukubesar::try_notes(input);
  bukubesar::try_heads(input);
  // Ed25519 costs more than all else here.
  if (size > 0 && data[size - 1] % 16 == 0) bukubesar::try_signing(input);
  return 0;
}
