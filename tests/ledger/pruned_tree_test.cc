#include "ledger/pruned_tree.h"

#include <random>

#include "tests/ledger/fixture.h"

namespace bukubesar {
namespace {

// Subtrees of numbered leaves.
class NumberedLeaves : public SubtreeSource {
 public:
  static Hash256 leaf(std::uint64_t index) { return leaf_hash("leaf " + std::to_string(index)); }
  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override {
    if (height == 0) return leaf(index);
    return node_hash(*subtree(height - 1, 2 * index), *subtree(height - 1, 2 * index + 1));
  }
};

std::map<std::uint64_t, Hash256> leaves_of(std::uint64_t bits) {
  std::map<std::uint64_t, Hash256> leaves;
  for (std::uint64_t i = 0; i < 64; ++i)
    if ((bits >> i & 1U) != 0) leaves[i] = NumberedLeaves::leaf(i);
  return leaves;
}

void expect_whole(std::uint64_t size, const std::map<std::uint64_t, Hash256>& leaves) {
  NumberedLeaves source;
  const Hash256 root = *tree_root(source, size);
  const auto hashes = prune(source, size, leaves);
  ASSERT_TRUE(hashes.ok()) << hashes.status();
  auto tree = PrunedTree::build(size, leaves, *hashes);
  ASSERT_TRUE(tree.ok()) << tree.status();
  EXPECT_EQ(tree->root(), root) << size;
  for (const auto& [index, hash] : leaves) {
    const auto proof = make_inclusion_proof(*tree, index, size);
    ASSERT_TRUE(proof.ok()) << proof.status();
    EXPECT_TRUE(check_inclusion(*proof, index, size, hash, root).ok()) << size << " " << index;
  }
}

TEST(PrunedTree, GivesTheRootAndTheProofsForEveryChoiceOfLeavesOfEverySmallTree) {
  for (std::uint64_t size = 1; size <= 9; ++size)
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << size; ++bits) expect_whole(size, leaves_of(bits));
}

TEST(PrunedTree, DoesSoForLargerTreesToo) {
  std::mt19937_64 random(20230615);
  for (int round = 0; round < 50; ++round) {
    const std::uint64_t size = 10 + random() % 600;
    std::map<std::uint64_t, Hash256> leaves;
    for (std::uint64_t i = random() % 40; i > 0; --i) {
      const std::uint64_t index = random() % size;
      leaves[index] = NumberedLeaves::leaf(index);
    }
    expect_whole(size, leaves);
  }
}

TEST(PrunedTree, AnotherLeafOrHashGivesAnotherRootOrNone) {
  NumberedLeaves source;
  const auto leaves = leaves_of(0b100101);
  const std::vector<Hash256> hashes = *prune(source, 11, leaves);
  const Hash256 root = *tree_root(source, 11);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    std::vector<Hash256> changed = hashes;
    changed[i][0] ^= 1U;
    EXPECT_NE(PrunedTree::build(11, leaves, changed)->root(), root);
    changed = hashes;
    changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_FALSE(PrunedTree::build(11, leaves, changed).ok());
  }
  std::map<std::uint64_t, Hash256> moved = leaves;
  moved[5] = NumberedLeaves::leaf(6);
  EXPECT_NE(PrunedTree::build(11, moved, hashes)->root(), root);
  EXPECT_FALSE(PrunedTree::build(11, leaves_of(0b1001), hashes).ok()) << "fewer leaves need other hashes";
  EXPECT_FALSE(PrunedTree::build(5, leaves, hashes).ok()) << "a leaf beyond the tree";
  EXPECT_FALSE(PrunedTree::build(0, {}, {}).ok());
}

TEST(PrunedTree, ItsTextComesBack) {
  NumberedLeaves source;
  const PrunedTreeText tree{11, *prune(source, 11, leaves_of(0b100101))};
  const std::string text = to_text(tree);
  const auto back = parse_pruned_tree(text);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->size, tree.size);
  EXPECT_EQ(back->hashes, tree.hashes);
  EXPECT_FALSE(parse_pruned_tree(text.substr(0, text.size() - 1)).ok());
  EXPECT_FALSE(parse_pruned_tree("bukubesar pruned tree 2\n11\n").ok());
  EXPECT_FALSE(parse_pruned_tree("bukubesar pruned tree 1\n011\n").ok());
}

}  // namespace
}  // namespace bukubesar
