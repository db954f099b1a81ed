#include "server/correction_signature.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/sha256.h"
#include "events/json_peek.h"
#include "events/payload.h"

namespace bukubesar {

namespace {

constexpr std::string_view kFirstLine = "bukubesar correction 1";
constexpr std::string_view kDash = "\u2014 ";

// What a signature covers, and the signature, of a payload in either mode.
struct SignedParts {
  std::string source, id, subject, data, signature;
};

std::string json_text(const std::optional<std::string>& raw) {
  const Json json = raw ? Json::parse(*raw, nullptr, /*allow_exceptions=*/false) : Json();
  return json.is_string() ? json.get<std::string>() : "";
}

std::optional<SignedParts> parts_of(std::string_view payload) {
  PayloadView view;
  if (!parse_payload(payload, view) || !view.value) return std::nullopt;
  SignedParts parts;
  bool binary = false;
  for (const Header& header : view.headers) {
    const std::string value(header.value.value_or(""));
    if (header.name == "ce_source") parts.source = value;
    if (header.name == "ce_id") parts.id = value;
    if (header.name == "ce_subject") parts.subject = value;
    if (header.name == "ce_signature") parts.signature = value;
    binary = binary || header.name == "ce_id";
  }
  if (binary) {
    parts.data = std::string(*view.value);
    return parts;
  }
  parts.source = json_text(peek_raw(*view.value, {"source"}));
  parts.id = json_text(peek_raw(*view.value, {"id"}));
  parts.subject = json_text(peek_raw(*view.value, {"subject"}));
  parts.data = peek_raw(*view.value, {"data"}).value_or("");
  if (parts.signature.empty()) parts.signature = json_text(peek_raw(*view.value, {"signature"}));
  return parts;
}

}  // namespace

std::string correction_text(std::string_view source, std::string_view id, std::string_view subject, std::string_view data) {
  return fmt::format("{}\n{}\n{}\n{}\n{}\n", kFirstLine, source, id, subject, base64(as_view(sha256(data))));
}

std::string correction_signature(const SigningKeys& keys, std::string_view name, std::string_view text) {
  const std::string note = keys.sign_note(name, text);
  std::string_view line = std::string_view(note).substr(text.size() + 1 + kDash.size());
  line.remove_suffix(1);
  return std::string(line);
}

Json check_correction_signature(std::string_view payload, const std::vector<std::string>& verifier_keys) {
  const auto parts = parts_of(payload);
  if (!parts || parts->signature.empty()) return {{"state", "absent"}};
  const std::string name = parts->signature.substr(0, parts->signature.find(' '));
  const std::string note =
      fmt::format("{}\n{}{}\n", correction_text(parts->source, parts->id, parts->subject, parts->data), kDash, parts->signature);
  Json found = {{"state", "unknown_key"}, {"approver", name}};
  for (const std::string& key : verifier_keys) {
    if (!key.starts_with(name + "+")) continue;
    found["state"] = verify_note(note, key).ok() ? "valid" : "invalid";
    if (found["state"] == "valid") break;
  }
  return found;
}

}  // namespace bukubesar
