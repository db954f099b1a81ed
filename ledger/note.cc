#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status.h"
#include "ledger/note_text.h"
#include "ledger/signer.h"

namespace bukubesar {

namespace {

constexpr std::string_view kSeedHeader = "bukubesar signing seed 1\n";
constexpr std::size_t kSeedBytes = 32;
constexpr std::size_t kPublicKeyBytes = 32;
constexpr std::size_t kSignatureBytes = 64;
constexpr char kEd25519Type = 1;
constexpr char kCosignatureType = 4;
constexpr std::size_t kTimeBytes = 8;  // before the signature, in a cosignature

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct ContextDeleter {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Context = std::unique_ptr<EVP_MD_CTX, ContextDeleter>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string key_id(std::string_view name, char type, std::string_view public_key) {
  Sha256 hasher;
  const Hash256 hash = hasher.update(name).update("\n").update({&type, 1}).update(public_key).finish();
  return std::string(as_view(hash).substr(0, 4));
}

struct VerifierKey {
  std::string name, id, public_key;
  char type = kEd25519Type;
};

absl::StatusOr<VerifierKey> parse_verifier_key(std::string_view text) {
  const std::size_t first = text.find('+');
  const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos || first == 0) return invalid_argument("verifier key '{}' is not name+id+key", text);
  VerifierKey key;
  key.name = std::string(text.substr(0, first));
  const auto id = unhex(text.substr(first + 1, second - first - 1));
  const auto data = unbase64(text.substr(second + 1));
  if (!id || id->size() != 4) return invalid_argument("verifier key '{}': the key id is not 8 hex digits", text);
  if (!data || data->size() != 1 + kPublicKeyBytes || (data->front() != kEd25519Type && data->front() != kCosignatureType))
    return invalid_argument("verifier key '{}' holds no Ed25519 key of a log or a witness", text);
  key.id = *id;
  key.type = data->front();
  key.public_key = data->substr(1);
  if (key_id(key.name, key.type, key.public_key) != key.id)
    return invalid_argument("verifier key '{}': the key id does not fit the key", text);
  return key;
}

bool ed25519_holds(std::string_view public_key, std::string_view message, std::string_view signature) {
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key), public_key.size()));
  const Context context(EVP_MD_CTX_new());
  return key != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
}

// What a witness signs: the time, then the whole text of the note (C2SP tlog-cosignature v1).
std::string cosigned_message(std::uint64_t time_s, std::string_view note_text) {
  return fmt::format("cosignature/v1\ntime {}\n{}", time_s, note_text);
}

// bytes: what follows the key id in a signature line.
bool signature_holds(const VerifierKey& key, std::string_view note_text, std::string_view bytes) {
  if (key.type == kEd25519Type) return bytes.size() == kSignatureBytes && ed25519_holds(key.public_key, note_text, bytes);
  if (bytes.size() != kTimeBytes + kSignatureBytes) return false;
  return ed25519_holds(key.public_key, cosigned_message(load_be<std::uint64_t>(bytes.data()), note_text), bytes.substr(kTimeBytes));
}

}  // namespace

struct SigningKeys::Impl {
  std::array<std::uint8_t, kSeedBytes> seed{};
  ~Impl() { OPENSSL_cleanse(seed.data(), seed.size()); }

  [[nodiscard]] Key key_of(std::string_view origin) const {
    Hash256 secret = hmac_sha256(as_view(seed), fmt::format("bukubesar signing key\n{}", origin));
    Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, secret.data(), secret.size()));
    OPENSSL_cleanse(secret.data(), secret.size());
    BB_CHECK(key != nullptr, "OpenSSL offers Ed25519");
    return key;
  }
  [[nodiscard]] std::string verifier_key(std::string_view name, char type) const;
  [[nodiscard]] std::string signature_of(std::string_view name, std::string_view message) const;
};

namespace {

std::string public_key_of(const Key& key) {
  std::string bytes(kPublicKeyBytes, '\0');
  std::size_t size = bytes.size();
  BB_CHECK(EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size) == 1 && size == kPublicKeyBytes,
           "an Ed25519 key has 32 public bytes");
  return bytes;
}

}  // namespace

