#include "ledger/note_text.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/bytes.h"
#include "base/status.h"

namespace bukubesar {

std::optional<std::string_view> take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return line;
}

std::optional<std::uint64_t> parse_note_number(std::string_view text) {
  std::uint64_t value = 0;
  if (text.empty() || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<Hash256> parse_note_hash(std::string_view text) {
  const auto bytes = unbase64(text);
  if (!bytes || bytes->size() != sizeof(Hash256)) return std::nullopt;
  Hash256 hash;
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

absl::StatusOr<NoteParts> split_note(std::string_view note) {
  if (note.size() > kNoteBytesMax) return invalid_argument("note: {} bytes, at most {}", note.size(), kNoteBytesMax);
  if (std::any_of(note.begin(), note.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n'; }))
    return invalid_argument("note: holds a control character");
  const std::size_t middle = note.rfind("\n\n");
  if (middle == std::string_view::npos || middle == 0) return invalid_argument("note: no empty line between text and signatures");
  const NoteParts parts{note.substr(0, middle + 1), note.substr(middle + 2)};
  if (parts.signatures.empty() || parts.signatures.back() != '\n')
    return invalid_argument("note: no signature line, or its newline is missing");
  return parts;
}

absl::StatusOr<SignatureLine> parse_signature_line(std::string_view line) {
  const std::size_t space = line.find(' ', kSignaturePrefix.size());
  if (line.substr(0, kSignaturePrefix.size()) != kSignaturePrefix || space == std::string_view::npos)
    return invalid_argument("note: '{}' is no signature line", line);
  auto bytes = unbase64(line.substr(space + 1));
  if (!bytes || bytes->size() < 5) return invalid_argument("note: the signature in '{}' is not base64", line);
  return SignatureLine{line.substr(kSignaturePrefix.size(), space - kSignaturePrefix.size()), *std::move(bytes)};
}

}  // namespace bukubesar
