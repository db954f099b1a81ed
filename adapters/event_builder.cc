#include "adapters/event_builder.h"

#include <fmt/format.h>

#include "base/bytes.h"

namespace bukubesar {

namespace {

constexpr std::size_t kHmacBlockBytes = 64;  // FIPS 198-1, for SHA-256

void append_text(std::string& to, const char* name, std::string_view value) {
  if (value.empty()) return;
  to += name;
  append_json_string(to, value);
}

void append_line(std::string& to, const LineDraft& line) {
  to += "{\"line\":";
  append_json_string(to, line.line);
  append_text(to, ",\"product\":", line.product);
  append_text(to, ",\"commodity\":", line.commodity);
  if (line.catalogue_kind != CatalogueKind::unknown) append_text(to, ",\"catalogue_kind\":", name_of(line.catalogue_kind));
  append_text(to, ",\"origin\":", name_of(line.origin));
  append_text(to, ",\"tkdn\":", line.tkdn);
  append_text(to, ",\"bmp\":", line.bmp);
  append_text(to, ",\"quantity\":", line.quantity);
  if (line.unit_price) {
    to += ",\"unit_price\":";
    append_money(to, *line.unit_price);
  }
  to += ",\"amount\":";
  append_money(to, line.amount);
  to += line.derived ? ",\"derived\":true}" : ",\"derived\":false}";
}

void append_stated(std::string& to, const DocumentDraft& document) {
  const bool has_scale = document.stated_scale != Scale::unknown;
  if (document.stated_region.empty() && !has_scale) return;
  to += ",\"stated\":{";
  if (!document.stated_region.empty()) append_text(to, "\"region\":", document.stated_region);
  if (has_scale) append_text(to, document.stated_region.empty() ? "\"scale\":" : ",\"scale\":", name_of(document.stated_scale));
  to += '}';
}

void append_funding(std::string& to, const std::vector<std::string>& funding) {
  if (funding.empty()) return;
  to += ",\"funding\":[";
  for (std::size_t i = 0; i < funding.size(); ++i) {
    if (i != 0) to += ',';
    append_json_string(to, funding[i]);
  }
  to += ']';
}

void append_amounts(std::string& to, const DocumentDraft& document) {
  to += ",\"amounts\":{\"total\":";
  append_money(to, document.total);
  if (document.shipping) {
    to += ",\"shipping\":";
    append_money(to, *document.shipping);
  }
  if (document.tax) {
    to += ",\"tax\":";
    append_money(to, *document.tax);
  }
  to += '}';
}

}  // namespace

EventIds::EventIds(std::string_view secret) {
  std::string key(secret);
  if (key.size() > kHmacBlockBytes) {
    const Hash256 hashed = hasher_.update(key).finish();
    key = std::string(as_view(hashed));
  }
  key.resize(kHmacBlockBytes, '\0');
  inner_pad_ = outer_pad_ = key;
  for (char& c : inner_pad_) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer_pad_) c = static_cast<char>(c ^ 0x5c);
}

Hash256 EventIds::hmac(std::string_view message) {
  const Hash256 inner = hasher_.update(inner_pad_).update(message).finish();
  return hasher_.update(outer_pad_).update(as_view(inner)).finish();
}

std::string EventIds::id(std::string_view source, std::string_view subject, EventType type, std::string_view members,
                         std::string_view predecessor) {
  const std::string_view zero("\0", 1);
  const Hash256 hash = hasher_.update(source)
                           .update(zero)
                           .update(subject)
                           .update(zero)
                           .update(name_of(type))
                           .update(zero)
                           .update(members)
                           .update(zero)
                           .update(predecessor)
                           .finish();
  return hex(as_view(hash).substr(0, 16));
}

std::string EventIds::salt(std::string_view id) { return hex(as_view(hmac(id)).substr(0, 16)); }

