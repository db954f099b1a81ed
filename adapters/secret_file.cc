#include "adapters/secret_file.h"

#include <openssl/rand.h>

#include <array>
#include <filesystem>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "base/private_file.h"
#include "base/sha256.h"
#include "base/status.h"

namespace bukubesar {

namespace {
constexpr std::size_t kSecretBytes = 32;
constexpr std::size_t kCheckDigits = 8;

std::string check_of(std::string_view secret) { return hex(as_view(sha256(secret))).substr(0, kCheckDigits); }

}  // namespace

absl::StatusOr<SecretFile> read_or_make_secret(const std::string& path) {
  auto text = read_private_file(path);
  if (text.ok()) {
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    const std::size_t space = text->find(' ');
    const auto secret = unhex(text->substr(0, space));
    if (!secret || secret->size() != kSecretBytes) return invalid_argument("{}: want one line of {} hex digits", path, 2 * kSecretBytes);
    if (space != std::string::npos && text->substr(space + 1) != check_of(*secret))
      return invalid_argument("{}: the key and the check behind it do not fit: the file has changed. Bring it back from a backup", path);
    return SecretFile{*secret, false};
  }
  if (text.status().code() != absl::StatusCode::kNotFound) return text.status();
  std::array<std::uint8_t, kSecretBytes> bytes{};
  BB_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1, "OpenSSL has random bytes");
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (!parent.empty()) RETURN_IF_ERROR(make_directories(parent));
  RETURN_IF_ERROR(write_file_durably(path, hex(as_view(bytes)) + " " + check_of(as_view(bytes)) + "\n", 0600));
  return SecretFile{std::string(as_view(bytes)), true};
}

}  // namespace bukubesar
