#include "events/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "events/decoder.h"
#include "events/json.h"

namespace bukubesar {

namespace {

// A document with more values than this gives its buffer back, so that one hostile record does not hold memory for ever.
constexpr std::size_t kValuesKeptMax = 1 << 16;

// Where a decoded event may not be: the key that is not its subject, the topic or partition that is not its own.
Reason misplaced(const Event& event, const PayloadView& payload, PartitionId partition, const Routing& routing, std::string& detail) {
  const std::string_view type = name_of(event.type);
  if (is_purchase(event.type) && partition.is_reference()) {
    detail = fmt::format("type: {}", type);
    return Reason::purchase_on_reference_topic;
  }
  if (!is_purchase(event.type) && !partition.is_reference()) {
    detail = fmt::format("type: {}", type);
    return Reason::reference_on_purchase_topic;
  }
  if (payload.key != event.subject) {
    detail = payload.key ? fmt::format("key: \"{}\", subject: \"{}\"", shown(*payload.key), shown(event.subject))
                         : fmt::format("key: null, subject: \"{}\"", shown(event.subject));
    return Reason::key_mismatch;
  }
  if (partition.is_reference() || routing.partitioner == Partitioner::any) return Reason::none;
  const std::uint32_t wanted = partition_of(routing.partitioner, event.subject, routing.partitions);
  if (wanted == partition.number()) return Reason::none;
  detail = fmt::format("key: \"{}\" belongs to partition {} of {} by {}, came in {}", shown(event.subject), wanted, routing.partitions,
                       name_of(routing.partitioner), partition.name());
  return Reason::misrouted;
}

}  // namespace

struct Judge::Impl {
  Impl(Routing the_routing, JsonPath the_json_path) : routing(the_routing), json_path(the_json_path) {}

  Judgement judge_v1(PartitionId partition, std::string_view payload, Arena& arena) {
    Judgement to;
    const auto reject = [&to](Reason reason, std::string detail) {
      to.reason = reason;
      to.detail = std::move(detail);
    };
    if (payload.size() > kPayloadBytesMax) {
      reject(Reason::oversize, fmt::format("{} bytes, at most {}", payload.size(), kPayloadBytesMax));
      return to;
    }
    if (!parse_payload(payload, view)) {
      reject(Reason::malformed_payload, fmt::format("{} bytes", payload.size()));
      return to;
    }
    if (!view.value) {
      reject(Reason::null_value, "value: null");
      return to;
    }
    const Event* event = decode(arena, to);
    if (event == nullptr) return to;
    to.fingerprint = event->fingerprint;
    to.reason = misplaced(*event, view, partition, routing, to.detail);
    if (to.reason == Reason::none) to.event = event;
    return to;
  }

  // The event, or null with reason and detail. Only the strict path names them.
  const Event* decode(Arena& arena, Judgement& to) {
    Envelope envelope = envelope_of(view);
    if (envelope.mode == ContentMode::refused) {
      to.reason = envelope.reason;
      to.detail = std::move(envelope.detail);
      return nullptr;
    }
    Failure failure;
    const Event* event = nullptr;
    if (json_path == JsonPath::fast_first && fast.read(*view.value, arena, tree))
      event = decode_event(envelope, view, tree, arena, scratch, failure);
    if (event == nullptr) {
      JsonError error = read_json_strict(*view.value, arena, tree);
      if (error.reason == Reason::none) {
        failure = {};
        event = decode_event(envelope, view, tree, arena, scratch, failure);
      } else {
        failure = {error.reason, std::move(error.detail)};
      }
    }
    if (tree.capacity() > kValuesKeptMax) tree.give_back();
    to.reason = failure.reason;
    to.detail = std::move(failure.detail);
    return event;
  }

  Routing routing;
  JsonPath json_path;
  FastJsonReader fast;
  PayloadView view;
  JsonTree tree;
  DecoderScratch scratch;
};

Judge::Judge(Routing routing, JsonPath json_path) : impl_(std::make_unique<Impl>(routing, json_path)) {
  BB_CHECK(routing.partitions > 0, "a ledger has partitions");
}
Judge::~Judge() = default;
Judge::Judge(Judge&&) noexcept = default;

Judgement Judge::judge(std::uint16_t rules_version, PartitionId partition, std::string_view payload, Arena& arena) {
  BB_CHECK(rules_version == 1, "the definition names only rules that there are");
  return impl_->judge_v1(partition, payload, arena);
}

bool same_event(std::string_view payload_a, std::string_view payload_b) {
  if (payload_a == payload_b) return true;
  PayloadView a;
  PayloadView b;
  if (!parse_payload(payload_a, a) || !parse_payload(payload_b, b) || a.value != b.value) return false;
  const ContentMode mode = envelope_of(a).mode;
  if (mode != envelope_of(b).mode || mode == ContentMode::refused) return false;
  if (mode == ContentMode::structured) return true;
  const auto attributes = [](const PayloadView& payload) {
    std::vector<std::pair<std::string_view, std::optional<std::string_view>>> found;
    for (const Header& header : payload.headers) {
      if (header.name.substr(0, 3) == "ce_") found.emplace_back(header.name, header.value);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  return attributes(a) == attributes(b);
}

}  // namespace bukubesar
