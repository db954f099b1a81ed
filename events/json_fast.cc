// simdjson's first stage finds every structural character, checks UTF-8, control characters and quotes, many bytes at a time. The walk
// over its index is ours: On-Demand does not validate what it skips, the DOM copies all text and refuses a document for one
// huge number, and neither reports doubled members.
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "events/json.h"

namespace bukubesar {

namespace {

constexpr std::size_t kFirstCapacity = 16 * 1024;
// Up to here a doubled member is looked for as members come, behind a small filter; larger objects are sorted when they close.
constexpr std::uint32_t kMembersScannedMax = 48;

constexpr bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

struct Open {
  std::uint64_t seen = 0;  // filter of member names
  std::uint32_t index = 0;
  std::uint32_t members = 0;
  bool is_object = false;
};

struct Key {
  const char* at = nullptr;
  std::uint64_t word = 0;
  std::uint32_t size = 0;
};

class Walk {
 public:
  // `padded` holds the same bytes as `json`, followed by zeros, so that looking at the end is allowed and finds nothing.
  Walk(const char* padded, std::string_view json, const std::uint32_t* tokens, Arena& arena, JsonTree& tree,
       std::vector<std::string_view>& names)
      : padded_(padded),
        json_(json),
        tokens_(tokens),
        arena_(arena),
        tree_(tree),
        names_(names),
        has_escapes_(std::memchr(json.data(), '\\', json.size()) != nullptr) {}

  bool run(std::size_t token_count) {
    tree_.clear();
    tree_.reserve(token_count);  // a value has a token at least
    if (!value(Key{})) return false;
    while (depth_ > 0) {
      if (!step()) return false;
    }
    return at_ == token_count;
  }

 private:
  [[nodiscard]] char peek() const { return padded_[tokens_[at_]]; }

  // From a token's first byte to the next token, without the white space between.
  [[nodiscard]] std::string_view token() const {
    const std::uint32_t from = tokens_[at_];
    std::uint32_t to = tokens_[at_ + 1];
    while (to > from && is_space(padded_[to - 1])) --to;
    return json_.substr(from, to - from);
  }

  bool text(std::string_view& to) {
    const std::string_view quoted = token();
    if (quoted.size() < 2 || quoted.front() != '"' || quoted.back() != '"') return false;
    to = quoted.substr(1, quoted.size() - 2);
    if (has_escapes_ && std::memchr(to.data(), '\\', to.size()) != nullptr) {
      std::size_t at = 0;
      if (unescape_json(to, arena_, to, at) != Unescaped::ok) return false;
    }
    ++at_;
    return true;
  }

  // One member or element of the innermost container, or its end.
  bool step() {
    Open& open = open_[depth_ - 1];
    const bool first = tree_.size() == open.index + 1;
    const char c = peek();
    if (c == (open.is_object ? '}' : ']')) return close();
    if (!first) {
      if (c != ',') return false;
      ++at_;
    }
    if (!open.is_object) return value(Key{});
    std::string_view name;
    if (!text(name)) return false;
    if (peek() != ':') return false;
    ++at_;
    const Key key{name.data(), json_word(name), static_cast<std::uint32_t>(name.size())};
    if (is_doubled(open, key)) return false;
    ++open.members;
    return value(key);
  }

  bool is_doubled(Open& open, const Key& key) {
    if (open.members >= kMembersScannedMax) return false;  // close() looks
    const std::uint64_t bit = std::uint64_t{1} << ((key.word * 0x9E3779B97F4A7C15ULL) >> 58);
    if ((open.seen & bit) == 0) {
      open.seen |= bit;
      return false;
    }
    for (std::size_t i = open.index + 1; i < tree_.size(); i = tree_[i].end) {
      if (equal_texts(tree_[i].key(), tree_[i].key_word, {key.at, key.size}, key.word)) return true;
    }
    return false;
  }

