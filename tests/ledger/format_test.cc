// docs/FORMAT.md and the code say the same: every worked example of the document is read out of it and compared.
//
// A block ```hex NAME holds bytes: hex groups, then at least two spaces and a comment. A block ```text NAME is taken as it stands.
#include <map>

#include "base/file.h"
#include "ledger/chunk.h"
#include "ledger/heads_file.h"
#include "ledger/proof.h"
#include "ledger/pruned_tree.h"
#include "ledger/rows.h"
#include "ledger/signer.h"
#include "ledger/statement.h"
#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

const std::string kDocument = BUKUBESAR_SOURCE_DIR "/docs/FORMAT.md";

std::map<std::string, std::string> read_examples() {
  std::map<std::string, std::string> examples;
  const auto text = read_file(kDocument);
  if (!text.ok()) return examples;
  std::string name;
  bool is_hex = false;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (line.substr(0, 3) == "```") {
      is_hex = line.substr(0, 7) == "```hex ";
      name = is_hex ? line.substr(7) : line.substr(0, 8) == "```text " ? line.substr(8) : std::string_view();
      const bool is_new = name.empty() || examples.emplace(name, "").second;
      EXPECT_TRUE(is_new) << name << " stands twice";
    } else if (!name.empty() && is_hex) {
      std::string digits(line.substr(0, line.find("  ")));
      digits.erase(std::remove(digits.begin(), digits.end(), ' '), digits.end());
      const auto bytes = unhex(digits);
      EXPECT_TRUE(bytes) << name << ": " << line;
      examples[name] += bytes.value_or("");
    } else if (!name.empty()) {
      examples[name] += std::string(line) + "\n";
    }
  }
  return examples;
}

// An example of the document; a failure where it is not there.
std::string example(const std::string& name) {
  static const auto* examples = new std::map<std::string, std::string>(read_examples());
  const auto found = examples->find(name);
  EXPECT_NE(found, examples->end()) << "docs/FORMAT.md has no example " << name;
  return found == examples->end() ? "" : found->second;
}

void expect_hex(const std::string& name, std::string_view made) { EXPECT_EQ(hex(example(name)), hex(made)) << name; }

// The three payloads, and entries, that all examples are about.
std::string example_payload() {
  const Header headers[] = {{"ct", std::string_view("x")}, {"n", std::nullopt}};
  return encode_payload("k1", headers, "{}");
}
Entry example_entry() {
  const std::string payload = example_payload();
  Entry entry;
  entry.verdict = Verdict::accepted;
  entry.timestamp_present = entry.log_append_time = true;
  entry.rules_version = 1;
  entry.payload_size = static_cast<std::uint32_t>(payload.size());
  entry.offset = Offset(812);
  entry.timestamp_ms = 1'683'767'520'250;
  entry.fingerprint = fingerprint_of("/feed/test", "a");
  entry.payload_hash = sha256(payload);
  return entry;
}
Entry example_duplicate() {
  Entry entry = example_entry();
  entry.verdict = Verdict::duplicate;
  entry.reason = Reason::same;
  entry.offset = Offset(815);
  entry.duplicate_of = Sequence(0);
  return entry;
}
std::string example_statement_line() { return example("definition-source"); }

SigningKeys example_keys() { return SigningKeys::of_seed(std::string(32, '\x07')); }
Hash256 example_root() {
  return node_hash(leaf_hash(as_view(encode_entry(example_entry()))), leaf_hash(as_view(encode_entry(example_duplicate()))));
}

TEST(Format, Entry) {
  expect_hex("entry", as_view(encode_entry(example_entry())));
  EXPECT_EQ(decode_entry(example("entry")), example_entry());
  expect_hex("entry-duplicate", as_view(encode_entry(example_duplicate())));
  expect_hex("leaf-hash", as_view(leaf_hash(example("entry"))));
}

