#include "server/tls_certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509err.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/clock.h"
#include "base/day.h"
#include "base/private_file.h"
#include "base/status.h"
#include "base/time.h"

namespace bukubesar {

namespace {

namespace ssl = boost::asio::ssl;

constexpr std::int64_t kExpiresSoonMs = 14 * kDayMs;
// Of TLS 1.2; those of 1.3 are all good.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

// What OpenSSL says of its last failure; its queue is empty afterwards.
std::string openssl_error() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "OpenSSL refuses it" : reason;
}

// HTTP/1.1 is what we speak: whoever offers names for it gets that one.
int choose_protocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::int64_t expires_ms_of(SSL_CTX* context) {
  const X509* const certificate = SSL_CTX_get0_certificate(context);
  std::tm utc{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &utc) != 1) return 0;
  return std::int64_t{::timegm(&utc)} * 1000;
}

}  // namespace

TlsCertificate::TlsCertificate(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

absl::StatusOr<std::unique_ptr<TlsCertificate>> TlsCertificate::load(std::string certificate_file, std::string key_file) {
  std::unique_ptr<TlsCertificate> made(new TlsCertificate(std::move(certificate_file), std::move(key_file)));
  const FileStamp certificate_stamp = file_stamp(made->certificate_file_), key_stamp = file_stamp(made->key_file_);
  ASSIGN_OR_RETURN(Loaded loaded, made->read());
  absl::MutexLock lock(&made->mutex_);
  made->loaded_ = std::move(loaded);
  made->certificate_stamp_ = certificate_stamp;
  made->key_stamp_ = key_stamp;
  return made;
}

absl::StatusOr<TlsCertificate::Loaded> TlsCertificate::read() const {
  struct stat info {};
  if (::stat(key_file_.c_str(), &info) != 0) return invalid_argument("http.tls_key_file {}: {}", key_file_, std::strerror(errno));
  if ((info.st_mode & 007U) != 0)
    return failed_precondition("http.tls_key_file {}: mode {:o} lets everybody at it; chmod 600 it", key_file_, info.st_mode & 0777U);
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const native = context->native_handle();
  ERR_clear_error();  // what stands in the queue is ours from here on
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);  // an idle connection holds no buffers
  SSL_CTX_set_alpn_select_cb(native, &choose_protocol, nullptr);
  // An encrypted key must not ask on the terminal.
  SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });
  if (SSL_CTX_set_cipher_list(native, kCiphers) != 1) return invalid_argument("TLS ciphers: {}", openssl_error());
  if (SSL_CTX_use_certificate_chain_file(native, certificate_file_.c_str()) != 1)
    return invalid_argument("http.tls_certificate_file {}: {}", certificate_file_, openssl_error());
  if (SSL_CTX_use_PrivateKey_file(native, key_file_.c_str(), SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(native) != 1) {
    const bool of_another = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
    const std::string why = openssl_error();
    return of_another ? invalid_argument("http.tls_key_file {} is not the key of {}", key_file_, certificate_file_)
                      : invalid_argument("http.tls_key_file {}: {}", key_file_, why);
  }
  return Loaded{std::move(context), expires_ms_of(native)};
}

std::shared_ptr<ssl::context> TlsCertificate::context() const {
  absl::MutexLock lock(&mutex_);
  return loaded_.context;
}

void TlsCertificate::look_for_changes(bool in_any_case) {
  const FileStamp certificate_stamp = file_stamp(certificate_file_), key_stamp = file_stamp(key_file_);
  {
    absl::MutexLock lock(&mutex_);
    if (certificate_stamp == certificate_stamp_ && key_stamp == key_stamp_ && !in_any_case) return;
    certificate_stamp_ = certificate_stamp;
    key_stamp_ = key_stamp;
  }
  auto loaded = read();
  absl::MutexLock lock(&mutex_);
  if (loaded.ok()) {
    loaded_ = *std::move(loaded);
    ++reloads_;
    trouble_.clear();
    spdlog::info("certificate read again from {}, valid until {}", certificate_file_, format_instant_ms(loaded_.expires_ms, 0));
    return;
  }
  ++reloads_failed_;
  trouble_ = message_of(loaded.status());
  spdlog::error("the certificate was not read again, the one read before stays in use: {}", trouble_);
}

TlsCertificate::Stats TlsCertificate::stats() const {
  absl::MutexLock lock(&mutex_);
  return {reloads_, reloads_failed_, loaded_.expires_ms};
}

std::vector<std::string> TlsCertificate::warnings(std::int64_t now_ms) const {
  std::vector<std::string> warnings;
  absl::MutexLock lock(&mutex_);
  if (loaded_.expires_ms < now_ms + kExpiresSoonMs)
    warnings.push_back(fmt::format("the TLS certificate {} {}", loaded_.expires_ms < now_ms ? "has expired on" : "expires on",
                                   format_instant_ms(loaded_.expires_ms, 0)));
  if (!trouble_.empty()) warnings.push_back("the TLS certificate was not read again: " + trouble_);
  return warnings;
}

}  // namespace bukubesar
