#include "events/reason.h"

#include <array>

namespace bukubesar {

namespace {

constexpr auto kDuplicate = Verdict::duplicate;
constexpr auto kRejected = Verdict::rejected;

constexpr std::array kReasons = {
    ReasonInfo{Reason::same, kDuplicate, "same",
               "The event is in the ledger already, with the same attributes and data. Nothing needs to be done."},
    ReasonInfo{Reason::different, kDuplicate, "different",
               "An event with this source and id is in the ledger already, and says something else. Send a change under a new id."},

    ReasonInfo{Reason::oversize, kRejected, "oversize",
               "Key, headers and value together are larger than 4 MiB. Only size and hash were kept; send less in one event."},
    ReasonInfo{Reason::null_value, kRejected, "null_value",
               "The record has no value. A purchase is ended by an event, never by a tombstone."},
    ReasonInfo{Reason::key_mismatch, kRejected, "key_mismatch", "The record's key is not the event's subject. Use the subject as key."},
    ReasonInfo{Reason::misrouted, kRejected, "misrouted",
               "The record came in another partition than the one its key belongs to. Produce with the ledger's partitioner."},
    ReasonInfo{Reason::malformed_payload, kRejected, "malformed_payload",
               "The stored bytes are no key, headers and value. No producer can cause this: report it."},
    ReasonInfo{Reason::purchase_on_reference_topic, kRejected, "purchase_on_reference_topic",
               "A purchase event came on the reference topic. Send it to the purchase topic."},
    ReasonInfo{Reason::reference_on_purchase_topic, kRejected, "reference_on_purchase_topic",
               "A reference event came on a purchase topic. Send it to the reference topic."},

    ReasonInfo{Reason::content_type, kRejected, "content_type",
               "The content type is none that an event may have. Use application/cloudevents+json, or application/json with ce_ headers."},
    ReasonInfo{Reason::not_cloudevent, kRejected, "not_cloudevent",
               "The value is JSON, but neither the value nor a ce_ header has a specversion. Send a CloudEvents 1.0 event."},
    ReasonInfo{Reason::doubled_header, kRejected, "doubled_header",
               "A header that says what the event is stands twice, so it has two meanings. Send it once."},
    ReasonInfo{Reason::data_base64, kRejected, "data_base64", "The data came as data_base64. Send a JSON object as data."},
    ReasonInfo{Reason::data_content_type, kRejected, "data_content_type",
               "datacontenttype says that data is not JSON. Send JSON, or leave it out."},
    ReasonInfo{Reason::unknown_specversion, kRejected, "unknown_specversion", "The specversion is not 1.0, the only one these rules know."},
    ReasonInfo{Reason::unknown_type, kRejected, "unknown_type", "The type is none of those these rules know; docs/EVENTS.md lists them."},
    ReasonInfo{Reason::invalid_subject, kRejected, "invalid_subject", "The subject does not have the form that the event's type asks for."},
    ReasonInfo{Reason::unknown_system, kRejected, "unknown_system",
               "The subject begins with none of the known systems; docs/EVENTS.md lists them."},

    ReasonInfo{Reason::not_utf8, kRejected, "not_utf8", "The value, or a header that says what the event is, is not UTF-8."},
    ReasonInfo{Reason::not_json, kRejected, "not_json", "The value is not one JSON document as RFC 8259 has it."},
    ReasonInfo{Reason::too_deep, kRejected, "too_deep", "More than 32 objects and arrays stand within each other."},
    ReasonInfo{Reason::doubled_member, kRejected, "doubled_member",
               "A member stands twice in one object, so it has two meanings. Send it once."},
    ReasonInfo{Reason::unpaired_surrogate, kRejected, "unpaired_surrogate",
               "An escape in a string is half of a surrogate pair, which is no character."},

    ReasonInfo{Reason::missing_member, kRejected, "missing_member", "A member that this type of event must have is absent or null."},
    ReasonInfo{Reason::wrong_type, kRejected, "wrong_type",
               "A member has another JSON type than it must have; amounts are strings or integers."},
    ReasonInfo{Reason::too_long, kRejected, "too_long", "A text is longer than its member allows."},
    ReasonInfo{Reason::control_character, kRejected, "control_character", "A text holds a control character."},
    ReasonInfo{Reason::invalid_code, kRejected, "invalid_code",
               "A code is not 1 to 64 characters of A-Z a-z 0-9 . _ -. Leave out what is unknown."},
    ReasonInfo{Reason::unknown_choice, kRejected, "unknown_choice", "A member that takes one word of a list has another one."},
    ReasonInfo{Reason::invalid_number, kRejected, "invalid_number",
               "A decimal string is none: digits, with a point before decimals, nothing else."},
    ReasonInfo{Reason::too_many_decimals, kRejected, "too_many_decimals",
               "A number has more decimals than its member allows: two for amounts, four for quantities. Nothing is rounded here."},
    ReasonInfo{Reason::number_out_of_range, kRejected, "number_out_of_range",
               "A number does not fit: amounts end at 92,233,720,368,547,758.07 rupiah."},
    ReasonInfo{Reason::invalid_date, kRejected, "invalid_date",
               "A date is no day of the years 1900 to 2999, written YYYY-MM-DD; or a month, YYYY-MM."},
    ReasonInfo{Reason::invalid_time, kRejected, "invalid_time", "An instant is not RFC 3339, with its offset from UTC."},
    ReasonInfo{Reason::invalid_value, kRejected, "invalid_value", "A member has the right type and a value that it can't have."},
};

}  // namespace

std::span<const ReasonInfo> all_reasons() { return kReasons; }

std::string_view name_of(Reason reason) {
  if (reason == Reason::none) return "none";
  for (const ReasonInfo& info : kReasons) {
    if (info.code == reason) return info.name;
  }
  return "unknown";
}

std::string_view name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::none:
      return "none";
    case Verdict::accepted:
      return "accepted";
    case Verdict::duplicate:
      return "duplicate";
    case Verdict::rejected:
      return "rejected";
  }
  return "unknown";
}

}  // namespace bukubesar
