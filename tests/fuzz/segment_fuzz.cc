// Segment files: refused or read; what is read is written with the same content, the columns of the file are those that were decoded, and a
// fold that takes it over goes on from it.
//
// The first byte of an input says what the rest is: the file, the file without its hash, or its parts (segment_parts.h).
#include <unistd.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/arena.h"
#include "events/rules.h"
#include "projections/partition_fold.h"
#include "projections/segment.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/segment_parts.h"

namespace bukubesar {
namespace {

using fuzz::require;

// Nothing here is about how much memory there is: a count says "this often the same value" without any bytes behind it.
constexpr std::uint32_t kRowsTried = 5000;

const std::string& path() {
  static const std::string name = [] {
    const char* folder = std::getenv("TMPDIR");
    return std::string(folder == nullptr ? "/tmp" : folder) + "/segment-" + std::to_string(::getpid()) + ".seg";
  }();
  return name;
}

void require_equal(const SegmentContent& a, const SegmentContent& b) {
  require(a.columns == b.columns, "the columns come back");
  require(a.texts == b.texts && a.first_feeds == b.first_feeds, "dictionaries and first feeds come back");
  require(a.findings.size() == b.findings.size(), "the findings come back");
  for (std::size_t i = 0; i < a.findings.size(); ++i) {
    const FindingRow& x = a.findings[i];
    const FindingRow& y = b.findings[i];
    require(x.sequence == y.sequence && x.purchase == y.purchase && x.kind == y.kind && x.a == y.a && x.b == y.b, "each finding");
  }
}

void require_file_reads_the_same(std::string_view bytes, const SegmentContent& content) {
  std::ofstream(path(), std::ios::binary | std::ios::trunc).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  const FileSegment file(path(), bytes, content.header);
  for (std::size_t i = 0; i < kColumnCount; ++i) {
    std::vector<std::byte> values(content.columns[i].size());
    require(file.read_column(static_cast<Column>(i), values.data()).ok() && values == content.columns[i], "a column of the file");
  }
  (void)file.rows_below((content.header.first_sequence + content.header.next_sequence) / 2).ok();
  (void)file.event_time_min();
  (void)file.event_time_max();
}

std::string event(const char* what, const char* id, const char* data) {
  const std::string json =
      std::string(R"({"specversion":"1.0","type":"id.bukubesar.purchase.)") + what + R"(.v1","source":"/f","id":")" + id +
      R"(","subject":"e-katalog-6/A","time":"2023-05-11T09:12:00+08:00","data":{"salt":"00000000000000000000000000000000",)" + data + "}}";
  return encode_payload("e-katalog-6/A", std::vector<Header>{{"content-type", "application/cloudevents+json"}}, json);
}

// Takes the segment over as the first one, then applies events to a purchase that the seeds have.
void try_fold(SegmentContent content) {
  content.header.number = 0;
  content.header.first_sequence = 0;
  content.header.first_row = 0;
  Definition definition;
  definition.zone_minutes = 480;
  FoldSettings settings = FoldSettings::of(definition);
  settings.hash = content.header.fold_hash;
  PartitionFold fold(content.header.partition, settings, kSegmentRows);
  if (!fold.restore(content).ok()) return;
  require(fold.next_sequence() == content.header.next_sequence && fold.rows() == content.header.rows, "it goes on where the segment ends");
  if (fold.next_sequence() > ~std::uint64_t{0} - 8) return;
  Judge judge{Routing{}};
  Arena arena;
  const std::string payloads[] = {
      event("advanced", "x1", R"("stage":"completed","source_status":{"package":"selesai","shipment":null})"),
      event("paid", "x2", R"("amount":"92233720368547758.07","reference":"SP2D-9","date":"2023-06-01")"),
      event(
          "amended", "x3",
          R"("document":{"revision":9,"fiscal_year":2023,"stage":"contracted","institution":"D262","vendor":"p-1","amounts":{"total":"92233720368547758.07"}})"),
      event("cancelled", "x4", R"("reason":"r")")};
  for (const std::string& payload : payloads) {
    const Judgement judgement = judge.judge(1, PartitionId(0), payload, arena);
    Entry entry;
    entry.verdict = Verdict::accepted;
    entry.timestamp_present = entry.log_append_time = true;
    entry.timestamp_ms = 1'700'000'000'000;
    fold.apply(Sequence(fold.next_sequence()), entry, payload, judgement.event);
  }
  const SegmentContent open = fold.content_of(*fold.segments().back());
  require(open.columns[0].size() == fold.segments().back()->rows * kColumns[0].width, "what is open can be read");
}

void try_segment(std::string_view bytes) {
  const auto content = decode_segment(bytes, "s");
  if (!content.ok()) {
    require(content.status().message().find("segment s") != std::string_view::npos, "a refusal names the segment");
    return;
  }
  if (content->header.rows > kRowsTried || content->findings.size() > kRowsTried) return;
  const std::string written = encode_segment(*content);
  const auto again = decode_segment(written, "s");
  require(again.ok(), "what was read is written as a segment");
  require_equal(*again, *content);
  require(encode_segment(*again) == written, "one encoding for one content");
  require_file_reads_the_same(bytes, *content);
  try_fold(*content);
}

// Whether some count asks for more rows than are tried.
bool is_large(std::string_view parts) {
  if (parts.size() < kSegmentHeaderBytes) return true;
  for (ByteReader reader(parts.substr(kSegmentHeaderBytes)); !reader.at_end() && reader.ok();) {
    reader.take(2);
    if (reader.be<std::uint32_t>() > kRowsTried) return true;
    reader.take(16);
    const auto size = reader.be<std::uint32_t>();
    reader.take(std::min<std::size_t>(size, reader.rest().size()));
  }
  return false;
}

void try_input(std::uint8_t choice, std::string_view rest) {
  if (choice % 4 == 0) {
    try_segment(rest);
  } else if (choice % 4 == 1) {
    const Hash256 hash = sha256(rest);
    try_segment(std::string(rest) + std::string(as_view(hash)));
  } else if (!is_large(rest)) {
    if (const auto bytes = fuzz::put_segment_together(rest)) try_segment(*bytes);
  }
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) bukubesar::try_input(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
