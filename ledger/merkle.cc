#include "ledger/merkle.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "base/sha256_many.h"
#include "base/status.h"

namespace bukubesar {

namespace {

// The largest power of two below `size`, size >= 2: where RFC 6962 splits a tree.
std::uint64_t split_of(std::uint64_t size) { return std::bit_floor(size - 1); }

// Of messages of one size, one behind another.
std::vector<Hash256> hashes_of(std::string_view messages, std::size_t message_bytes) {
  std::vector<std::string_view> each;
  each.reserve(messages.size() / message_bytes);
  for (std::size_t at = 0; at < messages.size(); at += message_bytes) each.push_back(messages.substr(at, message_bytes));
  std::vector<Hash256> hashes(each.size());
  sha256_many(each, hashes);
  return hashes;
}

// Of each two, an even number of them.
std::vector<Hash256> node_hashes(const std::vector<Hash256>& children) {
  std::string messages;
  messages.reserve(children.size() / 2 * (1 + 2 * sizeof(Hash256)));
  for (std::size_t i = 0; i < children.size(); i += 2) {
    messages += '\1';
    messages += as_view(children[i]);
    messages += as_view(children[i + 1]);
  }
  return hashes_of(messages, 1 + 2 * sizeof(Hash256));
}

}  // namespace

Hash256 leaf_hash(std::string_view entry) { return sha256_joined({std::string_view("\0", 1), entry}); }

Hash256 node_hash(const Hash256& left, const Hash256& right) { return sha256_joined({"\x01", as_view(left), as_view(right)}); }

std::vector<Hash256> leaf_hashes(std::string_view entries, std::size_t entry_bytes) {
  BB_CHECK(entry_bytes > 0 && entries.size() % entry_bytes == 0, "entries are of one size");
  std::string messages;
  messages.reserve(entries.size() / entry_bytes * (1 + entry_bytes));
  for (std::size_t at = 0; at < entries.size(); at += entry_bytes) {
    messages += '\0';
    messages += entries.substr(at, entry_bytes);
  }
  return hashes_of(messages, 1 + entry_bytes);
}

Hash256 empty_root() { return sha256(""); }

void Frontier::append(const Hash256& leaf, std::vector<Subtree>& completed) {
  Hash256 hash = leaf;
  unsigned height = 0;
  for (; (size_ >> height & 1) != 0;) {
    hash = node_hash(nodes_[height], hash);
    ++height;
    if (height % kTileHeight == 0) completed.push_back({height, size_ >> height, hash});
  }
  nodes_[height] = hash;
  ++size_;
}

void Frontier::append_all(std::vector<Hash256> leaves, std::vector<Subtree>& completed) {
  std::uint64_t first = size_;  // index of the first hash, in its level
  size_ += leaves.size();
  std::vector<Hash256> hashes = std::move(leaves);
  for (unsigned height = 0; !hashes.empty(); ++height, first /= 2) {
    if (height > 0 && height % kTileHeight == 0)
      for (std::size_t i = 0; i < hashes.size(); ++i) completed.push_back({height, first + i, hashes[i]});
    if (first % 2 != 0) {
      hashes.insert(hashes.begin(), nodes_[height]);
      --first;
    }
    if (hashes.size() % 2 != 0) {
      nodes_[height] = hashes.back();
      hashes.pop_back();
    }
    hashes = node_hashes(hashes);
  }
}

void Frontier::restore(unsigned height, const Hash256& hash) {
  BB_CHECK(height < 64 && (size_ & ((std::uint64_t{2} << height) - 1)) == 0, "subtrees are restored from the highest down");
  nodes_[height] = hash;
  size_ += std::uint64_t{1} << height;
}

Hash256 Frontier::root() const {
  if (size_ == 0) return empty_root();
  auto height = static_cast<unsigned>(std::countr_zero(size_));
  Hash256 hash = nodes_[height];
  for (++height; height < 64; ++height)
    if ((size_ >> height & 1) != 0) hash = node_hash(nodes_[height], hash);
  return hash;
}

absl::StatusOr<Hash256> range_hash(SubtreeSource& source, std::uint64_t first, std::uint64_t limit) {
  const std::uint64_t count = limit - first;
  if (std::has_single_bit(count)) {
    const auto height = static_cast<unsigned>(std::countr_zero(count));
    return source.subtree(height, first >> height);
  }
  const std::uint64_t middle = first + split_of(count);
  ASSIGN_OR_RETURN(const Hash256 left, range_hash(source, first, middle));
  ASSIGN_OR_RETURN(const Hash256 right, range_hash(source, middle, limit));
  return node_hash(left, right);
}

absl::StatusOr<Hash256> tree_root(SubtreeSource& source, std::uint64_t size) {
  if (size == 0) return empty_root();
  return range_hash(source, 0, size);
}

absl::StatusOr<std::vector<Hash256>> make_inclusion_proof(SubtreeSource& source, std::uint64_t index, std::uint64_t size) {
  // PATH(m, D[n]): down from the root, taking the other side each time.
  std::vector<Hash256> proof;
  std::uint64_t first = 0;
  std::uint64_t limit = size;
  while (limit - first > 1) {
    const std::uint64_t middle = first + split_of(limit - first);
    const bool in_left = index < middle;
    ASSIGN_OR_RETURN(Hash256 other, in_left ? range_hash(source, middle, limit) : range_hash(source, first, middle));
    proof.push_back(other);
    (in_left ? limit : first) = middle;
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::StatusOr<std::vector<Hash256>> make_consistency_proof(SubtreeSource& source, std::uint64_t old_size, std::uint64_t size) {
  // SUBPROOF(m, D[n], b), with m kept absolute: the old tree ends at old_size inside [first, limit).
  std::vector<Hash256> proof;
  if (old_size == 0 || old_size == size) return proof;
  std::uint64_t first = 0;
  std::uint64_t limit = size;
  while (limit != old_size) {
    const std::uint64_t middle = first + split_of(limit - first);
    const bool in_left = old_size <= middle;
    ASSIGN_OR_RETURN(Hash256 other, in_left ? range_hash(source, middle, limit) : range_hash(source, first, middle));
    proof.push_back(other);
    (in_left ? limit : first) = middle;
  }
  if (first != 0) {
    ASSIGN_OR_RETURN(Hash256 own, range_hash(source, first, limit));
    proof.push_back(own);
  }
  std::reverse(proof.begin(), proof.end());
  return proof;
}

absl::StatusOr<Frontier> load_frontier(SubtreeSource& source, std::uint64_t size) {
  Frontier frontier;
  for (int height = 63; height >= 0; --height) {
    const auto h = static_cast<unsigned>(height);
    if ((size >> h & 1) == 0) continue;
    ASSIGN_OR_RETURN(const Hash256 hash, source.subtree(h, (size >> h) - 1));
    frontier.restore(h, hash);
  }
  return frontier;
}

absl::Status check_inclusion(const std::vector<Hash256>& proof, std::uint64_t index, std::uint64_t size, const Hash256& leaf,
                             const Hash256& root) {
  if (index >= size) return invalid_argument("inclusion proof: index {} is not below size {}", index, size);
  std::uint64_t at = index;
  std::uint64_t last = size - 1;
  Hash256 hash = leaf;
  for (const Hash256& other : proof) {
    if (last == 0) return invalid_argument("inclusion proof: {} hashes are too many for index {} of {}", proof.size(), index, size);
    if ((at & 1) != 0 || at == last) {
      hash = node_hash(other, hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, other);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return invalid_argument("inclusion proof: {} hashes are too few for index {} of {}", proof.size(), index, size);
  if (hash != root) return invalid_argument("inclusion proof: root want {} got {}", hex(as_view(root)), hex(as_view(hash)));
  return absl::OkStatus();
}

absl::Status check_consistency(const std::vector<Hash256>& proof, std::uint64_t old_size, std::uint64_t size, const Hash256& old_root,
                               const Hash256& root) {
  if (old_size > size) return invalid_argument("consistency proof: old size {} is above size {}", old_size, size);
  if (old_size == size || old_size == 0) {
    if (!proof.empty()) return invalid_argument("consistency proof: {} hashes where none are needed", proof.size());
    if (old_size == size && old_root != root) return invalid_argument("consistency proof: two roots for size {}", size);
    if (old_size == 0 && old_root != empty_root()) return invalid_argument("consistency proof: wrong root for size 0");
    return absl::OkStatus();
  }
  // RFC 9162 §2.1.4.2: a power of two needs no hash of its own, it is the old root.
  std::vector<Hash256> path = proof;
  if (std::has_single_bit(old_size)) path.insert(path.begin(), old_root);
  if (path.empty()) return invalid_argument("consistency proof: empty");
  std::uint64_t at = old_size - 1;
  std::uint64_t last = size - 1;
  for (; (at & 1) != 0; at >>= 1) last >>= 1;
  Hash256 old_hash = path.front();
  Hash256 hash = path.front();
  for (std::size_t i = 1; i < path.size(); ++i) {
    if (last == 0) return invalid_argument("consistency proof: {} hashes are too many for {} to {}", proof.size(), old_size, size);
    if ((at & 1) != 0 || at == last) {
      old_hash = node_hash(path[i], old_hash);
      hash = node_hash(path[i], hash);
      while ((at & 1) == 0 && at != 0) {
        at >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, path[i]);
    }
    at >>= 1;
    last >>= 1;
  }
  if (last != 0) return invalid_argument("consistency proof: {} hashes are too few for {} to {}", proof.size(), old_size, size);
  if (old_hash != old_root) return invalid_argument("consistency proof: the old root is not {}", hex(as_view(old_root)));
  if (hash != root) return invalid_argument("consistency proof: the root is not {}", hex(as_view(root)));
  return absl::OkStatus();
}

}  // namespace bukubesar
