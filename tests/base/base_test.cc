#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <random>
#include <thread>

#include "base/bounded_queue.h"
#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/cut.h"
#include "base/day.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/money.h"
#include "base/seldom_warning.h"
#include "base/sha256.h"
#include "base/sha256_many.h"
#include "base/time.h"
#include "tests/child.h"
#include "tests/logged.h"

namespace bukubesar {
namespace {

TEST(Cancellation, ConcernsTheThreadThatComputesForSomebody) {
  const auto abandoned = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(still_wanted(), absl::OkStatus());
  {
    const ComputesFor asker(abandoned);
    EXPECT_TRUE(absl::IsCancelled(still_wanted()));
    {
      const ComputesFor patient(std::make_shared<std::atomic<bool>>(false));
      EXPECT_EQ(still_wanted(), absl::OkStatus());
    }
    EXPECT_TRUE(absl::IsCancelled(still_wanted()));
    std::thread([] { EXPECT_EQ(still_wanted(), absl::OkStatus()); }).join();
  }
  EXPECT_EQ(still_wanted(), absl::OkStatus());
}

TEST(Money, FormatsTwoDecimalsAlways) {
  EXPECT_EQ(format_rupiah(0), "0.00");
  EXPECT_EQ(format_rupiah(-5), "-0.05");
  EXPECT_EQ(format_rupiah(120000000000000), "1200000000000.00");
}

TEST(Money, ParsesWhatItFormatsAndNamesWhatItRefuses) {
  EXPECT_EQ(parse_rupiah("12.5").money.sen, 1250);
  EXPECT_EQ(parse_rupiah("-92233720368547758.08").money.sen, INT64_MIN);
  EXPECT_EQ(parse_rupiah("92233720368547758.08").error, MoneyError::out_of_range);
  EXPECT_EQ(parse_rupiah("1.234").error, MoneyError::too_many_decimals);
  for (const char* bad : {"", "-", "01", "1.", ".5", "1e3", "+1", " 1", "1 "})
    EXPECT_EQ(parse_rupiah(bad).error, MoneyError::syntax) << bad;
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  EXPECT_EQ(base64("hello"), "aGVsbG8=");
  EXPECT_EQ(unbase64("aGVsbG8="), "hello");
  EXPECT_EQ(unbase64("aGVsbG9="), std::nullopt) << "unused trailing bits are not zero";
  EXPECT_EQ(unbase64("aGVsbG8"), std::nullopt);
  EXPECT_EQ(unbase64("aG=sbG8="), std::nullopt);
  EXPECT_EQ(unbase64(""), "");
}

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(hex(as_view(sha256("abc"))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(as_view(hmac_sha256("key", "The quick brown fox jumps over the lazy dog"))),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
}

// Padding is ours where a message is hashed at once, OpenSSL's where it comes in pieces.
TEST(Sha256, IsTheSameAtOnceInPiecesAndJoined) {
  std::string bytes;
  for (int size = 0; size < 700; ++size, bytes += static_cast<char>(size * 37)) {
    const Hash256 streamed = Sha256().update(bytes).finish();
    ASSERT_EQ(sha256(bytes), streamed) << size;
    const std::string_view all = bytes;
    const std::size_t cut = bytes.size() / 3;
    ASSERT_EQ(sha256_joined({all.substr(0, cut), "", all.substr(cut)}), streamed) << size;
  }
  EXPECT_EQ(sha256_joined({}), sha256(""));
}

// Enough of them that lanes are used where the processor has them, and of lengths at which a message's last block, or two, are all padding.
TEST(Sha256, ManyAtOnceAreEachAsAlone) {
  std::mt19937_64 random(4);
  for (std::size_t count = 0; count < 70; ++count) {
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
      text.resize(count % 3 == 0 ? 65 : random() % (random() % 8 == 0 ? 5000 : 700));
      for (char& each : text) each = static_cast<char>(random());
    }
    const std::vector<std::string_view> messages(texts.begin(), texts.end());
    std::vector<Hash256> hashes(count);
    sha256_many(messages, hashes);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(hashes[i], sha256(texts[i])) << i << " of " << count << ", " << texts[i].size() << " bytes";
  }
  std::vector<std::string> texts(260);
  for (std::size_t size = 0; size < texts.size(); ++size) texts[size] = std::string(size, 'a');
  const std::vector<std::string_view> messages(texts.begin(), texts.end());
  std::vector<Hash256> hashes(messages.size());
  sha256_many(messages, hashes);
  for (std::size_t size = 0; size < texts.size(); ++size) ASSERT_EQ(hashes[size], sha256(texts[size])) << size;
}

TEST(Sha256, ManyAtOnceWithOneThatIsLongAndOnesOfNothing) {
  const std::string long_one(1U << 20, 'x'), short_one(500, 'y');
  std::vector<std::string_view> messages(40, short_one);
  messages[3] = long_one;
  messages[7] = messages[39] = {};
  std::vector<Hash256> hashes(messages.size());
  sha256_many(messages, hashes);
  for (std::size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(hashes[i], sha256(messages[i])) << i;
}

TEST(Sha256, ManyAtOnceMatchFips180) {
  const std::vector<std::string_view> messages(16, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
  std::vector<Hash256> hashes(messages.size());
  sha256_many(messages, hashes);
  for (const Hash256& hash : hashes) EXPECT_EQ(hex(as_view(hash)), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Cut, RoundTripsItsText) {
  const auto cut = Cut::parse("0=812,1=90,reference=97");
  ASSERT_TRUE(cut.ok()) << cut.status();
  EXPECT_EQ(cut->text(), "0=812,1=90,reference=97");
  EXPECT_EQ(cut->size(PartitionId::reference()), 97U);
  for (const char* bad : {"", "0", "0=", "0=1,", "0=1,0=2", "x=1", "00=1", "0=-1", "0=1,,1=2"}) EXPECT_FALSE(Cut::parse(bad).ok()) << bad;
}

TEST(Time, ReadsRfc3339AndWritesItBack) {
  const auto instant = parse_instant_ms("2023-05-11T09:12:00.250+08:00");
  ASSERT_TRUE(instant);
  EXPECT_EQ(format_instant_ms(*instant, 480), "2023-05-11T09:12:00.250+08:00");
  EXPECT_EQ(format_instant_ms(*instant, 0), "2023-05-11T01:12:00.250Z");
  EXPECT_EQ(parse_instant_ms("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(format_instant_ms(-1, 0), "1969-12-31T23:59:59.999Z");
  for (const char* bad : {"", "2023-05-11", "2023-05-11T09:12:00", "2023-02-29T00:00:00Z", "2023-05-11T24:00:00Z", "2023-05-11T09:12:00.Z"})
    EXPECT_FALSE(parse_instant_ms(bad)) << bad;
  EXPECT_EQ(format_month(month_of(*parse_date("1969-12-31"))), "1969-12");
  EXPECT_EQ(format_month(*parse_month("2023-05")), "2023-05");
  EXPECT_EQ(day_start_ms(*parse_date("1970-01-01"), 480), -8 * 3600 * 1000);
}

// What a producer may stamp a record with.
TEST(Time, WritesAnyInstantAndKnowsItsDay) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max(), kMin = std::numeric_limits<std::int64_t>::min();
  for (const int zone : {0, 480, -210, 1439, -1439}) {
    EXPECT_EQ(format_instant_ms(kMax, zone), "9223372036854775807 ms after 1970");
    EXPECT_EQ(format_instant_ms(kMin, zone), "-9223372036854775808 ms after 1970");
    EXPECT_GE(day_of(kMax, zone), 106'751'991'166);
    EXPECT_LT(day_of(kMin, zone), -106'751'991'166);
  }
  EXPECT_EQ(format_instant_ms(253'402'300'799'999, 0), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(format_instant_ms(253'402'300'800'000, 0), "253402300800000 ms after 1970");
  EXPECT_EQ(day_of(-1, 0), -1);
  EXPECT_EQ(day_of(-86'400'000, 0), -1);
  EXPECT_EQ(day_of(-86'400'001, 0), -2);
  EXPECT_EQ(day_of(57'600'000, 480), 1);
  EXPECT_EQ(day_of(57'599'999, 480), 0);
}

TEST(BoundedQueue, RefusesBeyondItsMaximumAndDrainsAfterClose) {
  BoundedQueue<int> queue(2);
  int one = 1;
  EXPECT_TRUE(queue.try_push(one));
  EXPECT_TRUE(queue.try_push(one));
  EXPECT_FALSE(queue.try_push(one));
  queue.close();
  EXPECT_FALSE(queue.push(3));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(SeldomWarning, SaysTheFirstOfManyAndNothingOfWhatWentWell) {
  const testing_support::Logged log;
  SeldomWarning disk, another;
  disk.say(absl::OkStatus());
  disk.say(absl::UnavailableError("the disk"));
  for (int i = 0; i < 1000; ++i) disk.say(absl::UnavailableError("the disk again"));
  another.say(absl::DataLossError("another place"));
  EXPECT_TRUE(log.has("[warning] the disk\n"));
  EXPECT_FALSE(log.has("the disk again"));
  EXPECT_TRUE(log.has("another place"));
}

TEST(File, ReplacesWholeAndAppends) {
  const std::string path = testing::TempDir() + "/bukubesar_file_" + std::to_string(::getpid());
  ASSERT_TRUE(write_file_durably(path, "one").ok());
  ASSERT_TRUE(append_file_durably(path, "two").ok());
  EXPECT_EQ(read_file(path).value(), "onetwo");
  EXPECT_TRUE(absl::IsNotFound(read_file(path + ".missing").status()));
  EXPECT_TRUE(absl::IsNotFound(write_file_durably("/nonexistent/x", "")));
  std::filesystem::remove(path);
}

// A full disk, in a child whose files may not grow: a line of which half was written is taken away, and the next one stands alone.
TEST(File, AnAppendThatFailsInTheMiddleLeavesNothing) {
  const std::string path = testing::TempDir() + "/bukubesar_file_append_" + std::to_string(::getpid());
  ASSERT_TRUE(write_file_durably(path, "one\n").ok());
  const int code = testing_support::exit_code_of_child([&] {
    {
      const testing_support::FullDisk full(16);
      if (!absl::IsUnavailable(append_file_durably(path, std::string(20, '2') + "\n"))) return 2;
    }
    return append_file_durably(path, "three\n").ok() ? 0 : 3;
  });
  ASSERT_EQ(code, 0);
  EXPECT_EQ(read_file(path).value(), "one\nthree\n");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace bukubesar
