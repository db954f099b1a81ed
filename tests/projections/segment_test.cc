#include "projections/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <cstdlib>
#include <random>
#include <sstream>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "tests/fuzz/segment_parts.h"
#include "tests/projections/fold_harness.h"

namespace bukubesar {
namespace {

using ::testing::HasSubstr;

// The worked example of docs/SEGMENTS.md: one order, one payment, one stale document; a segment of two rows.
SegmentContent worked_example() {
  FoldHarness h(FoldHarness::default_settings(), 2);
  h.add({.subject = "e-katalog-6/A", .id = "1", .revision = 1, .funding = {"APBD"}});
  h.add({.type = "amended", .subject = "e-katalog-6/A", .id = "2", .revision = 0});
  h.add({.type = "paid", .subject = "e-katalog-6/A", .id = "3", .amount = "250.50", .reference = "SP2D-1"});
  EXPECT_TRUE(h.fold.has_full());
  return h.fold.content_of(*h.fold.segments().front());
}

// The file as the document shows it: offset, bytes, and what is not compressed.
std::string dump(std::string_view bytes) {
  std::string to;
  for (std::size_t at = 0; at < bytes.size(); at += 32) to += fmt::format("{:06x}  {}\n", at, hex(bytes.substr(at, 32)));
  return to;
}

TEST(Segment, EqualsTheGoldenFileAndTheDocument) {
  const std::string golden = BUKUBESAR_SOURCE_DIR "/tests/projections/golden/segment.hex";
  const std::string bytes = encode_segment(worked_example());
  if (std::getenv("BUKUBESAR_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(write_file_durably(golden, dump(bytes)).ok());
  }
  const auto want = read_file(golden);
  ASSERT_TRUE(want.ok()) << want.status();
  std::string stored;
  for (std::istringstream lines(*want); lines;) {
    std::string at, digits;
    if (lines >> at >> digits) stored += unhex(digits).value_or("");
  }
  // What an older build wrote is read as the same content; another libzstd may compress it to other bytes.
  const auto content = decode_segment(stored, "golden");
  ASSERT_TRUE(content.ok()) << content.status();
  EXPECT_EQ(encode_segment(*content), bytes) << "if the change is meant, raise the format's version and run with BUKUBESAR_UPDATE_GOLDEN=1";
  if (ZSTD_versionNumber() == 10504) {
    EXPECT_EQ(dump(bytes), *want);
  }
  const auto document = read_file(BUKUBESAR_SOURCE_DIR "/docs/SEGMENTS.md");
  ASSERT_TRUE(document.ok());
  // Header and the first two section descriptors stand in the document byte by byte (stored sizes are of libzstd 1.5.4).
  for (std::size_t at = 0; at < kSegmentHeaderBytes + 2 * kSectionBytes; at += 32) {
    EXPECT_THAT(*document, HasSubstr(hex(std::string_view(stored).substr(at, 32)))) << at;
  }
}

TEST(Segment, TheDocumentListsEveryColumn) {
  const auto document = read_file(BUKUBESAR_SOURCE_DIR "/docs/SEGMENTS.md");
  ASSERT_TRUE(document.ok());
  for (std::size_t c = 0; c < kColumnCount; ++c) {
    EXPECT_THAT(*document, HasSubstr(fmt::format("| {} | `{}` | {} |", c, kColumns[c].name, kColumns[c].width)));
  }
}

TEST(Segment, DecodesToWhatWasEncoded) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    FoldHarness h(FoldHarness::default_settings(), 50);
    RandomEvents random(seed);
    for (int i = 0; i < 30; ++i) {
      for (const EventSpec& e : random.purchase(i)) h.add(e);
    }
    ASSERT_TRUE(h.fold.has_full());
    for (const auto& segment : h.fold.segments()) {
      if (segment == h.fold.segments().back()) continue;
      const SegmentContent want = h.fold.content_of(*segment);
      EXPECT_GE(want.header.rows, 50U);
      const auto got = decode_segment(encode_segment(want), "s");
      ASSERT_TRUE(got.ok()) << got.status();
      EXPECT_EQ(got->columns, want.columns);
      EXPECT_EQ(got->texts, want.texts);
      EXPECT_EQ(got->first_feeds, want.first_feeds);
      ASSERT_EQ(got->findings.size(), want.findings.size());
      EXPECT_EQ(got->header.next_sequence, want.header.next_sequence);
      EXPECT_EQ(encode_segment(*got), encode_segment(want));
    }
  }
}

// Else the decoder could read one and a scan the other.
TEST(Segment, RefusesASectionThatStandsTwice) {
  const std::string parts = fuzz::take_segment_apart(encode_segment(worked_example()));
  const auto same = fuzz::put_segment_together(parts);
  ASSERT_TRUE(same);
  EXPECT_TRUE(decode_segment(*same, "s").ok());
  constexpr std::size_t kEmptySection = 26;
  std::string second(kEmptySection, '\0');  // section 0, of no values
  const auto twice = fuzz::put_segment_together(parts + second);
  ASSERT_TRUE(twice);
  EXPECT_EQ(decode_segment(*twice, "s").status().message(), "segment s: its section table does not fit");
}

TEST(Segment, RefusesEveryFlippedByteAndEveryLength) {
  const std::string bytes = encode_segment(worked_example());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    EXPECT_TRUE(absl::IsDataLoss(decode_segment(flipped, "s").status())) << at;
    EXPECT_TRUE(absl::IsDataLoss(decode_segment(std::string_view(bytes).substr(0, at), "s").status())) << at;
  }
}

// Whoever can make the hash fit must still not crash the reader.
TEST(Segment, RefusesOrReadsWhateverCarriesAValidHash) {
  const std::string bytes = encode_segment(worked_example());
  std::mt19937 random(5);
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes.substr(0, bytes.size() - 32);
    for (unsigned flips = 1 + random() % 4; flips > 0; --flips) {
      changed[random() % std::min<std::size_t>(changed.size(), round % 2 == 0 ? 1600 : changed.size())] = static_cast<char>(random());
    }
    const Hash256 hash = sha256(changed);
    changed += as_view(hash);
    const auto content = decode_segment(changed, "s");
    if (!content.ok()) continue;
    PartitionFold fold(PartitionId(0), FoldHarness::default_settings(), 2);
    fold.restore(*content).IgnoreError();
  }
}

}  // namespace
}  // namespace bukubesar
