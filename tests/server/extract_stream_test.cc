#include "server/extract_stream.h"

#include <gtest/gtest.h>

namespace bukubesar {
namespace {

absl::StatusOr<ServerResponse> an_extract(ExtractFormat format) {
  return extract_response({format, Cut(), {"a"}, [](ExtractWriter&, std::string&) { return false; }});
}

TEST(ExtractStream, SoManyAtOnceAndNoMore) {
  std::vector<ServerResponse> under_way;
  for (int i = 0; i < kExtractsMax; ++i) {
    auto response = an_extract(ExtractFormat::csv);
    ASSERT_TRUE(response.ok()) << response.status();
    under_way.push_back(*std::move(response));
  }
  for (const ExtractFormat format : {ExtractFormat::csv, ExtractFormat::xlsx})
    EXPECT_TRUE(absl::IsResourceExhausted(an_extract(format).status()));
  under_way.pop_back();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(an_extract(ExtractFormat::xlsx).ok()) << "one that is made gives its place back";
}

}  // namespace
}  // namespace bukubesar
