// What GET /v1/transfers answers as rows, and rows as PostgreSQL's COPY reads them.
#include "adapters/mart_batch.h"

#include <gtest/gtest.h>

#include "adapters/postgres_copy.h"
#include "base/bytes.h"

namespace bukubesar {
namespace {

constexpr std::string_view kHead =
    "partition,sequence,row,ledger_time,event_time,kind,purchase,from,to,amount,packages,cells,order_date,fiscal_year,system,method,"
    "institution,work_unit,vendor,distributor,funding,region,region_key,scale,stated_region,stated_scale,feed,component,origin,"
    "catalogue_kind,commodity,revision\r\n";

std::string line(std::string_view purchase, std::string_view amount, std::string_view sequence = "7") {
  return "0," + std::string(sequence) + ",0,2026-11-26T10:38:36.438+08:00,,purchase.ordered," + std::string(purchase) +
         ",commitment,contracted," + std::string(amount) +
         ",1,1,2023-06-04,,e-katalog-6,e-purchasing,D241,100161,p-1,,APBD,63.05,6305,medium,63.05,medium,/feed,goods,unknown,local,k-1,"
         "\r\n";
}

absl::Status read(std::string answer, MartBatch& to) {
  MartKeys keys;
  to.answer = std::move(answer);
  return read_transfers(keys, to);
}

TEST(MartBatch, HasKeysInstantsAndSenOfEachRow) {
  MartBatch batch;
  ASSERT_TRUE(read(std::string(kHead) + line("e-katalog-6/P1", "-1200.05") + line("\"a,\"\"b\"\"\"", "0.00", "8"), batch).ok());
  ASSERT_EQ(batch.rows.size(), 2u);
  const MartTransfer& first = batch.rows[0];
  EXPECT_EQ(first.values[1], 7);
  EXPECT_EQ(first.values[3], 1795660716438);  // 2026-11-26T02:38:36.438Z
  EXPECT_EQ(first.values[4], kMartNull);
  EXPECT_EQ(first.values[5], 20261126);
  EXPECT_EQ(first.values[6], 20261126) << "where an event states no time, the day is the ledger's";
  EXPECT_EQ(first.values[13], -120005);
  EXPECT_EQ(first.values[22], 6305);
  EXPECT_EQ(first.values[29], kMartNull);
  EXPECT_EQ(first.texts[kMartPurchase], "e-katalog-6/P1");
  EXPECT_EQ(batch.rows[1].texts[kMartPurchase], "a,\"b\"");
  EXPECT_EQ(batch.rows[1].values[18], first.values[18]) << "the same work unit";
}

TEST(MartBatch, NamesWhatIsNoNumber) {
  for (const auto& [bad, what] : {std::pair(line("p", "12.345"), "12.345"), std::pair(line("p", "1.00", "x7"), "x7"),
                                  std::pair(line("p", "1.00", ""), "(nothing)")}) {
    MartBatch batch;
    const absl::Status status = read(std::string(kHead) + bad, batch);
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_NE(std::string(status.message()).find(what), std::string::npos) << status;
  }
}

// The field of an amount, without its length.
std::string amount_bytes(std::int64_t sen) {
  MartTransfer row{};
  row.values.fill(kMartNull);
  row.values[13] = sen;
  CopyRows copy;
  const std::size_t head = copy.bytes().size();
  EXPECT_TRUE(copy.add(row));
  const std::string text = hex(copy.bytes().substr(head + 2));
  EXPECT_EQ(text.substr(0, 13 * 8), std::string(13 * 8, 'f')) << "NULLs before it";
  const std::size_t size = std::stoul(text.substr(13 * 8, 8), nullptr, 16);
  return text.substr(14 * 8, size * 2);
}

TEST(CopyRows, AmountsAreDigitsInBaseTenThousand) {
  // Digits, weight of the first, sign, decimals; then the digits. As `SELECT encode(numeric_send(1200.05), 'hex')` says it.
  EXPECT_EQ(amount_bytes(0), "0000000000000002");
  EXPECT_EQ(amount_bytes(5), "0001ffff0000000201f4");
  EXPECT_EQ(amount_bytes(120005), "000200000000000204b001f4");
  EXPECT_EQ(amount_bytes(-120005), "000200004000000204b001f4");
  EXPECT_EQ(amount_bytes(10'000'00), "00010001000000020001");
  EXPECT_EQ(amount_bytes(std::numeric_limits<std::int64_t>::max()), "0006000400000002000908b91c231ac61e4e02bc");
}

TEST(CopyRows, RefusesWhatDoesNotFitItsColumn) {
  MartTransfer row{};
  row.values.fill(kMartNull);
  row.values[14] = 40'000;
  CopyRows copy;
  EXPECT_FALSE(copy.add(row));
  EXPECT_NE(copy.wrong().find("40000 does not fit column 15"), std::string::npos) << copy.wrong();
}

}  // namespace
}  // namespace bukubesar
