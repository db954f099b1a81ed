#include "ledger/merkle.h"

#include <algorithm>
#include <random>
#include <string>

#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

constexpr std::size_t kSizes = 300;

std::vector<std::string> numbered_leaves(std::size_t count) {
  std::vector<std::string> leaves;
  for (std::size_t i = 0; i < count; ++i) leaves.push_back("leaf " + std::to_string(i));
  return leaves;
}

// Every subtree from the leaves themselves.
class NaiveSource : public SubtreeSource {
 public:
  explicit NaiveSource(std::vector<std::string> leaves) : leaves_(std::move(leaves)) {}
  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override {
    const std::size_t first = index << height;
    const std::size_t limit = first + (std::size_t{1} << height);
    if (limit > leaves_.size()) return absl::InternalError("asked for a subtree that is not complete");
    auto [cached, is_new] = hashes_.try_emplace({height, index});
    if (is_new) cached->second = naive_root(leaves_, first, limit);
    return cached->second;
  }
  [[nodiscard]] const std::vector<std::string>& leaves() const { return leaves_; }

 private:
  std::vector<std::string> leaves_;
  std::map<std::pair<unsigned, std::uint64_t>, Hash256> hashes_;
};

// The eight leaves and the roots that Certificate Transparency's own tests use (RFC 6962's reference implementation).
const std::vector<std::string>& ct_leaves() {
  static const std::vector<std::string> leaves = {*unhex(""),
                                                  *unhex("00"),
                                                  *unhex("10"),
                                                  *unhex("2021"),
                                                  *unhex("3031"),
                                                  *unhex("40414243"),
                                                  *unhex("5051525354555657"),
                                                  *unhex("606162636465666768696a6b6c6d6e6f")};
  return leaves;
}
constexpr const char* kCtRoots[] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