TEST(Format, Chunks) {
  expect_hex("chunk-key", chunk_key(kP0, Sequence(812)));
  // Compressed bytes may differ between versions of zstd: what the document shows must decode.
  const auto entries = decode_entry_chunk(Sequence(0), example("entry-chunk"));
  ASSERT_TRUE(entries.ok()) << entries.status() << "\n" << hex(encode_entry_chunk(example("entry") + example("entry-duplicate"), 0));
  EXPECT_EQ(hex(entries->bytes), hex(example("entry") + example("entry-duplicate")));
  EXPECT_EQ(entries->ledger_time_before_ms, 0);
  constexpr std::size_t kBeforeColumns = 12 + 2 * 48;
  EXPECT_EQ(hex(encode_entry_chunk(entries->bytes, 0).substr(0, kBeforeColumns)), hex(example("entry-chunk").substr(0, kBeforeColumns)));
  const std::string payload = example_payload();
  const std::string_view payloads[] = {payload, {}};
  const auto decoded = decode_payload_chunk(Sequence(0), example("payload-chunk"));
  ASSERT_TRUE(decoded.ok()) << decoded.status() << "\n" << hex(encode_payload_chunk(payloads, 2));
  ASSERT_EQ((*decoded)->payloads.size(), 2U);
  EXPECT_EQ((*decoded)->payloads[0], payload);
  EXPECT_EQ((*decoded)->payloads[1], std::nullopt);
}

TEST(Format, Rows) {
  expect_hex("tree-key", tree_key(PartitionId::reference(), 1, 3));
  const OffsetRun run{kP0, Epoch(1), Offset(40), false, Sequence(812), 10};
  const OffsetRun gap{kP0, Epoch(1), Offset(50), true, Sequence(0), 3};
  expect_hex("offsets-run-key", offset_key(run.partition, run.epoch, run.first));
  expect_hex("offsets-run-value", offset_value(run));
  expect_hex("offsets-gap-value", offset_value(gap));
  EXPECT_EQ(parse_offset_run(example("offsets-run-key"), example("offsets-run-value")), run);
  expect_hex("checkpoint-key", checkpoint_key(kP0, 812));
  expect_hex("cut-index-key", cut_index_key(kP0, 812));
  expect_hex("cut-note-key", cut_note_key(5));
  Cut cut;
  cut.set(kP0, 2);
  cut.set(PartitionId::reference(), 0);
  expect_hex("cut-note-value-start", cut_note_value(cut, ""));
  PartitionHead head;
  head.size = 2;
  head.root = example_root();
  head.next_offset = Offset(816);
  head.ledger_time_ms = 1'683'767'520'250;
  head.counts.accepted = 1;
  head.counts.duplicate = 1;
  head.records = 2;
  head.gap_offsets = 2;
  expect_hex("head-key", head_key(kP0));
  expect_hex("head-value", head_value(head));
}

TEST(Format, HeadsFile) {
  RecordedHeads heads;
  heads.cut_notes = 1;
  heads.partitions[kP0] = {2, example_root(), Epoch(0), Offset(816)};
  heads.partitions[PartitionId::reference()] = {0, empty_root(), Epoch(0), Offset(0)};
  EXPECT_EQ(example("heads-file"), format_heads("test", heads));
  EXPECT_EQ(parse_heads(example("heads-file"), "test", "x").value_or(RecordedHeads{}), heads);
}

TEST(Format, KeysAndNotes) {
  TemporaryDirectory directory;
  const std::string path = (directory.path() / "key").string();
  ASSERT_EQ(write_file_durably(path, example("key-file"), 0600), absl::OkStatus());
  const auto keys = SigningKeys::load(path);
  ASSERT_TRUE(keys.ok()) << keys.status();
  EXPECT_EQ(keys->verifier_key("test/0"), example_keys().verifier_key("test/0"));
  EXPECT_EQ(example("verifier-key"), keys->verifier_key("test/0") + "\n");
  EXPECT_EQ(example("checkpoint"), keys->sign_note("test/0", checkpoint_text("test/0", 2, example_root())));
  EXPECT_EQ(example("cut-note"),
            keys->sign_note("test/cut", cut_note_text("test", {{"test/0", 2, example_root()}, {"test/reference", 0, empty_root()}})));
  const Hash256 sibling = leaf_hash(example("entry-duplicate"));
  const std::string extra = example("entry") + example_payload();
  EXPECT_EQ(example("tlog-proof"), tlog_proof(0, {sibling}, example("checkpoint"), extra));
  EXPECT_EQ(check_file(example("tlog-proof"), {keys->verifier_key("test/0")}).result, CheckResult::holds);
  const auto proof = parse_tlog_proof(example("tlog-proof"));
  ASSERT_TRUE(proof.ok()) << proof.status();
  EXPECT_EQ(verify_tlog_proof(*proof, example("entry"), keys->verifier_key("test/0")), absl::OkStatus());
}

