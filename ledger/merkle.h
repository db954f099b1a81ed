// Merkle: the RFC 6962 tree as pure functions over a source of subtree hashes; no storage, no threads.
//
// A subtree of height h and index i covers the leaves [i·2^h, (i+1)·2^h), all of them present.
//
// Source  RFC 6962 §2.1; RFC 9162 §2.1.3.2 and §2.1.4.2 for the checks of proofs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sha256.h"

namespace bukubesar {

inline constexpr unsigned kTileHeight = 8;
inline constexpr std::uint64_t kTileWidth = 1U << kTileHeight;

[[nodiscard]] Hash256 leaf_hash(std::string_view entry);                     // SHA-256(00 ‖ entry)
[[nodiscard]] Hash256 node_hash(const Hash256& left, const Hash256& right);  // SHA-256(01 ‖ left ‖ right)
// Of entries of that many bytes each, one behind another.
[[nodiscard]] std::vector<Hash256> leaf_hashes(std::string_view entries, std::size_t entry_bytes);
[[nodiscard]] Hash256 empty_root();  // SHA-256("")

struct Subtree {
  unsigned height = 0;
  std::uint64_t index = 0;
  Hash256 hash{};
};

// The right edge of a growing tree: at most one subtree for each height. A value: copy it to try something.
class Frontier {
 public:
  Frontier() = default;
  // Appends a leaf; each subtree that this completes with a height of 8, 16, … is added to `completed`.
  void append(const Hash256& leaf, std::vector<Subtree>& completed);
  // Likewise, many at once, level by level; `completed` by height.
  void append_all(std::vector<Hash256> leaves, std::vector<Subtree>& completed);
  // Puts back a subtree of a known tree: from the highest to the lowest, each height once.
  void restore(unsigned height, const Hash256& hash);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] Hash256 root() const;

 private:
  std::uint64_t size_ = 0;
  std::array<Hash256, 64> nodes_{};  // nodes_[h] counts where bit h of size_ is set
};

class SubtreeSource {
 public:
  virtual ~SubtreeSource() = default;
  // Only asked for subtrees that are complete in the tree at hand.
  [[nodiscard]] virtual absl::StatusOr<Hash256> subtree(unsigned height, std::uint64_t index) = 0;
};

// The hash over leaves [first, limit), first < limit, as the tree of RFC 6962 has it where `first` is a multiple of the
// smallest power of two >= limit − first.
[[nodiscard]] absl::StatusOr<Hash256> range_hash(SubtreeSource& source, std::uint64_t first, std::uint64_t limit);
[[nodiscard]] absl::StatusOr<Hash256> tree_root(SubtreeSource& source, std::uint64_t size);
// index < size. Hashes from the leaf's sibling up.
[[nodiscard]] absl::StatusOr<std::vector<Hash256>> make_inclusion_proof(SubtreeSource& source, std::uint64_t index, std::uint64_t size);
// old_size <= size; empty where old_size is 0 or size.
[[nodiscard]] absl::StatusOr<std::vector<Hash256>> make_consistency_proof(SubtreeSource& source, std::uint64_t old_size,
                                                                          std::uint64_t size);
// The restored right edge of the tree of this size.
[[nodiscard]] absl::StatusOr<Frontier> load_frontier(SubtreeSource& source, std::uint64_t size);

// InvalidArgument where the proof does not show it.
[[nodiscard]] absl::Status check_inclusion(const std::vector<Hash256>& proof, std::uint64_t index, std::uint64_t size, const Hash256& leaf,
                                           const Hash256& root);
[[nodiscard]] absl::Status check_consistency(const std::vector<Hash256>& proof, std::uint64_t old_size, std::uint64_t size,
                                             const Hash256& old_root, const Hash256& root);

}  // namespace bukubesar
