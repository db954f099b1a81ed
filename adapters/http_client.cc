#include "adapters/http_client.h"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "adapters/json_answer.h"
#include "base/cancellation.h"
#include "base/status.h"
#include "config/names.h"

namespace bukubesar {

namespace beast = boost::beast;
namespace http = beast::http;
namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr std::chrono::milliseconds kWantedInterval{50};  // between two looks whether anybody waits for the answer

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return lower(x) == lower(y);
  });
}

struct Request {
  http::verb verb = http::verb::get;
  std::string_view target, content_type, body;
  const HttpHeaders* headers = nullptr;
};

absl::Status trust(asio::ssl::context& tls, const std::string& ca_file) {
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  beast::error_code error;
  if (ca_file.empty())
    tls.set_default_verify_paths(error);
  else
    tls.load_verify_file(ca_file, error);
  if (error) return invalid_argument("CA file {}: {}", ca_file.empty() ? "of the system" : ca_file, error.message());
  return absl::OkStatus();
}

bool is_this_machine(const std::string& host) { return host == "localhost" || is_loopback_address(host); }

// Why a try did not end in an answer.
struct Failure {
  absl::Status status;
  bool sent = false;  // the server may have read the request
  bool timed_out = false;
  bool hopeless = false;  // trying again changes nothing
  bool stale = false;     // the server had closed a kept connection while it was idle
};

}  // namespace

std::optional<std::string_view> HttpResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (equal_ignoring_case(key, name)) return value;
  return std::nullopt;
}

struct HttpClient::Impl {
  HttpClientOptions options;
  std::string host, port, prefix;
  std::string default_port = "80";
  asio::io_context io;
  std::optional<asio::ssl::context> tls;  // of an https URL
  std::unique_ptr<beast::tcp_stream> stream;
  std::unique_ptr<asio::ssl::stream<beast::tcp_stream&>> secure;  // over `stream`
  std::string why_untrusted;                                      // of the last handshake
  beast::flat_buffer buffer;

  // Runs the one operation that `start` begins, to its end, its stream's timeout, or until nobody waits for the answer.
  template <class Start>
  beast::error_code run(Start start) {
    beast::error_code result = asio::error::would_block;
    start([&result](beast::error_code error, auto&&...) { result = error; });
    io.restart();
    for (io.run_for(kWantedInterval); !io.stopped(); io.run_for(kWantedInterval))
      if (!still_wanted().ok()) stream->close();
    return result;
  }

  beast::error_code connect() {
    beast::error_code error;
    why_untrusted.clear();
    tcp::resolver resolver(io);
    const auto endpoints = resolver.resolve(host, port, error);
    if (error) return error;
    stream = std::make_unique<beast::tcp_stream>(io);
    buffer.clear();
    stream->expires_after(std::chrono::milliseconds(options.connect_timeout_ms));
    error = run([&](auto done) { stream->async_connect(endpoints, std::move(done)); });
    if (!error) stream->socket().set_option(tcp::no_delay(true), error);
    if (!error && tls) error = shake_hands();
    if (error) disconnect();
    return error;
  }

