// What the readers of signed notes and proofs share: lines, numbers and hashes in their one canonical form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/sha256.h"

namespace bukubesar {

inline constexpr std::size_t kNoteBytesMax = 1U << 20;
inline constexpr std::string_view kSignaturePrefix = "\u2014 ";

// The next line of `rest`, without its newline; nothing where there is no whole line.
[[nodiscard]] std::optional<std::string_view> take_line(std::string_view& rest);
// Decimal digits without a leading zero.
[[nodiscard]] std::optional<std::uint64_t> parse_note_number(std::string_view text);
// Padded standard base64 of 32 bytes.
[[nodiscard]] std::optional<Hash256> parse_note_hash(std::string_view text);

struct NoteParts {
  std::string_view text;        // with its final newline: what is signed
  std::string_view signatures;  // lines
};
// InvalidArgument where it is no signed note as a whole.
[[nodiscard]] absl::StatusOr<NoteParts> split_note(std::string_view note);

struct SignatureLine {
  std::string_view name;
  std::string bytes;  // key id and signature
};
// InvalidArgument names the line that is none.
[[nodiscard]] absl::StatusOr<SignatureLine> parse_signature_line(std::string_view line);

}  // namespace bukubesar
