#include "ledger/tlog_path.h"

#include <gtest/gtest.h>

namespace bukubesar {
namespace {

TEST(TlogPath, ReadsWhatItWrites) {
  const std::pair<const char*, TilePath> cases[] = {
      {"tile/0/000", {false, 0, 0, 256}},
      {"tile/3/x001/x234/067", {false, 3, 1234067, 256}},
      {"tile/5/999.p/255", {false, 5, 999, 255}},
      {"tile/1/x001/000.p/1", {false, 1, 1000, 1}},
      {"tile/entries/x123/456", {true, 0, 123456, 256}},
      {"tile/entries/000.p/7", {true, 0, 0, 7}},
  };
  for (const auto& [text, path] : cases) {
    const auto parsed = parse_tile_path(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, path) << text;
    EXPECT_EQ(format_tile_path(path), text);
  }
}

TEST(TlogPath, RefusesEveryOtherForm) {
  for (const char* bad : {"",
                          "tile",
                          "tile/",
                          "tile/0",
                          "tile/0/",
                          "tile/0/0",
                          "tile/0/00",
                          "tile/0/0000",
                          "tile/0/x000/001",
                          "tile/0/001/002",
                          "tile/0/x001",
                          "tile/0/x001/",
                          "tile/0/001x",
                          "tile/00/001",
                          "tile/6/000",
                          "tile/8/000",
                          "tile/-1/000",
                          "tile/0/000.p/0",
                          "tile/0/000.p/256",
                          "tile/0/000.p/01",
                          "tile/0/000.p/",
                          "tile/0/000.p/1/",
                          "tile/0/000.p/1.p/1",
                          "tile/entries",
                          "tile/entries/",
                          "tile/entries/1",
                          "tiles/0/000",
                          "/tile/0/000",
                          "tile/0/000/",
                          "tile/0/x999/x999/x999/x999/x999/x999/999",
                          "tile/0/0 0",
                          "tile/data/000"})
    EXPECT_EQ(parse_tile_path(bad).status().code(), absl::StatusCode::kNotFound) << bad;
}

}  // namespace
}  // namespace bukubesar