TEST(Merkle, GivesTheRootsOfRfc6962sReferenceTests) {
  NaiveSource source(ct_leaves());
  Frontier frontier;
  std::vector<Subtree> completed;
  EXPECT_EQ(hex(as_view(frontier.root())), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  for (std::size_t i = 0; i < 8; ++i) {
    frontier.append(leaf_hash(ct_leaves()[i]), completed);
    EXPECT_EQ(hex(as_view(frontier.root())), kCtRoots[i]) << i + 1;
    EXPECT_EQ(hex(as_view(*tree_root(source, i + 1))), kCtRoots[i]) << i + 1;
  }
}

TEST(Merkle, GivesTheProofsOfRfc6962sReferenceTests) {
  NaiveSource source(ct_leaves());
  const auto hexes = [](const absl::StatusOr<std::vector<Hash256>>& proof) {
    std::vector<std::string> texts;
    for (const Hash256& hash : *proof) texts.push_back(hex(as_view(hash)));
    return texts;
  };
  EXPECT_EQ(hexes(make_inclusion_proof(source, 0, 1)), std::vector<std::string>());
  EXPECT_EQ(hexes(make_inclusion_proof(source, 0, 8)),
            (std::vector<std::string>{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                                      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
  EXPECT_EQ(hexes(make_inclusion_proof(source, 5, 8)),
            (std::vector<std::string>{"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                                      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                                      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
  EXPECT_EQ(hexes(make_consistency_proof(source, 1, 8)),
            (std::vector<std::string>{"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                                      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                                      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}));
  EXPECT_EQ(hexes(make_consistency_proof(source, 6, 8)),
            (std::vector<std::string>{"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                                      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                                      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}));
}

TEST(Merkle, EverySizeTo300HasTheRootOfTheNaiveTree) {
  NaiveSource source(numbered_leaves(kSizes));
  Frontier frontier;
  std::vector<Subtree> completed;
  for (std::size_t size = 0; size <= kSizes; ++size) {
    const Hash256 want = naive_root(source.leaves(), 0, size);
    ASSERT_EQ(frontier.root(), want) << size;
    ASSERT_EQ(*tree_root(source, size), want) << size;
    ASSERT_EQ(load_frontier(source, size)->root(), want) << size;
    if (size < kSizes) frontier.append(leaf_hash(source.leaves()[size]), completed);
  }
  ASSERT_EQ(completed.size(), 1U);
  EXPECT_EQ(completed[0].hash, naive_root(source.leaves(), 0, 256));
}

TEST(Merkle, ManyLeavesAtOnceMakeTheSameTree) {
  std::string entries;
  for (std::uint64_t i = 0; i < 1500; ++i) append_be(entries, i * 0x9e3779b97f4a7c15);
  const std::vector<Hash256> leaves = leaf_hashes(entries, 8);
  for (std::size_t i = 0; i < leaves.size(); ++i) ASSERT_EQ(leaves[i], leaf_hash(std::string_view(entries).substr(8 * i, 8)));
  std::mt19937_64 random(7);
  for (int round = 0; round < 20; ++round) {
    Frontier alone, together;
    std::vector<Subtree> alone_completed, together_completed;
    while (together.size() < leaves.size()) {
      const std::size_t from = together.size(), most = round % 2 == 0 ? 40 : 700;
      const std::size_t to = std::min(leaves.size(), from + random() % most);
      for (std::size_t i = from; i < to; ++i) alone.append(leaves[i], alone_completed);
      together.append_all({leaves.begin() + static_cast<std::ptrdiff_t>(from), leaves.begin() + static_cast<std::ptrdiff_t>(to)},
                          together_completed);
      ASSERT_EQ(together.size(), alone.size());
      ASSERT_EQ(together.root(), alone.root()) << from << " to " << to;
    }
    ASSERT_EQ(together_completed.size(), alone_completed.size());
    for (std::size_t i = 0; i < alone_completed.size(); ++i) {
      EXPECT_EQ(together_completed[i].height, alone_completed[i].height);
      EXPECT_EQ(together_completed[i].index, alone_completed[i].index);
      EXPECT_EQ(together_completed[i].hash, alone_completed[i].hash);
    }
  }
}

TEST(Merkle, EveryInclusionProofTo300HoldsAndOnlyThere) {
  NaiveSource source(numbered_leaves(kSizes));
  for (std::size_t size = 1; size <= kSizes; ++size) {
    const Hash256 root = *tree_root(source, size);
    for (std::size_t index = 0; index < size; ++index) {
      const auto proof = make_inclusion_proof(source, index, size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      const Hash256 leaf = leaf_hash(source.leaves()[index]);
      ASSERT_TRUE(check_inclusion(*proof, index, size, leaf, root).ok()) << index << " of " << size;
      ASSERT_FALSE(check_inclusion(*proof, index, size, leaf_hash("other"), root).ok());
      const bool elsewhere = size > 1 && check_inclusion(*proof, (index + 1) % size, size, leaf, root).ok();
      ASSERT_FALSE(elsewhere) << index << " of " << size;
      auto longer = *proof;
      longer.push_back(leaf);
      ASSERT_FALSE(check_inclusion(longer, index, size, leaf, root).ok());
    }
  }
}

TEST(Merkle, EveryConsistencyProofTo300HoldsAndOnlyThere) {
  NaiveSource source(numbered_leaves(kSizes));
  std::vector<Hash256> roots;
  for (std::size_t size = 0; size <= kSizes; ++size) roots.push_back(*tree_root(source, size));
  for (std::size_t size = 1; size <= kSizes; ++size) {
    for (std::size_t old_size = 0; old_size <= size; ++old_size) {
      const auto proof = make_consistency_proof(source, old_size, size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      ASSERT_TRUE(check_consistency(*proof, old_size, size, roots[old_size], roots[size]).ok()) << old_size << " to " << size;
      if (old_size == 0) continue;
      ASSERT_FALSE(check_consistency(*proof, old_size, size, roots[old_size - 1], roots[size]).ok()) << old_size << " to " << size;
      if (old_size == size) continue;
      auto changed = *proof;
      changed.back()[31] ^= 1;
      ASSERT_FALSE(check_consistency(changed, old_size, size, roots[old_size], roots[size]).ok()) << old_size << " to " << size;
    }
  }
}

TEST(Merkle, CompletesTilesOfEveryLevel) {
  Frontier frontier;
  std::vector<Subtree> completed;
  std::vector<Hash256> level1;
  std::vector<Hash256> leaves;
  for (std::uint64_t i = 0; i < 65536; ++i) {
    Hash256 leaf{};
    store_be(leaf.data(), i);
    frontier.append(leaf, completed);
  }
  ASSERT_EQ(completed.size(), 257U);
  Frontier of_level1;
  std::vector<Subtree> ignored;
  for (std::size_t i = 0; i < 256; ++i) {
    EXPECT_EQ(completed[i].height, 8U);
    EXPECT_EQ(completed[i].index, i);
    of_level1.append(completed[i].hash, ignored);
  }
  EXPECT_EQ(completed[256].height, 16U);
  EXPECT_EQ(completed[256].hash, of_level1.root());
  EXPECT_EQ(completed[256].hash, frontier.root());
}

}  // namespace
}  // namespace bukubesar
