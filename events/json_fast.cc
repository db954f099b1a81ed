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
  std::uint64_t seen;  // filter of member names
  std::uint32_t index;
  std::uint32_t members;
  bool is_object;
};

struct Key {
  const char* at = nullptr;
  std::uint64_t word = 0;
  std::uint32_t size = 0;
};

// One walk over the tokens of one document. Small functions, always inlined into run(): what they share then lives in registers.
class Walk {
 public:
  // `padded` holds the same bytes as `json`, followed by zeros, so that looking at the end is allowed and finds nothing.
  Walk(const char* padded, std::string_view json, const std::uint32_t* tokens, Arena& arena, JsonTree& tree,
       std::vector<std::string_view>& names)
      : padded_(padded),
        json_(json.data()),
        token_(tokens),
        arena_(arena),
        values_(tree.data()),
        names_(names),
        has_escapes_(std::memchr(json.data(), '\\', json.size()) != nullptr) {}

  // How many values the document has; 0 where this path does not accept it.
  std::size_t run(const std::uint32_t* tokens_end) {
    if (!value(Key{})) return 0;
    while (depth_ > 0) {
      if (!step()) return 0;
    }
    return token_ == tokens_end ? size_ : 0;
  }

 private:
  [[gnu::always_inline]] char peek() const { return padded_[*token_]; }

  // Where the token ends: at the next one, or before the white space in front of that.
  [[gnu::always_inline]] std::uint32_t token_end() const {
    std::uint32_t end = token_[1];
    while (end > *token_ && is_space(padded_[end - 1])) --end;
    return end;
  }

  // A string's content, as an offset from the document's start: simdjson has paired the quotes, so that the token's last byte is the
  // closing one or something that does not belong there.
  [[gnu::always_inline]] bool quoted(std::uint32_t& from, std::uint32_t& size) {
    from = *token_ + 1;
    std::uint32_t end = token_[1];
    if (padded_[end - 1] != '"') end = token_end();
    if (end <= from || padded_[end - 1] != '"') return false;
    size = end - 1 - from;
    ++token_;
    return true;
  }

  [[gnu::noinline]] bool unescape(std::string_view& text) {
    if (std::memchr(text.data(), '\\', text.size()) == nullptr) return true;
    std::size_t at = 0;
    return unescape_json(text, arena_, text, at) == Unescaped::ok;
  }

  // One member or element of the innermost container, or its end.
  [[gnu::always_inline]] bool step() {
    Open& open = open_[depth_ - 1];
    const char c = peek();
    if (c == (open.is_object ? '}' : ']')) return close();
    if (size_ != open.index + 1) {
      if (c != ',') return false;
      ++token_;
    }
    if (!open.is_object) return value(Key{});
    Key key;
    if (peek() != '"' || !name(key) || peek() != ':') return false;
    ++token_;
    if (is_doubled(open, key)) return false;
    ++open.members;
    return value(key);
  }

  [[gnu::always_inline]] bool name(Key& key) {
    std::uint32_t from = 0;
    if (!quoted(from, key.size)) return false;
    key.at = json_ + from;
    if (has_escapes_) {
      std::string_view text(key.at, key.size);
      if (!unescape(text)) return false;
      key = {text.data(), json_word(text), static_cast<std::uint32_t>(text.size())};
      return true;
    }
    std::memcpy(&key.word, padded_ + from, 8);  // the padding allows it
    if (key.size < 8) key.word &= (std::uint64_t{1} << (8 * key.size)) - 1;
    return true;
  }

  [[gnu::always_inline]] bool is_doubled(Open& open, const Key& key) {
    if (open.members >= kMembersScannedMax) return false;  // close() looks
    const std::uint64_t bit = std::uint64_t{1} << (((key.word + key.size) * 0x9E3779B97F4A7C15ULL) >> 58);
    const bool is_new = (open.seen & bit) == 0;
    open.seen |= bit;
    return !is_new && is_among(open.index, key);
  }

  [[gnu::noinline]] bool is_among(std::uint32_t index, const Key& key) const {
    for (std::size_t i = index + 1; i < size_; i = values_[i].end) {
      if (equal_texts(values_[i].key(), values_[i].key_word, {key.at, key.size}, key.word)) return true;
    }
    return false;
  }

  [[gnu::always_inline]] bool close() {
    const Open& open = open_[--depth_];
    JsonValue& value = values_[open.index];
    value.end = static_cast<std::uint32_t>(size_);
    value.text_size = static_cast<std::uint32_t>(json_ + *token_ + 1 - value.text_at);
    ++token_;
    return open.members <= kMembersScannedMax || !has_doubled(open.index);
  }

  [[gnu::noinline]] bool has_doubled(std::uint32_t index) {
    names_.clear();
    for (std::uint32_t i = index + 1; i < values_[index].end; i = values_[i].end) names_.push_back(values_[i].key());
    std::sort(names_.begin(), names_.end());
    return std::adjacent_find(names_.begin(), names_.end()) != names_.end();
  }

  [[gnu::always_inline]] bool value(const Key& key) {
    JsonValue& made = values_[size_];
    made.key_at = key.at;
    made.key_word = key.word;
    made.key_size = key.size;
    made.end = static_cast<std::uint32_t>(size_ + 1);
    const char c = peek();
    if (c == '"') {
      std::uint32_t from = 0;
      std::uint32_t size = 0;
      if (!quoted(from, size)) return false;
      std::string_view text(json_ + from, size);
      if (has_escapes_ && !unescape(text)) return false;
      made.kind = JsonKind::string;
      made.text_at = text.data();
      made.text_size = static_cast<std::uint32_t>(text.size());
    } else if (c == '{' || c == '[') {
      if (depth_ == kJsonDepthMax) return false;
      made.kind = c == '{' ? JsonKind::object : JsonKind::array;
      made.text_at = json_ + *token_++;  // close() sets size and end
      open_[depth_++] = {0, static_cast<std::uint32_t>(size_), 0, c == '{'};
    } else {
      const std::string_view text(json_ + *token_, token_end() - *token_);
      if (!word(text, made.kind)) return false;
      made.text_at = text.data();
      made.text_size = static_cast<std::uint32_t>(text.size());
      ++token_;
    }
    ++size_;
    return true;
  }

  [[gnu::noinline]] static bool word(std::string_view content, JsonKind& kind) {
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

  const char* const padded_;
  const char* const json_;
  const std::uint32_t* token_;
  std::size_t size_ = 0;
  std::size_t depth_ = 0;
  Arena& arena_;
  JsonValue* const values_;
  std::vector<std::string_view>& names_;
  const bool has_escapes_;
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
  to.clear();
  to.reserve(token_count + 1);  // a value has a token at least; one more is begun where the document ends too soon
  const std::size_t size = Walk(impl_->padded.data(), json, tokens, arena, to, impl_->names).run(tokens + token_count);
  to.set_size(size);
  return size > 0;
}

}  // namespace bukubesar
