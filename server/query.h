// Query: the parameters of one request. Unknown, doubled and malformed ones are errors that name what is known.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace bukubesar {

// One pass over %XX; nothing where an escape is malformed. plus_is_space: form encoding, as in query strings.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
class Query {
 public:
  static absl::StatusOr<Query> parse(std::string_view raw, const std::vector<std::string_view>& known);
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const { return values_; }
  [[nodiscard]] bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  // Empty where it is absent.
  [[nodiscard]] std::string_view text(std::string_view name) const;
  // "a,b" → a, b. A comma or backslash inside of a value has a backslash before it.
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  [[nodiscard]] absl::StatusOr<std::optional<std::uint64_t>> number(std::string_view name) const;
  // 1 … most; `usual` where it is absent.
  [[nodiscard]] absl::StatusOr<std::size_t> limit(std::size_t usual, std::size_t most) const;
  // "true"/"1" or "false"/"0"; false where it is absent.
  [[nodiscard]] absl::StatusOr<bool> flag(std::string_view name) const;

 private:
  std::map<std::string, std::string, std::less<>> values_;
};

// Decimal digits, no sign, no leading zero.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view digits);

}  // namespace bukubesar
