#include "ledger/pruned_tree.h"

#include <bit>

#include "base/bytes.h"
#include "base/status.h"
#include "ledger/note_text.h"

namespace bukubesar {

namespace {

constexpr std::string_view kFirstLine = "bukubesar pruned tree 1";
using Leaves = std::map<std::uint64_t, Hash256>;

bool holds_one(const Leaves& leaves, std::uint64_t first, std::uint64_t limit) {
  const auto at = leaves.lower_bound(first);
  return at != leaves.end() && at->first < limit;
}

// The left part of a range of count leaves, count > 1, as RFC 6962 splits it.
std::uint64_t left_of(std::uint64_t count) { return std::bit_floor(count - 1); }

// Walks the tree over [first, limit): `pruned(height, index)` gives a subtree without a chosen leaf, `met` is told each complete subtree.
template <class Pruned, class Met>
absl::StatusOr<Hash256> walk(const Leaves& leaves, std::uint64_t first, std::uint64_t limit, const Pruned& pruned, const Met& met) {
  const std::uint64_t count = limit - first;
  const bool complete = std::has_single_bit(count);
  const auto height = static_cast<unsigned>(std::countr_zero(count));
  const bool chosen = holds_one(leaves, first, limit);
  Hash256 hash{};
  if (complete && !chosen) {
    ASSIGN_OR_RETURN(hash, pruned(height, first >> height));
  } else if (count == 1) {
    hash = leaves.at(first);
  } else {
    const std::uint64_t middle = first + left_of(count);
    ASSIGN_OR_RETURN(const Hash256 left, walk(leaves, first, middle, pruned, met));
    ASSIGN_OR_RETURN(const Hash256 right, walk(leaves, middle, limit, pruned, met));
    hash = node_hash(left, right);
  }
  if (complete) met(height, first >> height, hash);
  return hash;
}

}  // namespace

absl::StatusOr<PrunedTree> PrunedTree::build(std::uint64_t size, const Leaves& leaves, const std::vector<Hash256>& hashes) {
  if (size == 0) return invalid_argument("a tree without entries");
  if (!leaves.empty() && leaves.rbegin()->first >= size)
    return invalid_argument("entry {} lies beyond the tree of {} entries", leaves.rbegin()->first, size);
  PrunedTree tree;
  std::size_t next = 0;
  const auto take = [&](unsigned, std::uint64_t) -> absl::StatusOr<Hash256> {
    if (next == hashes.size()) return invalid_argument("{} hashes are too few for these entries", hashes.size());
    return hashes[next++];
  };
  ASSIGN_OR_RETURN(tree.root_, walk(leaves, 0, size, take, [&](unsigned height, std::uint64_t index, const Hash256& hash) {
                     tree.known_[{height, index}] = hash;
                   }));
  if (next != hashes.size()) return invalid_argument("{} hashes, {} are needed for these entries", hashes.size(), next);
  return tree;
}

absl::StatusOr<Hash256> PrunedTree::subtree(unsigned height, std::uint64_t index) {
  const auto found = known_.find({height, index});
  if (found == known_.end()) return not_found("subtree {} of height {}: not in the pruned tree", index, height);
  return found->second;
}

absl::StatusOr<std::vector<Hash256>> prune(SubtreeSource& source, std::uint64_t size, const Leaves& leaves) {
  std::vector<Hash256> hashes;
  const auto keep = [&](unsigned height, std::uint64_t index) -> absl::StatusOr<Hash256> {
    ASSIGN_OR_RETURN(const Hash256 hash, source.subtree(height, index));
    hashes.push_back(hash);
    return hash;
  };
  if (size > 0) RETURN_IF_ERROR(walk(leaves, 0, size, keep, [](unsigned, std::uint64_t, const Hash256&) {}).status());
  return hashes;
}

std::string to_text(const PrunedTreeText& tree) {
  std::string text = fmt::format("{}\n{}\n", kFirstLine, tree.size);
  for (const Hash256& hash : tree.hashes) text += base64(as_view(hash)) + "\n";
  return text;
}

absl::StatusOr<PrunedTreeText> parse_pruned_tree(std::string_view text) {
  PrunedTreeText tree;
  std::string_view rest = text;
  if (take_line(rest) != std::optional(kFirstLine)) return invalid_argument("the first line is not: {}", kFirstLine);
  const auto size_line = take_line(rest);
  const auto size = size_line ? parse_note_number(*size_line) : std::nullopt;
  if (!size) return invalid_argument("the second line is no size");
  tree.size = *size;
  while (!rest.empty()) {
    const auto line = take_line(rest);
    const auto hash = line ? parse_note_hash(*line) : std::nullopt;
    if (!hash) return invalid_argument("hash {}: not the base64 of 32 bytes", tree.hashes.size());
    tree.hashes.push_back(*hash);
  }
  return tree;
}

}  // namespace bukubesar
