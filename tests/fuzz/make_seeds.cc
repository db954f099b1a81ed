// Seeds of one fuzz target that are made rather than kept: make_seeds TARGET FOLDER, in the source folder. Those that are kept as text
// stand in tests/fuzz/seeds/<target>/.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/sha256.h"
#include "events/payload.h"
#include "ledger/chunk.h"
#include "ledger/heads_file.h"
#include "ledger/proof.h"
#include "ledger/rows.h"
#include "ledger/signer.h"
#include "tests/events/corpus.h"
#include "tests/fuzz/segment_parts.h"

namespace bukubesar {
namespace {

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) { std::filesystem::create_directories(folder_); }
  void add(std::string_view bytes) {
    std::ofstream(folder_ / ("seed-" + std::to_string(made_++)), std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  void add(unsigned char choice, std::string_view rest) { add(std::string(1, static_cast<char>(choice)) + std::string(rest)); }
  [[nodiscard]] std::size_t made() const { return made_; }

 private:
  std::filesystem::path folder_;
  std::size_t made_ = 0;
};

std::vector<CorpusCase> corpus() { return read_corpus("tests/events/corpus/v1.jsonl"); }
constexpr std::size_t kSeedBytesMax = 64 * 1024;

void payload_seeds(Seeds& seeds) {
  for (const CorpusCase& test_case : corpus()) {
    if (test_case.payload.size() > kSeedBytesMax) continue;
    const unsigned char partition = test_case.partition.is_reference() ? 0x80 : 0;
    // A multiple of 3 below 0x80: a whole payload; then 1 and 2 more: a value.
    seeds.add(partition, test_case.payload);
    PayloadView view;
    if (!parse_payload(test_case.payload, view) || !view.value) continue;
    seeds.add(partition | 1, *view.value);
    seeds.add(partition | 2, *view.value);
  }
}

void json_seeds(Seeds& seeds) {
  for (const CorpusCase& test_case : corpus()) {
    PayloadView view;
    if (test_case.payload.size() <= kSeedBytesMax && parse_payload(test_case.payload, view) && view.value) seeds.add(*view.value);
  }
}

// The corpus in the text form of headers_fuzz.
void headers_seeds(Seeds& seeds) {
  for (const CorpusCase& test_case : corpus()) {
    PayloadView view;
    if (test_case.payload.size() > kSeedBytesMax || !parse_payload(test_case.payload, view) || !view.value) continue;
    std::string text = view.key ? "key: " + std::string(*view.key) + "\n" : "";
    for (const Header& header : view.headers)
      text += std::string(header.name) + (header.value ? ": " + std::string(*header.value) : "") + "\n";
    seeds.add(text + "\n" + std::string(*view.value));
  }
}

std::string some_entries(std::size_t count) {
  std::string entries;
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry;
    entry.verdict = i % 3 == 2 ? Verdict::duplicate : Verdict::accepted;
    entry.reason = i % 3 == 2 ? Reason::same : Reason::none;
    if (i % 3 == 2) entry.duplicate_of = Sequence(i - 1);
    entry.rules_version = 1;
    entry.offset = Offset(static_cast<std::int64_t>(1000 + i));
    entry.timestamp_present = entry.log_append_time = true;
    entry.timestamp_ms = 1'684'000'000'000 + static_cast<std::int64_t>(i);
    entry.payload_size = 400;
    entry.payload_hash = sha256(std::to_string(i));
    std::copy_n(entry.payload_hash.begin(), entry.fingerprint.size(), entry.fingerprint.begin());
    const EntryBytes bytes = encode_entry(entry);
    entries += as_view(bytes);
  }
  return entries;
}

void rows_seeds(Seeds& seeds) {
  const std::string entries = some_entries(5);
  seeds.add(0, std::string_view(entries).substr(0, kEntryBytes));
  seeds.add(0, std::string_view(entries).substr(2 * kEntryBytes, kEntryBytes));
  seeds.add(1, encode_entry_chunk(entries, 1'684'000'000'000));
  seeds.add(1, encode_entry_chunk(std::string_view(entries).substr(0, kEntryBytes), 0));
  const std::string_view payloads[] = {"first", std::string_view(), std::string_view("", 0),
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
  seeds.add(2, encode_payload_chunk(payloads, 4));
  seeds.add(2, encode_payload_chunk(payloads, 1));
  std::string content("\0\4\0\0\0\5\xff\xff\xff\xff\0\0\0\0\0\0\0\3firstaaa", 26);
  seeds.add(3, content);
  seeds.add(4, entries);
  PartitionHead head;
  head.size = 5;
  head.root = sha256("");
  head.next_offset = Offset(1005);
  seeds.add(5, head_value(head));
  const OffsetRun run{PartitionId(0), Epoch(0), Offset(1000), false, Sequence(0), 5};
  seeds.add(5, offset_key(run.partition, run.epoch, run.first) + offset_value(run));
  seeds.add(5, chunk_key(PartitionId(0), Sequence(0)));
  seeds.add(5, tree_key(PartitionId::reference(), 1, 0));
  seeds.add(5, checkpoint_key(PartitionId(0), 5));
  Cut cut;
  cut.set(PartitionId(0), 5);
  cut.set(PartitionId::reference(), 2);
  seeds.add(5, cut_note_value(cut, "a note"));
}

void note_seeds(Seeds& seeds) {
  const SigningKeys keys = SigningKeys::of_seed(std::string(32, 's'));
  const std::string entry(kEntryBytes, '\1');
  const Hash256 root = sha256(std::string(1, '\0') + entry);  // of a tree of that one leaf
  const std::string checkpoint = keys.sign_note("fuzz/0", checkpoint_text("fuzz/0", 1, root));
  seeds.add(checkpoint);
  seeds.add(keys.verifier_key("fuzz/0") + "\n" + checkpoint);
  seeds.add(keys.sign_note("fuzz/cut", cut_note_text("fuzz", {{"fuzz/0", 1, root}, {"fuzz/reference", 0, sha256("")}})));
  seeds.add(tlog_proof(0, {}, checkpoint, ""));
  seeds.add(tlog_proof(0, {root, root}, checkpoint, "payload"));
  RecordedHeads heads;
  heads.cut_notes = 3;
  heads.partitions[PartitionId(0)] = {1, root, Epoch(0), Offset(1)};
  const std::string text = format_heads("fuzz", heads);
  seeds.add(text.substr(0, text.rfind("sha256 ")));
  for (const char* path : {"tile/0/000", "tile/entries/x001/x234/067", "tile/3/x001/067.p/17", "0=812,1=90,reference=97", "reference"})
    seeds.add(path);
}

void segment_seeds(Seeds& seeds) {
  std::ifstream golden("tests/projections/golden/segment.hex");
  std::string bytes;
  for (std::string at, digits; golden >> at >> digits;) bytes += unhex(digits).value_or("");
  if (!decode_segment(bytes, "golden").ok()) return;
  seeds.add(0, bytes);
  seeds.add(1, std::string_view(bytes).substr(0, bytes.size() - 32));
  seeds.add(2, fuzz::take_segment_apart(bytes));
}

// seeds/http_fuzz/requests.txt: requests with a line of dashes between, as people write them. Lines of a head end in CRLF on the wire, a
// body has a length.
void http_seeds(Seeds& seeds) {
  std::ifstream file("tests/fuzz/seeds/http_fuzz/requests.txt");
  std::string head;
  std::string body;
  bool in_body = false;
  const auto finish = [&] {
    if (!body.empty()) head += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    seeds.add(head + "\r\n" + body);
    head.clear();
    body.clear();
    in_body = false;
  };
  for (std::string line; std::getline(file, line);) {
    if (line == "----")
      finish();
    else if (line.empty() || in_body)
      body += line, in_body = true;
    else
      head += line + "\r\n";
  }
  finish();
}

}  // namespace
}  // namespace bukubesar

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_seeds TARGET FOLDER\n");
    return 2;
  }
  using namespace bukubesar;
  const std::string target = argv[1];
  Seeds seeds(argv[2]);
  std::size_t wanted = 0;
  if (target == "payload_fuzz") payload_seeds(seeds), wanted = 100;
  if (target == "json_fuzz") json_seeds(seeds), wanted = 50;
  if (target == "headers_fuzz") headers_seeds(seeds), wanted = 50;
  if (target == "rows_fuzz") rows_seeds(seeds), wanted = 10;
  if (target == "note_fuzz") note_seeds(seeds), wanted = 10;
  if (target == "http_fuzz") http_seeds(seeds), wanted = 20;
  if (target == "segment_fuzz") segment_seeds(seeds), wanted = 3;
  if (seeds.made() < wanted) {
    std::fprintf(stderr, "make_seeds: %s: %zu seeds, too few\n", argv[1], seeds.made());
    return 1;
  }
  return 0;
}
