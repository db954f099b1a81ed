#include "ledger/heads_file.h"

#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr std::string_view kSumPrefix = "sha256 ";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string format_heads(std::string_view ledger, const RecordedHeads& heads) {
  std::string text = fmt::format("bukubesar heads 1 {}\ncut_notes {}\n", ledger, heads.cut_notes);
  for (const auto& [partition, head] : heads.partitions)
    text +=
        fmt::format("{} {} {} {} {}\n", partition.name(), head.size, hex(as_view(head.root)), head.epoch.value(), head.next_offset.value());
  return text + fmt::format("{}{}\n", kSumPrefix, hex(as_view(sha256(text))));
}

absl::StatusOr<RecordedHeads> parse_heads(std::string_view text, std::string_view ledger, std::string_view file_name) {
  const std::size_t sum_at = text.rfind(kSumPrefix);
  if (sum_at == std::string_view::npos ||
      fmt::format("{}{}\n", kSumPrefix, hex(as_view(sha256(text.substr(0, sum_at))))) != text.substr(sum_at))
    return data_loss("heads file {}: its checksum does not fit; put back a whole copy of it", file_name);
  RecordedHeads heads;
  std::string_view rest = text.substr(0, sum_at);
  const std::string header = fmt::format("bukubesar heads 1 {}\n", ledger);
  if (rest.substr(0, header.size()) != header)
    return data_loss(
        "heads file {}: begins with '{}', the definition names the ledger '{}': one of the two was changed or is another ledger's",
        file_name, rest.substr(0, rest.find('\n')), ledger);
  rest.remove_prefix(header.size());
  const auto count_words = words_of(rest.substr(0, rest.find('\n')));
  const auto cut_notes = count_words.size() == 2 && count_words[0] == "cut_notes" ? number<std::uint64_t>(count_words[1]) : std::nullopt;
  if (!cut_notes) return data_loss("heads file {}: the second line is not: cut_notes <number>", file_name);
  heads.cut_notes = *cut_notes;
  for (rest.remove_prefix(rest.find('\n') + 1); !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
    const auto words = words_of(rest.substr(0, rest.find('\n')));
    if (words.size() != 5) return data_loss("heads file {}: a line has {} words, not 5", file_name, words.size());
    const auto partition = PartitionId::parse(words[0]);
    const auto size = number<std::uint64_t>(words[1]);
    const auto root = unhex(words[2]);
    const auto epoch = number<std::uint32_t>(words[3]);
    const auto next_offset = number<std::int64_t>(words[4]);
    if (!partition || !size || !root || root->size() != sizeof(Hash256) || !epoch || !next_offset)
      return data_loss("heads file {}: partition '{}': a field is no head's", file_name, words[0]);
    RecordedHead head{*size, {}, Epoch(*epoch), Offset(*next_offset)};
    std::memcpy(head.root.data(), root->data(), root->size());
    if (!heads.partitions.emplace(*partition, head).second)
      return data_loss("heads file {}: partition {} stands twice", file_name, partition->name());
  }
  return heads;
}

}  // namespace bukubesar
