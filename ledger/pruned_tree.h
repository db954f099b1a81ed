// PrunedTree: one proof for many entries. The Merkle tree of a checkpoint in which every subtree without one of the chosen leaves is one
// hash: with the chosen leaves it gives the root, and the proof of each of them.
//
// Text form  "bukubesar pruned tree 1", a line with the tree's size, then one base64 hash a line, left to right: those of the largest
//            complete subtrees (RFC 6962) that hold no chosen leaf. Which ones they are follows from the size and the chosen leaves.
// Source     docs/FORMAT.md, "Evidence packs".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "ledger/merkle.h"

namespace bukubesar {

class PrunedTree : public SubtreeSource {
 public:
  // leaves: index → hash of the leaf; 0 < size. InvalidArgument: a leaf beyond the tree, or hashes too many or too few.
  static absl::StatusOr<PrunedTree> build(std::uint64_t size, const std::map<std::uint64_t, Hash256>& leaves,
                                          const std::vector<Hash256>& hashes);
  [[nodiscard]] const Hash256& root() const { return root_; }
  // Of those on the way from the chosen leaves to the root, and their siblings: make_inclusion_proof() of a chosen leaf asks for these.
  absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) override;

 private:
  std::map<std::pair<unsigned, std::uint64_t>, Hash256> known_;
  Hash256 root_{};
};

// The hashes that build() takes, out of a source that has all.
[[nodiscard]] absl::StatusOr<std::vector<Hash256>> prune(SubtreeSource& source, std::uint64_t size,
                                                         const std::map<std::uint64_t, Hash256>& leaves);

struct PrunedTreeText {
  std::uint64_t size = 0;
  std::vector<Hash256> hashes;
};
[[nodiscard]] std::string to_text(const PrunedTreeText& tree);
[[nodiscard]] absl::StatusOr<PrunedTreeText> parse_pruned_tree(std::string_view text);

}  // namespace bukubesar
