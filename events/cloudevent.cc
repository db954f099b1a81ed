// Rules version 1, frozen: CloudEvents 1.0 over Kafka (protocol binding 1.0.2), structured and binary mode.
#include <fmt/format.h>

#include <algorithm>

#include "base/ids.h"
#include "events/decoder.h"

namespace bukubesar {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool ends_with_ignoring_case(std::string_view text, std::string_view end) {
  return text.size() > end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

// "type/subtype; charset=utf-8": the part before parameters, and whether the text is in an encoding that is UTF-8.
struct MediaType {
  std::string_view essence;
  bool is_utf8 = true;
};
MediaType parse_media_type(std::string_view text) {
  std::size_t end = std::min(text.find(';'), text.size());
  MediaType media{trimmed(text.substr(0, end))};
  while (end < text.size()) {
    text.remove_prefix(end + 1);
    end = std::min(text.find(';'), text.size());
    const std::string_view parameter = trimmed(text.substr(0, end));
    const std::size_t equals = parameter.find('=');
    if (equals == std::string_view::npos || !equal_ignoring_case(trimmed(parameter.substr(0, equals)), "charset")) continue;
    std::string_view charset = trimmed(parameter.substr(equals + 1));
    if (charset.size() >= 2 && charset.front() == '"' && charset.back() == '"') charset = charset.substr(1, charset.size() - 2);
    media.is_utf8 = equal_ignoring_case(charset, "utf-8") || equal_ignoring_case(charset, "us-ascii");
  }
  return media;
}

bool is_json(std::string_view essence) {
  return equal_ignoring_case(essence, "application/json") || equal_ignoring_case(essence, "text/json") ||
         ends_with_ignoring_case(essence, "+json");
}

bool is_ce(std::string_view name) { return name.substr(0, 3) == "ce_"; }

// One context attribute: a member of the value, or a header.
struct Attribute {
  const JsonValue* member = nullptr;
  std::optional<std::string_view> header;
};
enum : std::size_t { kSpecversion, kType, kSource, kId, kSubject, kTime, kDataContentType, kAttributeCount };
constexpr std::array<std::string_view, kAttributeCount> kAttributeNames = {"specversion", "type", "source",         "id",
                                                                           "subject",     "time", "datacontenttype"};
const MemberTable kEnvelope("specversion", "type", "source", "id", "subject", "time", "datacontenttype", "data", "data_base64");

class EnvelopeReader {
 public:
  explicit EnvelopeReader(Fields& fields) : fields_(fields) {}

  // False: failure. `data` is null where the value has none.
  bool read_structured(const JsonValue& root, bool is_said, const JsonValue*& data) {
    if (!fields_.object(&root)) return false;
    const auto members = fields_.members(root, kEnvelope);
    for (std::size_t i = 0; i < kAttributeCount; ++i) attributes_[i].member = members[i];
    if (members[kSpecversion] == nullptr && !is_said) return fields_.fail(Reason::not_cloudevent, "specversion: absent");
    data = members[kAttributeCount];
    if (members[kAttributeCount + 1] != nullptr) return fields_.fail(Reason::data_base64, "data_base64: present");
    return true;
  }

  bool read_binary(const PayloadView& payload) {
    for (const Header& header : payload.headers) {
      if (!is_ce(header.name)) continue;
      for (std::size_t i = 0; i < kDataContentType; ++i) {
        if (header.name.substr(3) != kAttributeNames[i]) continue;
        // A second one was refused by envelope_of.
        if (!header.value) break;
        if (find_non_utf8(*header.value) != std::string_view::npos)
          return fields_.fail(Reason::not_utf8, fmt::format("ce_{}: \"{}\"", kAttributeNames[i], shown(*header.value)));
        attributes_[i].header = header.value;
      }
    }
    return true;
  }

  bool decode(Event& event) {
    std::string_view specversion;
    std::string_view type;
    if (!text(kSpecversion, kShortTextSizeMax, specversion)) return false;
    if (specversion != "1.0") return fail(Reason::unknown_specversion, kSpecversion, specversion);
    if (!text(kType, kShortTextSizeMax, type)) return false;
    const std::optional<EventType> known = parse_event_type(type);
    if (!known) return fail(Reason::unknown_type, kType, type);
    event.type = *known;
    if (!text(kSource, kIdSizeMax, event.source) || !text(kId, kIdSizeMax, event.id) || !text(kSubject, kShortTextSizeMax, event.subject)) {
      return false;
    }
    return subject(event) && time(event) && data_content_type();
  }

 private:
  bool fail(Reason reason, std::size_t which, std::string_view value, std::string_view about = {}) {
    return fields_.fail(reason, fmt::format("{}{}: \"{}\"{}{}", attributes_[which].header ? "ce_" : "", kAttributeNames[which],
                                            shown(value), about.empty() ? "" : ", ", about));
  }

  // A required text. Headers are checked as members are.
  bool text(std::size_t which, std::size_t size_max, std::string_view& to) {
    const Attribute& attribute = attributes_[which];
    if (!attribute.header && attribute.member == nullptr) return fields_.fail(Reason::missing_member, std::string(kAttributeNames[which]));
    if (!attribute.header) return fields_.text(attribute.member, size_max, to);
    const Reason reason = Fields::text_reason(*attribute.header, size_max);
    if (reason != Reason::none) return fail(reason, which, *attribute.header);
    to = *attribute.header;
    return true;
  }

