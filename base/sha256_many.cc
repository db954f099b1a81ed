#include "base/sha256_many.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "base/sha256_padding.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bukubesar {

namespace {

#if defined(__x86_64__)

// The functions that hold vectors; the rest of the program runs on any processor.
#define BUKUBESAR_AVX512 __attribute__((target("avx512f,avx512bw")))
#define BUKUBESAR_AVX512_INLINE BUKUBESAR_AVX512 __attribute__((always_inline)) inline

constexpr std::size_t kLanes = 16;
constexpr std::size_t kBlockBytes = kSha256BlockBytes;
// A step of all lanes takes as long as seven or eight blocks by the processor's own SHA instructions.
constexpr std::size_t kFewest = 8;

// FIPS 180-4, 5.3.3 and 4.2.2.
constexpr std::array<std::uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
constexpr std::array<std::uint32_t, 64> kConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct State {
  alignas(64) std::uint32_t words[8][kLanes];  // words[i][lane]
};

// Rows of four lanes become columns, within each 128 bits.
BUKUBESAR_AVX512_INLINE void transpose_rows(__m512i& a, __m512i& b, __m512i& c, __m512i& d) {
  const __m512i ab = _mm512_unpacklo_epi32(a, b);
  const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd = _mm512_unpacklo_epi32(c, d);
  const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
  a = _mm512_unpacklo_epi64(ab, cd);
  b = _mm512_unpackhi_epi64(ab, cd);
  c = _mm512_unpacklo_epi64(ab_high, cd_high);
  d = _mm512_unpackhi_epi64(ab_high, cd_high);
}

// The same for whole 128 bits.
BUKUBESAR_AVX512_INLINE void transpose_quarters(__m512i& a, __m512i& b, __m512i& c, __m512i& d) {
  const __m512i ab = _mm512_shuffle_i32x4(a, b, 0x44);
  const __m512i cd = _mm512_shuffle_i32x4(c, d, 0x44);
  const __m512i ab_high = _mm512_shuffle_i32x4(a, b, 0xEE);
  const __m512i cd_high = _mm512_shuffle_i32x4(c, d, 0xEE);
  a = _mm512_shuffle_i32x4(ab, cd, 0x88);
  b = _mm512_shuffle_i32x4(ab, cd, 0xDD);
  c = _mm512_shuffle_i32x4(ab_high, cd_high, 0x88);
  d = _mm512_shuffle_i32x4(ab_high, cd_high, 0xDD);
}

BUKUBESAR_AVX512_INLINE __m512i load_block(const char* block) {
  const __m512i big_endian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  return _mm512_shuffle_epi8(_mm512_loadu_si512(block), big_endian);
}

BUKUBESAR_AVX512_INLINE __m512i exclusive_or(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi32(a, b, c, 0x96); }

// 6.2.2, step 3; with the names turned from round to round, instead of the values.
BUKUBESAR_AVX512_INLINE void round_of(__m512i a, __m512i b, __m512i c, __m512i& d, __m512i e, __m512i f, __m512i g, __m512i& h,
                                      __m512i word, std::uint32_t constant) {
  const __m512i sum_e = exclusive_or(_mm512_ror_epi32(e, 6), _mm512_ror_epi32(e, 11), _mm512_ror_epi32(e, 25));
  const __m512i choice = _mm512_ternarylogic_epi32(e, f, g, 0xCA);
  const __m512i ahead = _mm512_add_epi32(_mm512_add_epi32(h, word), _mm512_set1_epi32(static_cast<int>(constant)));
  const __m512i first = _mm512_add_epi32(_mm512_add_epi32(ahead, choice), sum_e);
  const __m512i sum_a = exclusive_or(_mm512_ror_epi32(a, 2), _mm512_ror_epi32(a, 13), _mm512_ror_epi32(a, 22));
  const __m512i majority = _mm512_ternarylogic_epi32(a, b, c, 0xE8);
  d = _mm512_add_epi32(d, first);
  h = _mm512_add_epi32(first, _mm512_add_epi32(sum_a, majority));
}

// 6.2.2, step 1: the word sixteen rounds on.
BUKUBESAR_AVX512_INLINE void next_word(__m512i& word, __m512i after_1, __m512i after_9, __m512i after_14) {
  const __m512i sigma_0 = exclusive_or(_mm512_ror_epi32(after_1, 7), _mm512_ror_epi32(after_1, 18), _mm512_srli_epi32(after_1, 3));
  const __m512i sigma_1 = exclusive_or(_mm512_ror_epi32(after_14, 17), _mm512_ror_epi32(after_14, 19), _mm512_srli_epi32(after_14, 10));
  word = _mm512_add_epi32(_mm512_add_epi32(word, sigma_0), _mm512_add_epi32(after_9, sigma_1));
}

// One block of each lane.
BUKUBESAR_AVX512 void compress(State& state, const std::array<const char*, kLanes>& blocks) {
  __m512i w0 = load_block(blocks[0]), w1 = load_block(blocks[1]), w2 = load_block(blocks[2]), w3 = load_block(blocks[3]);
  __m512i w4 = load_block(blocks[4]), w5 = load_block(blocks[5]), w6 = load_block(blocks[6]), w7 = load_block(blocks[7]);
  __m512i w8 = load_block(blocks[8]), w9 = load_block(blocks[9]), w10 = load_block(blocks[10]), w11 = load_block(blocks[11]);
  __m512i w12 = load_block(blocks[12]), w13 = load_block(blocks[13]), w14 = load_block(blocks[14]), w15 = load_block(blocks[15]);
  transpose_rows(w0, w1, w2, w3);
  transpose_rows(w4, w5, w6, w7);
  transpose_rows(w8, w9, w10, w11);
  transpose_rows(w12, w13, w14, w15);
  transpose_quarters(w0, w4, w8, w12);
  transpose_quarters(w1, w5, w9, w13);
  transpose_quarters(w2, w6, w10, w14);
  transpose_quarters(w3, w7, w11, w15);

  __m512i a = _mm512_load_si512(state.words[0]), b = _mm512_load_si512(state.words[1]), c = _mm512_load_si512(state.words[2]);
  __m512i d = _mm512_load_si512(state.words[3]), e = _mm512_load_si512(state.words[4]), f = _mm512_load_si512(state.words[5]);
  __m512i g = _mm512_load_si512(state.words[6]), h = _mm512_load_si512(state.words[7]);
  for (std::size_t at = 0;; at += 16) {
    const std::uint32_t* k = kConstants.data() + at;
    round_of(a, b, c, d, e, f, g, h, w0, k[0]);
    round_of(h, a, b, c, d, e, f, g, w1, k[1]);
    round_of(g, h, a, b, c, d, e, f, w2, k[2]);
    round_of(f, g, h, a, b, c, d, e, w3, k[3]);
    round_of(e, f, g, h, a, b, c, d, w4, k[4]);
    round_of(d, e, f, g, h, a, b, c, w5, k[5]);
    round_of(c, d, e, f, g, h, a, b, w6, k[6]);
    round_of(b, c, d, e, f, g, h, a, w7, k[7]);
    round_of(a, b, c, d, e, f, g, h, w8, k[8]);
    round_of(h, a, b, c, d, e, f, g, w9, k[9]);
    round_of(g, h, a, b, c, d, e, f, w10, k[10]);
    round_of(f, g, h, a, b, c, d, e, w11, k[11]);
    round_of(e, f, g, h, a, b, c, d, w12, k[12]);
    round_of(d, e, f, g, h, a, b, c, w13, k[13]);
    round_of(c, d, e, f, g, h, a, b, w14, k[14]);
    round_of(b, c, d, e, f, g, h, a, w15, k[15]);
    if (at == 48) break;
    next_word(w0, w1, w9, w14);
    next_word(w1, w2, w10, w15);
    next_word(w2, w3, w11, w0);
    next_word(w3, w4, w12, w1);
    next_word(w4, w5, w13, w2);
    next_word(w5, w6, w14, w3);
    next_word(w6, w7, w15, w4);
    next_word(w7, w8, w0, w5);
    next_word(w8, w9, w1, w6);
    next_word(w9, w10, w2, w7);
    next_word(w10, w11, w3, w8);
    next_word(w11, w12, w4, w9);
    next_word(w12, w13, w5, w10);
    next_word(w13, w14, w6, w11);
    next_word(w14, w15, w7, w12);
    next_word(w15, w0, w8, w13);
  }
  _mm512_store_si512(state.words[0], _mm512_add_epi32(a, _mm512_load_si512(state.words[0])));
  _mm512_store_si512(state.words[1], _mm512_add_epi32(b, _mm512_load_si512(state.words[1])));
  _mm512_store_si512(state.words[2], _mm512_add_epi32(c, _mm512_load_si512(state.words[2])));
  _mm512_store_si512(state.words[3], _mm512_add_epi32(d, _mm512_load_si512(state.words[3])));
  _mm512_store_si512(state.words[4], _mm512_add_epi32(e, _mm512_load_si512(state.words[4])));
  _mm512_store_si512(state.words[5], _mm512_add_epi32(f, _mm512_load_si512(state.words[5])));
  _mm512_store_si512(state.words[6], _mm512_add_epi32(g, _mm512_load_si512(state.words[6])));
  _mm512_store_si512(state.words[7], _mm512_add_epi32(h, _mm512_load_si512(state.words[7])));
}

bool has_lanes() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
  return has;
}