  beast::error_code shake_hands() {
    secure = std::make_unique<asio::ssl::stream<beast::tcp_stream&>>(*stream, *tls);
    secure->set_verify_mode(asio::ssl::verify_peer);
    secure->set_verify_callback(asio::ssl::host_name_verification(host));
    // OpenSSL's macro for this casts away const: its own call takes what is not const anyway.
    SSL_ctrl(secure->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
    stream->expires_after(std::chrono::milliseconds(options.connect_timeout_ms));
    const beast::error_code error = run([&](auto done) { secure->async_handshake(asio::ssl::stream_base::client, std::move(done)); });
    const long verified = SSL_get_verify_result(secure->native_handle());
    why_untrusted = verified == X509_V_OK ? "" : X509_verify_cert_error_string(verified);
    return error;
  }

  void disconnect() {
    secure.reset();
    stream.reset();
  }

  http::request<http::string_body> build(const Request& request) const {
    http::request<http::string_body> message(request.verb, prefix + std::string(request.target), 11);
    message.set(http::field::host, port == default_port ? host : host + ":" + port);
    message.set(http::field::user_agent, "bukubesar");
    if (!options.token.empty()) message.set(http::field::authorization, "Bearer " + options.token);
    for (const auto& [name, value] : *request.headers) message.set(name, value);
    if (request.verb != http::verb::get) {
      message.set(http::field::content_type, std::string(request.content_type));
      message.body() = std::string(request.body);
      message.prepare_payload();
    }
    return message;
  }

  template <class Stream>
  beast::error_code converse(Stream& over, const http::request<http::string_body>& message,
                             http::response_parser<http::string_body>& parser) {
    auto error = run([&](auto done) { http::async_write(over, message, std::move(done)); });
    if (!error) error = run([&](auto done) { http::async_read(over, buffer, parser, std::move(done)); });
    return error;
  }

  absl::StatusOr<HttpResponse> exchange(const Request& request, Failure& failure) {
    const bool reused = stream != nullptr;
    if (!reused) {
      if (const auto error = connect()) {
        const bool untrusted = !why_untrusted.empty();
        failure = {untrusted ? invalid_argument("{}: the server's certificate is not trusted: {}", options.url, why_untrusted)
                             : unavailable("{}: {}", options.url, error.message()),
                   false, false, untrusted};
        return failure.status;
      }
    }
    const auto message = build(request);
    http::response_parser<http::string_body> parser;
    parser.body_limit(options.body_bytes_max);
    stream->expires_after(std::chrono::milliseconds(options.answer_timeout_ms));
    const auto error = secure ? converse(*secure, message, parser) : converse(*stream, message, parser);
    if (error) {
      disconnect();
      const bool timed_out = error == beast::error::timeout;
      // A kept connection that the server closed while it was idle: nothing of this request was read.
      const bool stale = reused && !parser.got_some() &&
                         (error == http::error::end_of_stream || error == asio::error::broken_pipe ||
                          error == asio::ssl::error::stream_truncated || error == asio::error::eof);
      failure = {
          timed_out ? deadline_exceeded("{}: no answer to {} in {} ms", options.url, std::string(request.target), options.answer_timeout_ms)
                    : unavailable("{}: {}", options.url, error.message()),
          !stale, timed_out, false, stale};
      return failure.status;
    }
    auto answer = parser.release();
    HttpResponse response;
    response.status = static_cast<int>(answer.result_int());
    for (const auto& field : answer) {
      const auto name = field.name_string();
      const auto value = field.value();
      response.headers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    response.body = std::move(answer.body());
    if (!answer.keep_alive()) disconnect();
    return response;
  }

  // What Retry-After asks, in milliseconds; 0 where it is absent or a date.
  static std::uint64_t retry_after_ms(const HttpResponse& response) {
    const auto value = response.header("Retry-After");
    std::uint64_t seconds = 0;
    if (!value) return 0;
    const auto parsed = std::from_chars(value->data(), value->data() + value->size(), seconds);
    return parsed.ec == std::errc{} && seconds < 1'000'000 ? seconds * 1000 : 0;
  }

  absl::StatusOr<HttpResponse> send(const Request& request, SendTwice send_twice) {
    std::uint64_t backoff_ms = options.backoff_ms_first;
    for (std::uint32_t attempt = 1;; ++attempt) {
      Failure failure;
      std::uint64_t wait_ms = backoff_ms;
      auto response = exchange(request, failure);
      if (failure.stale) {  // on a new connection it is still the same attempt
        failure = Failure();
        response = exchange(request, failure);
      }
      const bool last = attempt >= options.attempts_max;
      if (response.ok()) {
        if ((response->status != 429 && response->status != 503) || last) return response;
        wait_ms = std::max(wait_ms, retry_after_ms(*response));
      } else {
        RETURN_IF_ERROR(still_wanted());
        if (last || failure.hopeless || (failure.sent && send_twice == SendTwice::never)) return failure.status;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min<std::uint64_t>(wait_ms, options.backoff_ms_max)));
      backoff_ms = std::min<std::uint64_t>(backoff_ms * 2, options.backoff_ms_max);
    }
  }
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

absl::StatusOr<HttpClient> HttpClient::make(HttpClientOptions options) {
  const auto parsed = boost::urls::parse_uri(options.url);
  const bool secure = !parsed.has_error() && parsed->scheme() == "https";
  if (parsed.has_error() || (parsed->scheme() != "http" && !secure) || parsed->host().empty())
    return invalid_argument("url {}: want http://HOST[:PORT] or https://…", options.url);
  auto impl = std::make_unique<Impl>();
  impl->host = parsed->host_address();
  if (secure) impl->default_port = "443";
  impl->port = parsed->has_port() && !parsed->port().empty() ? std::string(parsed->port()) : impl->default_port;
  if (secure) {
    RETURN_IF_ERROR(trust(impl->tls.emplace(asio::ssl::context::tls_client), options.ca_file));
  } else if (!options.token.empty() && !is_this_machine(impl->host)) {
    return invalid_argument("url {}: a token would travel in clear; use https", options.url);
  }
  impl->prefix = std::string(parsed->encoded_path());
  while (!impl->prefix.empty() && impl->prefix.back() == '/') impl->prefix.pop_back();
  impl->options = std::move(options);
  return HttpClient(std::move(impl));
}

absl::StatusOr<HttpResponse> HttpClient::get(std::string_view target, const HttpHeaders& headers) {
  return impl_->send({http::verb::get, target, {}, {}, &headers}, SendTwice::harmless);
}

absl::StatusOr<HttpResponse> HttpClient::post(std::string_view target, std::string_view content_type, std::string_view body,
                                              const HttpHeaders& headers, SendTwice send_twice) {
  return impl_->send({http::verb::post, target, content_type, body, &headers}, send_twice);
}

const std::string& HttpClient::url() const { return impl_->options.url; }

std::string problem_text(const HttpResponse& response) {
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  if (json.is_object()) {
    const std::string title = text_member(json, "title");
    const std::string detail = text_member(json, "detail");
    if (!title.empty() && !detail.empty()) return title + ": " + detail;
    if (!title.empty() || !detail.empty()) return title + detail;
  }
  return response.body.substr(0, 200);
}

absl::Status status_of(const HttpResponse& response) {
  if (response.status >= 200 && response.status < 300) return absl::OkStatus();
  const std::string text = fmt::format("HTTP {}: {}", response.status, problem_text(response));
  switch (response.status) {
    case 400:
    case 413:
    case 415:
    case 431:
      return absl::InvalidArgumentError(text);
    case 401:
      return absl::UnauthenticatedError(text);
    case 403:
      return absl::PermissionDeniedError(text);
    case 404:
      return absl::NotFoundError(text);
    case 409:
      return absl::FailedPreconditionError(text);
    case 416:
      return absl::OutOfRangeError(text);
    case 429:
      return absl::ResourceExhaustedError(text);
    case 503:
      return absl::UnavailableError(text);
    case 504:
      return absl::DeadlineExceededError(text);
    default:
      return absl::UnknownError(text);
  }
}

std::string percent_encode(std::string_view text, bool keep_slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
                       c == '~' || (keep_slash && c == '/');
    if (plain) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace bukubesar