SigningKeys::SigningKeys(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKeys::~SigningKeys() = default;
SigningKeys::SigningKeys(SigningKeys&&) noexcept = default;
SigningKeys& SigningKeys::operator=(SigningKeys&&) noexcept = default;

absl::Status SigningKeys::create(const std::string& path) {
  std::array<std::uint8_t, kSeedBytes> seed;
  if (RAND_bytes(seed.data(), static_cast<int>(seed.size())) != 1) return unavailable("make key {}: no randomness", path);
  std::string content = fmt::format("{}{}\n", kSeedHeader, base64(as_view(seed)));
  OPENSSL_cleanse(seed.data(), seed.size());
  // O_EXCL, so that two makers cannot both believe their key is the one.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) {
    const int error = errno;
    if (error == EEXIST) return failed_precondition("make key {}: the file exists; a key is never overwritten", path);
    return unavailable("make key {}: {}", path, std::strerror(error));
  }
  const ssize_t written = ::write(fd, content.data(), content.size());
  const bool stored = written == static_cast<ssize_t>(content.size()) && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  OPENSSL_cleanse(content.data(), content.size());
  if (!stored) {
    ::unlink(path.c_str());
    return unavailable("write key {}: {}", path, std::strerror(error));
  }
  const std::size_t slash = path.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

absl::StatusOr<SigningKeys> SigningKeys::load(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    const int error = errno;
    if (error == ENOENT) return not_found("key {} does not exist; make it with: bukubesar key new", path);
    return unavailable("key {}: {}", path, std::strerror(error));
  }
  if ((info.st_mode & 077) != 0)
    return failed_precondition("key {} has mode {:04o}: others may read or change it; chmod 600 it, or make a new one if they did", path,
                               info.st_mode & 07777);
  ASSIGN_OR_RETURN(std::string content, read_file(path));
  const bool has_header =
      content.size() > kSeedHeader.size() && content.back() == '\n' && content.compare(0, kSeedHeader.size(), kSeedHeader) == 0;
  auto seed =
      has_header ? unbase64(std::string_view(content).substr(kSeedHeader.size(), content.size() - kSeedHeader.size() - 1)) : std::nullopt;
  OPENSSL_cleanse(content.data(), content.size());
  if (!seed || seed->size() != kSeedBytes) return invalid_argument("key {} is not a bukubesar signing seed", path);
  SigningKeys keys = of_seed(*seed);
  OPENSSL_cleanse(seed->data(), seed->size());
  return keys;
}

SigningKeys SigningKeys::of_seed(std::string_view seed) {
  BB_CHECK(seed.size() == kSeedBytes, "a seed has 32 bytes");
  auto impl = std::make_unique<Impl>();
  std::memcpy(impl->seed.data(), seed.data(), seed.size());
  return SigningKeys(std::move(impl));
}

std::string SigningKeys::Impl::verifier_key(std::string_view name, char type) const {
  const std::string public_key = public_key_of(key_of(name));
  return fmt::format("{}+{}+{}", name, hex(key_id(name, type, public_key)), base64(std::string(1, type) + public_key));
}

std::string SigningKeys::Impl::signature_of(std::string_view name, std::string_view message) const {
  const Key key = key_of(name);
  const Context context(EVP_MD_CTX_new());
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  BB_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1, "Ed25519 starts");
  BB_CHECK(
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes_of(message), message.size()) == 1 &&
          size == kSignatureBytes,
      "Ed25519 signs any bytes");
  return signature;
}

std::string SigningKeys::verifier_key(std::string_view origin) const { return impl_->verifier_key(origin, kEd25519Type); }
std::string SigningKeys::cosigner_key(std::string_view name) const { return impl_->verifier_key(name, kCosignatureType); }

std::string SigningKeys::sign_note(std::string_view origin, std::string_view text) const {
  BB_CHECK(!text.empty() && text.back() == '\n', "a note's text ends in a newline");
  const std::string id = key_id(origin, kEd25519Type, public_key_of(impl_->key_of(origin)));
  return fmt::format("{}\n{}{} {}\n", text, kSignaturePrefix, origin, base64(id + impl_->signature_of(origin, text)));
}

std::string SigningKeys::cosignature_line(std::string_view name, std::string_view text, std::uint64_t time_s) const {
  std::string bytes = key_id(name, kCosignatureType, public_key_of(impl_->key_of(name)));
  append_be(bytes, time_s);
  bytes += impl_->signature_of(name, cosigned_message(time_s, text));
  return fmt::format("{}{} {}\n", kSignaturePrefix, name, base64(bytes));
}

std::string checkpoint_text(std::string_view origin, std::uint64_t size, const Hash256& root) {
  return fmt::format("{}\n{}\n{}\n", origin, size, base64(as_view(root)));
}

