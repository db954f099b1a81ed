// HttpClient: a small synchronous HTTP/1.1 client for one server, with keep-alive, timeouts and bounded retries.
//
// Retries    a refused connection; 429 and 503, waiting as long as Retry-After says (at most backoff_ms_max); a connection that broke
//            while the answer was outstanding, where the request says that sending it twice is harmless. All with doubling backoff, and
//            no more than attempts_max tries.
// TLS        for https URLs, 1.2 and 1.3; the server's name must stand in its certificate. A token is sent under TLS, or to this machine.
// Threads    one at a time; one connection.
// Limits     answers of at most body_bytes_max.
// Errors     Unavailable: nobody listens, the connection broke, or still 429/503 after the last try. DeadlineExceeded: no answer in time.
//            Cancelled: nobody waits for the answer any more (base/cancellation.h); what resolves names does not hear of it.
//            InvalidArgument: the URL, the CA file, a token that would travel in clear, or an answer that is no HTTP. An answer with any
//            other status is an answer, not an error.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace bukubesar {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpResponse {
  int status = 0;
  HttpHeaders headers;  // in the order received
  std::string body;
  // The first header of that name, whatever its case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpClientOptions {
  std::string url = "http://127.0.0.1:8080";  // http or https; a path is put before every request's
  std::string ca_file;                        // PEM: who signed the server's certificate; empty: whom the system trusts
  std::string token;                          // sent as Authorization: Bearer; empty: none. Never in a message or a log
  std::uint32_t connect_timeout_ms = 5'000;
  std::uint32_t answer_timeout_ms = 60'000;
  std::uint32_t attempts_max = 8;
  std::uint32_t backoff_ms_first = 100;
  std::uint32_t backoff_ms_max = 5'000;
  std::uint64_t body_bytes_max = 256U << 20;
};

enum class SendTwice : std::uint8_t { never, harmless };

class HttpClient {
 public:
  static absl::StatusOr<HttpClient> make(HttpClientOptions options);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;
  ~HttpClient();

  // target: path and query, percent-encoded, beginning with '/'.
  [[nodiscard]] absl::StatusOr<HttpResponse> get(std::string_view target, const HttpHeaders& headers = {});
  [[nodiscard]] absl::StatusOr<HttpResponse> post(std::string_view target, std::string_view content_type, std::string_view body,
                                                  const HttpHeaders& headers = {}, SendTwice send_twice = SendTwice::never);
  [[nodiscard]] const std::string& url() const;

 private:
  struct Impl;
  explicit HttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The title and detail of an RFC 9457 problem document, or the first 200 bytes of any other body: for messages.
[[nodiscard]] std::string problem_text(const HttpResponse& response);
// OK for 2xx; else the code that base/status.h gives for the HTTP status, with problem_text().
[[nodiscard]] absl::Status status_of(const HttpResponse& response);
// Percent-encodes all but unreserved characters, for one path segment or query value ('/' is kept where `keep_slash`).
[[nodiscard]] std::string percent_encode(std::string_view text, bool keep_slash = false);

}  // namespace bukubesar