TEST(Format, PrunedTree) {
  const std::map<std::uint64_t, Hash256> chosen = {{0, leaf_hash(example("entry"))}};
  EXPECT_EQ(example("pruned-tree"), to_text(PrunedTreeText{2, {leaf_hash(example("entry-duplicate"))}}));
  const auto text = parse_pruned_tree(example("pruned-tree"));
  ASSERT_TRUE(text.ok()) << text.status();
  const auto tree = PrunedTree::build(text->size, chosen, text->hashes);
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(tree->root(), example_root());
}

TEST(Format, Cosignatures) {
  const SigningKeys keys = example_keys();
  const std::string text = *note_text(example("checkpoint"));
  EXPECT_EQ(example("cosigner-key"), keys.cosigner_key("witness/1") + "\n");
  EXPECT_EQ(example("cosignature"), keys.cosignature_line("witness/1", text, 1'700'000'000));
  std::string key = keys.cosigner_key("witness/1");
  EXPECT_EQ(verify_note(example("checkpoint") + example("cosignature"), key), absl::OkStatus());
  Redaction redaction;
  redaction.by = Sequence(17);
  for (std::size_t i = 0; i < redaction.event_digest.size(); ++i) redaction.event_digest[i] = static_cast<std::uint8_t>(i);
  redaction.substitute = encode_payload(std::nullopt, {}, std::nullopt);
  redaction.gone = true;
  expect_hex("redaction-key", redaction_key(kP0, Sequence(812)));
  expect_hex("redaction-value", redaction_value(redaction));
  const auto read_back = parse_redaction(example("redaction-value"));
  ASSERT_TRUE(read_back);
  EXPECT_EQ(redaction_value(*read_back), redaction_value(redaction));
  EXPECT_FALSE(parse_redaction(example("redaction-value").substr(0, 20)));

  expect_hex("cosignature-key", cosignature_key(kP0, 2, "witness/1"));
}

TEST(Format, ConsistencyProofs) {
  const SigningKeys keys = example_keys();
  ConsistencyProof proof;
  proof.hashes = {leaf_hash(example("entry-duplicate"))};
  proof.old_note = keys.sign_note("test/0", checkpoint_text("test/0", 1, leaf_hash(example("entry"))));
  proof.new_note = example("checkpoint");
  EXPECT_EQ(example("consistency-proof"), to_text(proof));
  EXPECT_EQ(check_file(example("consistency-proof"), {keys.verifier_key("test/0")}).result, CheckResult::holds);
}

TEST(Format, TilesAndBundles) {
  const std::string duplicate = example("entry-duplicate");
  expect_hex("tile", std::string(as_view(leaf_hash(example("entry")))) + std::string(as_view(leaf_hash(duplicate))));
  expect_hex("bundle", std::string("\0\x58", 2) + example("entry") + std::string("\0\x58", 2) + duplicate);
}

TEST(Format, DefinitionLines) {
  const auto definition = parse_definition(example("definition"), "docs/FORMAT.md");
  ASSERT_TRUE(definition.ok()) << definition.status();
  EXPECT_EQ(definition->name, "kalsel");
  ASSERT_NE(definition->source_of(kP0, Epoch(1)), nullptr);
  EXPECT_EQ(definition->source_of(kP0, Epoch(1))->line + "\n", example_statement_line());
  std::string line = example_statement_line();
  line.pop_back();
  const auto stated = parse_statement_payload(encode_payload(std::nullopt, {}, line));
  ASSERT_TRUE(stated);
  EXPECT_EQ(stated->epoch, Epoch(1));
  EXPECT_EQ(stated->size, 2U);
  EXPECT_EQ(stated->root, example_root());
}

}  // namespace
}  // namespace bukubesar
