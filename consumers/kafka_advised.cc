#include "consumers/kafka_advised.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/bytes.h"
#include "base/status.h"

namespace bukubesar {

namespace {

// "name=value" of a text of such words.
std::optional<std::string_view> word_of(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (word.size() > name.size() && word.substr(0, name.size()) == name && word[name.size()] == '=') return word.substr(name.size() + 1);
  }
  return std::nullopt;
}

}  // namespace

std::string format_advised(std::uint64_t size, const Hash256& root, std::string_view first) {
  return fmt::format("size={} root={} first={}", size, base64(as_view(root)), first);
}

std::optional<AdvisedHead> parse_advised(std::string_view metadata) {
  const auto size = word_of(metadata, "size");
  const auto root_text = word_of(metadata, "root");
  const auto first = word_of(metadata, "first");
  const auto root = root_text ? unbase64(*root_text) : std::nullopt;
  if (!size || !first || !root || root->size() != sizeof(Hash256)) return std::nullopt;
  AdvisedHead head;
  const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), head.size);
  if (error != std::errc{} || end != size->data() + size->size()) return std::nullopt;
  std::copy(root->begin(), root->end(), reinterpret_cast<char*>(head.root.data()));
  head.first = std::string(*first);
  return head;
}

absl::StatusOr<std::vector<AdvisedHead>> advised_heads(const KafkaAddress& address, const std::string& group,
                                                       const std::vector<SourcePosition>& positions, std::chrono::milliseconds timeout) {
  ASSIGN_OR_RETURN(const KafkaHandle handle,
                   make_kafka_handle(KafkaRole::consumer, address, {{"group.id", group}, {"allow.auto.create.topics", "false"}}, nullptr));
  const std::unique_ptr<rd_kafka_topic_partition_list_t, decltype(&rd_kafka_topic_partition_list_destroy)> list(
      rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())), &rd_kafka_topic_partition_list_destroy);
  for (const SourcePosition& position : positions)
    rd_kafka_topic_partition_list_add(list.get(), position.topic.c_str(), position.kafka_partition);
  const auto answered = rd_kafka_committed(handle.get(), list.get(), static_cast<int>(timeout.count()));
  if (answered != RD_KAFKA_RESP_ERR_NO_ERROR)
    return unavailable("what group {} had committed could not be asked: {}", group, rd_kafka_err2str(answered));
  std::vector<AdvisedHead> heads;
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& found = list->elems[i];
    if (found.err != RD_KAFKA_RESP_ERR_NO_ERROR || found.metadata == nullptr) continue;
    auto head = parse_advised({static_cast<const char*>(found.metadata), found.metadata_size});
    if (!head) continue;
    head->partition = positions[static_cast<std::size_t>(i)].partition;
    heads.push_back(*std::move(head));
  }
  return heads;
}

}  // namespace bukubesar