void append_json_string(std::string& to, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  to += '"';
  std::size_t plain_from = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') continue;
    to.append(text, plain_from, at - plain_from);
    plain_from = at + 1;
    if (byte >= 0x20) {
      to += '\\';
      to += c;
    } else {
      to += "\\u00";
      to += kHex[byte >> 4];
      to += kHex[byte & 15];
    }
  }
  to.append(text, plain_from);
  to += '"';
}

void append_money(std::string& to, Money amount) {
  const bool negative = amount.sen < 0;
  std::uint64_t sen = negative ? ~static_cast<std::uint64_t>(amount.sen) + 1 : static_cast<std::uint64_t>(amount.sen);
  char digits[24];
  char* at = digits + sizeof digits;
  for (int place = 0; sen != 0 || place < 3; ++place) {
    if (place == 2) *--at = '.';
    *--at = static_cast<char>('0' + sen % 10);
    sen /= 10;
  }
  to += negative ? "\"-" : "\"";
  to.append(at, static_cast<std::size_t>(digits + sizeof digits - at));
  to += '"';
}

void append_source_status(std::string& to, const StatedStatus& status) {
  to += "\"source_status\":{\"package\":";
  if (status.package.empty()) {
    to += "null";
  } else {
    append_json_string(to, status.package);
  }
  to += ",\"shipment\":";
  if (status.shipment.empty()) {
    to += "null";
  } else {
    append_json_string(to, status.shipment);
  }
  to += '}';
}

void append_document(std::string& to, const DocumentDraft& document) {
  to += '{';
  if (document.revision) to += fmt::format("\"revision\":{},", *document.revision);
  to += fmt::format("\"fiscal_year\":{}", document.fiscal_year);
  append_text(to, ",\"order_date\":", document.order_date);
  append_text(to, ",\"stage\":", name_of(document.stage));
  to += ',';
  append_source_status(to, document.source_status);
  append_text(to, ",\"method\":", document.method);
  append_text(to, ",\"institution\":", document.institution);
  append_text(to, ",\"work_unit\":", document.work_unit);
  append_text(to, ",\"vendor\":", document.vendor);
  append_text(to, ",\"distributor\":", document.distributor);
  append_stated(to, document);
  append_funding(to, document.funding);
  append_text(to, ",\"plan\":", document.plan);
  append_text(to, ",\"commodity\":", document.commodity);
  if (document.catalogue_kind != CatalogueKind::unknown) append_text(to, ",\"catalogue_kind\":", name_of(document.catalogue_kind));
  append_amounts(to, document);
  if (!document.lines.empty()) {
    to += ",\"lines\":[";
    for (std::size_t i = 0; i < document.lines.size(); ++i) {
      if (i != 0) to += ',';
      append_line(to, document.lines[i]);
    }
    to += ']';
  }
  if (!document.literals.empty()) {
    to += ",\"literals\":{";
    for (std::size_t i = 0; i < document.literals.size(); ++i) {
      if (i != 0) to += ',';
      append_json_string(to, document.literals[i].first);
      to += ':';
      append_json_string(to, document.literals[i].second);
    }
    to += '}';
  }
  to += '}';
}

BuiltEvent build_event(EventIds& ids, const EventFrame& frame, std::string_view members) {
  BuiltEvent built;
  built.id = ids.id(frame.source, frame.subject, frame.type, members, frame.predecessor);
  std::string& to = built.text;
  to.reserve(members.size() + 400);
  to += "{\"specversion\":\"1.0\",\"type\":\"id.bukubesar.";
  to += name_of(frame.type);
  to += ".v1\",\"source\":";
  append_json_string(to, frame.source);
  to += ",\"id\":\"";
  to += built.id;
  to += "\",\"subject\":";
  append_json_string(to, frame.subject);
  append_text(to, ",\"time\":", frame.time);
  to += ",\"datacontenttype\":\"application/json\",\"data\":{\"salt\":\"";
  to += ids.salt(built.id);
  to += '"';
  append_text(to, ",\"observation\":", frame.observation);
  if (!members.empty()) {
    to += ',';
    to += members;
  }
  to += "}}";
  return built;
}

}  // namespace bukubesar