// What is left of a message behind its whole blocks, padded: one block or two.
struct Tail {
  char bytes[2 * kBlockBytes];
  std::size_t blocks;

  void set(std::string_view message) {
    const std::size_t rest = message.size() % kBlockBytes;
    if (rest > 0) std::memcpy(bytes, message.data() + message.size() - rest, rest);
    blocks = sha256_pad(bytes, rest, message.size()) / kBlockBytes;
  }
};

std::size_t blocks_of(std::string_view message) { return message.size() / kBlockBytes + 1; }

// The longest first, so that lanes end together.
std::vector<std::uint32_t> by_length(std::span<const std::string_view> messages) {
  std::vector<std::uint32_t> order(messages.size());
  bool differ = false;
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[i] = static_cast<std::uint32_t>(i);
    differ = differ || blocks_of(messages[i]) != blocks_of(messages[0]);
  }
  if (differ)
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return blocks_of(messages[a]) > blocks_of(messages[b]); });
  return order;
}

// Each lane goes through one message after another; one without any works on what it had last, which nobody reads.
class LaneHasher {
 public:
  LaneHasher(std::span<const std::string_view> messages, std::span<Hash256> hashes)
      : messages_(messages), hashes_(hashes), order_(by_length(messages)) {
    hash_long_ones();
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(lane);
  }