  bool close() {
    const Open& open = open_[--depth_];
    JsonValue& value = tree_[open.index];
    value.end = static_cast<std::uint32_t>(tree_.size());
    value.text_size = static_cast<std::uint32_t>(json_.data() + tokens_[at_] + 1 - value.text_at);
    ++at_;
    return open.members <= kMembersScannedMax || !has_doubled(open.index);
  }

  bool has_doubled(std::uint32_t index) {
    names_.clear();
    for (std::uint32_t i = index + 1; i < tree_[index].end; i = tree_[i].end) names_.push_back(tree_[i].key());
    std::sort(names_.begin(), names_.end());
    return std::adjacent_find(names_.begin(), names_.end()) != names_.end();
  }

  bool value(const Key& key) {
    const char c = peek();
    std::string_view content;
    JsonKind kind = JsonKind::string;
    if (c == '"') {
      if (!text(content)) return false;
    } else if (c == '{' || c == '[') {
      if (depth_ == kJsonDepthMax) return false;
      kind = c == '{' ? JsonKind::object : JsonKind::array;
      content = json_.substr(tokens_[at_], 1);  // close() completes it
      Open& open = open_[depth_++];
      open.seen = 0;
      open.index = static_cast<std::uint32_t>(tree_.size());
      open.members = 0;
      open.is_object = c == '{';
      ++at_;
    } else {
      content = token();
      if (!word(content, kind)) return false;
      ++at_;
    }
    JsonValue& made = tree_.add();
    made.key_at = key.at;
    made.text_at = content.data();
    made.key_word = key.word;
    made.key_size = key.size;
    made.text_size = static_cast<std::uint32_t>(content.size());
    made.end = static_cast<std::uint32_t>(tree_.size());
    made.kind = kind;
    return true;
  }

  static bool word(std::string_view content, JsonKind& kind) {
    if (is_json_number(content)) {
      kind = JsonKind::number;
    } else if (content == "null") {
      kind = JsonKind::null;
    } else if (content == "true") {
      kind = JsonKind::boolean_true;
    } else if (content == "false") {
      kind = JsonKind::boolean_false;
    } else {
      return false;
    }
    return true;
  }

  const char* padded_;
  std::string_view json_;
  const std::uint32_t* tokens_;
  std::size_t at_ = 0;
  Arena& arena_;
  JsonTree& tree_;
  std::vector<std::string_view>& names_;
  bool has_escapes_;
  std::size_t depth_ = 0;
  std::array<Open, kJsonDepthMax> open_;
};

}  // namespace

struct FastJsonReader::Impl {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::vector<char> padded;
  std::vector<std::string_view> names;

  bool reserve(std::size_t bytes) {
    if (padded.size() >= bytes + simdjson::SIMDJSON_PADDING) return true;
    const std::size_t capacity = std::max(kFirstCapacity, bytes + bytes / 2);
    parser.reset();
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, kJsonDepthMax, parser) != simdjson::SUCCESS)
      return false;
    padded.resize(capacity + simdjson::SIMDJSON_PADDING);
    return true;
  }
};

FastJsonReader::FastJsonReader() : impl_(std::make_unique<Impl>()) {}
FastJsonReader::~FastJsonReader() = default;
FastJsonReader::FastJsonReader(FastJsonReader&&) noexcept = default;

bool FastJsonReader::read(std::string_view json, Arena& arena, JsonTree& to) {
  // Offsets are 32 bits wide; payloads are far smaller.
  if (json.empty() || json.size() > (1U << 30) || !impl_->reserve(json.size())) return false;
  std::memcpy(impl_->padded.data(), json.data(), json.size());
  std::memset(impl_->padded.data() + json.size(), 0, simdjson::SIMDJSON_PADDING);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(impl_->padded.data());
  if (impl_->parser->stage1(bytes, json.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) return false;
  const std::size_t token_count = impl_->parser->n_structural_indexes;
  const std::uint32_t* tokens = impl_->parser->structural_indexes.get();
  BB_CHECK(tokens[token_count] == json.size(), "simdjson ends its index with the size");
  return Walk(impl_->padded.data(), json, tokens, arena, to, impl_->names).run(token_count);
}

}  // namespace bukubesar