  bool subject(Event& event) {
    const std::string_view subject = event.subject;
    const std::size_t slash = subject.find('/');
    if (slash == std::string_view::npos) return fail(Reason::invalid_subject, kSubject, subject);
    const std::string_view before = subject.substr(0, slash);
    const std::string_view after = subject.substr(slash + 1);
    if (is_purchase(event.type)) {
      if (!is_known_system(before)) return fail(Reason::unknown_system, kSubject, subject);
      const std::optional<PurchaseId> purchase = parse_purchase_id(subject);
      if (!purchase) return fail(Reason::invalid_subject, kSubject, subject);
      event.purchase = *purchase;
      return true;
    }
    bool valid = false;
    switch (event.type) {
      case EventType::source_observed:
        valid = is_code(before) && is_scope(after);
        break;
      case EventType::ledger_redacted:
        valid = PartitionId::parse(before).has_value() && is_sequence(after);
        break;
      default:
        valid = before == name_of(event.type).substr(std::string_view("reference.").size()) && is_code(after);
    }
    return valid || fail(Reason::invalid_subject, kSubject, subject);
  }

  // One or more codes with slashes between.
  static bool is_scope(std::string_view text) {
    for (;;) {
      const std::size_t slash = text.find('/');
      if (!is_code(text.substr(0, slash))) return false;
      if (slash == std::string_view::npos) return true;
      text.remove_prefix(slash + 1);
    }
  }

  static bool is_sequence(std::string_view text) {
    const ParsedDecimal parsed = parse_decimal(text, 0);
    return parsed.error == MoneyError::none && !text.empty() && text.front() != '-' && text.find('.') == std::string_view::npos;
  }

  bool time(Event& event) {
    const Attribute& attribute = attributes_[kTime];
    if (!attribute.header) return fields_.instant(attribute.member, event.time_ms);
    event.time_ms = parse_instant_ms(*attribute.header);
    return event.time_ms.has_value() || fail(Reason::invalid_time, kTime, *attribute.header);
  }

  bool data_content_type() {
    const JsonValue* member = attributes_[kDataContentType].member;
    if (member == nullptr) return true;
    if (!fields_.string(member)) return false;
    return is_json(parse_media_type(member->text()).essence) || fail(Reason::data_content_type, kDataContentType, member->text());
  }

  Fields& fields_;
  std::array<Attribute, kAttributeCount> attributes_{};
};

constexpr std::string_view kStructured = "application/cloudevents+json";

Envelope refused(Reason reason, std::string detail) { return {ContentMode::refused, false, reason, std::move(detail)}; }

}  // namespace

Envelope envelope_of(const PayloadView& payload) {
  std::optional<std::string_view> content_type;
  bool has_content_type = false;
  bool has_ce = false;
  unsigned seen = 0;  // one bit for each attribute that has come
  for (const Header& header : payload.headers) {
    if (equal_ignoring_case(header.name, "content-type")) {
      if (has_content_type) return refused(Reason::doubled_header, "content-type");
      has_content_type = true;
      content_type = header.value;
    }
    if (!is_ce(header.name)) continue;
    has_ce = true;
    for (std::size_t i = 0; i < kDataContentType; ++i) {
      if (header.name.substr(3) != kAttributeNames[i]) continue;
      if ((seen >> i & 1U) != 0) return refused(Reason::doubled_header, std::string(header.name));
      seen |= 1U << i;
    }
  }
  if (!content_type) return {has_ce ? ContentMode::binary : ContentMode::structured};
  if (*content_type == kStructured) return {ContentMode::structured, true};  // as nearly all come
  const MediaType media = parse_media_type(*content_type);
  if (media.is_utf8 && equal_ignoring_case(media.essence, kStructured)) return {ContentMode::structured, true};
  // Another encoding of CloudEvents, or a batch: nothing that is one event in JSON.
  const bool other_event_format =
      equal_ignoring_case(media.essence.substr(0, std::string_view("application/cloudevents").size()), "application/cloudevents");
  if (!media.is_utf8 || other_event_format || !is_json(media.essence))
    return refused(Reason::content_type, fmt::format("content-type: \"{}\"", shown(*content_type)));
  return {has_ce ? ContentMode::binary : ContentMode::structured};
}

const Event* decode_event(const Envelope& envelope, const PayloadView& payload, const JsonTree& tree, Arena& arena, DecoderScratch& scratch,
                          Failure& failure) {
  const bool is_binary = envelope.mode == ContentMode::binary;
  const JsonValue& root = tree[0];
  Fields fields(tree, is_binary ? "data" : "");
  EnvelopeReader reader(fields);
  const JsonValue* data = &root;
  auto* event = arena.make<Event>();
  bool decoded = is_binary ? reader.read_binary(payload) : reader.read_structured(root, envelope.is_said, data);
  decoded = decoded && reader.decode(*event) && fields.require(data, root, "data") && fields.object(data);
  decoded = decoded && (is_purchase(event->type) ? decode_purchase(fields, *data, arena, scratch, *event)
                                                 : decode_reference(fields, *data, arena, scratch, *event));
  if (decoded) {
    event->fingerprint = fingerprint_of(event->source, event->id);
    return event;
  }
  failure = std::move(fields.failure());
  return nullptr;
}

}  // namespace bukubesar