  void run() {
    while (busy_ > 0) {
      compress(state_, at_);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        at_[lane] += step_[lane];
        if (--left_[lane] == 0) end_part(lane);
      }
    }
  }

 private:
  // Those for whose ends all other lanes would wait, each alone: one of a megabyte among small ones would cost eight times its own blocks.
  void hash_long_ones() {
    std::size_t blocks = 0;
    for (const std::string_view message : messages_) blocks += blocks_of(message);
    for (; taken_ < order_.size(); ++taken_) {
      const std::string_view longest = messages_[order_[taken_]];
      if (blocks_of(longest) * kFewest <= blocks) return;
      hashes_[order_[taken_]] = sha256(longest);
      blocks -= blocks_of(longest);
    }
  }

  void take(std::size_t lane) {
    if (taken_ == order_.size()) {
      at_[lane] = tails_[lane].bytes;
      step_[lane] = 0;
      left_[lane] = std::numeric_limits<std::size_t>::max();
      return;
    }
    ++busy_;
    message_[lane] = order_[taken_++];
    const std::string_view message = messages_[message_[lane]];
    for (std::size_t i = 0; i < kInitial.size(); ++i) state_.words[i][lane] = kInitial[i];
    tails_[lane].set(message);
    step_[lane] = kBlockBytes;
    at_[lane] = message.data();
    left_[lane] = message.size() / kBlockBytes;
    in_tail_[lane] = false;
    if (left_[lane] == 0) end_part(lane);
  }

  void end_part(std::size_t lane) {
    if (!in_tail_[lane]) {
      in_tail_[lane] = true;
      at_[lane] = tails_[lane].bytes;
      left_[lane] = tails_[lane].blocks;
      return;
    }
    Hash256& hash = hashes_[message_[lane]];
    for (std::size_t i = 0; i < kInitial.size(); ++i) store_be(hash.data() + 4 * i, state_.words[i][lane]);
    --busy_;
    take(lane);
  }

  const std::span<const std::string_view> messages_;
  const std::span<Hash256> hashes_;
  const std::vector<std::uint32_t> order_;
  std::size_t taken_ = 0, busy_ = 0;
  State state_{};
  std::array<const char*, kLanes> at_{};
  std::array<std::size_t, kLanes> step_{}, left_{};
  std::array<std::uint32_t, kLanes> message_{};
  std::array<bool, kLanes> in_tail_{};
  std::array<Tail, kLanes> tails_{};
};

#endif

}  // namespace

void sha256_many(std::span<const std::string_view> messages, std::span<Hash256> hashes) {
  BB_CHECK(messages.size() == hashes.size(), "each message has its place");
#if defined(__x86_64__)
  if (messages.size() >= kFewest && has_lanes()) return LaneHasher(messages, hashes).run();
#endif
  for (std::size_t i = 0; i < messages.size(); ++i) hashes[i] = sha256(messages[i]);
}

}  // namespace bukubesar