absl::StatusOr<Checkpoint> parse_checkpoint(std::string_view note) {
  ASSIGN_OR_RETURN(const NoteParts parts, split_note(note));
  std::string_view rest = parts.text;
  const auto origin = take_line(rest);
  const auto size_text = take_line(rest);
  const auto root_text = take_line(rest);
  const auto size = size_text ? parse_note_number(*size_text) : std::nullopt;
  const auto root = root_text ? parse_note_hash(*root_text) : std::nullopt;
  if (!origin || origin->empty()) return invalid_argument("checkpoint: no origin");
  if (!size) return invalid_argument("checkpoint of {}: the second line is no size", *origin);
  if (!root) return invalid_argument("checkpoint of {}: the third line is no root", *origin);
  return Checkpoint{std::string(*origin), *size, *root};
}

absl::Status verify_note(std::string_view note, std::string_view verifier_key) {
  ASSIGN_OR_RETURN(const VerifierKey key, parse_verifier_key(verifier_key));
  ASSIGN_OR_RETURN(const NoteParts parts, split_note(note));
  bool name_seen = false;
  bool holds = false;
  // Every line is looked at, also behind the signature that was asked for: a note is well-formed as a whole.
  for (std::string_view rest = parts.signatures; !rest.empty();) {
    ASSIGN_OR_RETURN(const SignatureLine line, parse_signature_line(*take_line(rest)));
    if (line.name != key.name) continue;
    name_seen = true;
    if (line.bytes.substr(0, 4) != key.id) continue;
    if (!signature_holds(key, parts.text, std::string_view(line.bytes).substr(4)))
      return invalid_argument("note: the signature by {} does not hold for this text", key.name);
    holds = true;
  }
  if (holds) return absl::OkStatus();
  if (name_seen) return failed_precondition("note: signed by another key of the name {}, not by {}", key.name, verifier_key);
  return failed_precondition("note: not signed by {}", key.name);
}

absl::StatusOr<KeyInfo> key_info(std::string_view verifier_key) {
  ASSIGN_OR_RETURN(VerifierKey key, parse_verifier_key(verifier_key));
  return KeyInfo{std::move(key.name), hex(key.id), key.type == kCosignatureType};
}

absl::StatusOr<std::vector<NoteSignature>> note_signatures(std::string_view note) {
  ASSIGN_OR_RETURN(const NoteParts parts, split_note(note));
  std::vector<NoteSignature> signatures;
  for (std::string_view rest = parts.signatures; !rest.empty();) {
    const std::string_view text = *take_line(rest);
    ASSIGN_OR_RETURN(const SignatureLine line, parse_signature_line(text));
    NoteSignature signature{std::string(line.name), hex(line.bytes.substr(0, 4)), std::string(text) + "\n", std::nullopt};
    if (line.bytes.size() == 4 + kTimeBytes + kSignatureBytes) signature.cosigned_at_s = load_be<std::uint64_t>(line.bytes.data() + 4);
    signatures.push_back(std::move(signature));
  }
  return signatures;
}

absl::StatusOr<std::string> note_text(std::string_view note) {
  ASSIGN_OR_RETURN(const NoteParts parts, split_note(note));
  return std::string(parts.text);
}

std::string cut_note_origin(std::string_view ledger) { return fmt::format("{}/cut", ledger); }

std::string cut_note_text(std::string_view ledger, const std::vector<Checkpoint>& parts) {
  std::string text = cut_note_origin(ledger) + "\n";
  for (const Checkpoint& part : parts) text += fmt::format("{} {} {}\n", part.origin, part.size, base64(as_view(part.root)));
  return text;
}

absl::StatusOr<CutNote> parse_cut_note(std::string_view note) {
  ASSIGN_OR_RETURN(const NoteParts parts, split_note(note));
  std::string_view rest = parts.text;
  const auto name = take_line(rest);
  if (!name || name->size() < 4 || name->substr(name->size() - 4) != "/cut")
    return invalid_argument("cut note: the first line is no <ledger>/cut");
  CutNote cut{std::string(*name), {}};
  while (!rest.empty()) {
    const auto line = take_line(rest);
    const std::size_t first = line ? line->find(' ') : std::string_view::npos;
    const std::size_t second = first == std::string_view::npos ? first : line->find(' ', first + 1);
    if (second == std::string_view::npos) return invalid_argument("cut note {}: a line is not: origin size root", *name);
    const auto size = parse_note_number(line->substr(first + 1, second - first - 1));
    const auto root = parse_note_hash(line->substr(second + 1));
    if (!size || !root) return invalid_argument("cut note {}: '{}' has no size or no root", *name, *line);
    cut.parts.push_back({std::string(line->substr(0, first)), *size, *root});
  }
  if (cut.parts.empty()) return invalid_argument("cut note {}: lists nothing", *name);
  return cut;
}

}  // namespace bukubesar
