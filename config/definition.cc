#include "config/definition.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>
#include <tuple>
#include <utility>

#include "base/bytes.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/status.h"
#include "base/time.h"
#include "config/json_text.h"
#include "config/names.h"

namespace bukubesar {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kClockNames[] = {"kafka", "intake", "none"};

std::string empty_root() { return std::string(as_view(sha256(""))); }

// One parse: what has been read, and every problem with its line.
class DefinitionParser {
 public:
  explicit DefinitionParser(std::string_view file_name) : file_name_(file_name) {}

  void line(std::string_view text) {
    ++line_;
    if (text.empty()) return add("is empty; each line is one statement");
    if (text.back() == '\r') return add("ends with a carriage return; lines end with a newline alone");
    JsonText json;
    std::vector<JsonProblem> problems;
    read_json(text, JsonComments::refused, json, problems);
    for (const JsonProblem& problem : problems) add(problem.what);
    if (!problems.empty()) return;
    if (!json.value.is_object() || json.value.size() != 1) return add("must be an object with one member, the statement's kind");
    const std::string kind = json.value.begin().key();
    const Json& body = json.value.begin().value();
    if (!body.is_object()) return add(fmt::format("{}: must be an object, is {}", kind, kind_of(body)));
    if ((line_ == 1) != (kind == "ledger"))
      return add(kind == "ledger" ? "ledger: stands twice; it is the first line, and only that"
                                  : "the first line must be the ledger statement");
    statement(kind, body, text);
  }

  absl::StatusOr<Definition> result() {
    if (line_ == 0) return invalid_argument("{}:1: is empty; the first line must be the ledger statement", file_name_);
    if (problems_.empty()) return std::move(definition_);
    return absl::InvalidArgumentError(fmt::format("{}", fmt::join(problems_, "\n")));
  }

 private:
  void add(std::string_view what) { problems_.push_back(fmt::format("{}:{}: {}", file_name_, line_, what)); }

  void statement(const std::string& kind, const Json& body, std::string_view text) {
    std::vector<std::string> problems;
    MemberReader reader(body, kind, problems);
    if (kind == "ledger")
      ledger(reader);
    else if (kind == "rules")
      rules(reader, problems);
    else if (kind == "source")
      source(reader, problems, text);
    else if (kind == "feed")
      feed(reader);
    else if (kind == "authority")
      authority(reader);
    else
      return add(fmt::format("\"{}\" is no kind of statement; there are ledger, rules, source, feed, authority", kind));
    reader.finish();
    for (const std::string& problem : problems) add(problem);
  }

  void ledger(MemberReader& reader) {
    definition_.name = reader.text("name");
    if (const std::string why = why_no_ledger_name(definition_.name); !why.empty() && reader.has("name")) reader.problem("name", why);
    reader.whole("format", 1, 1);
    definition_.partitions = static_cast<std::uint32_t>(reader.whole("partitions", 1, kPartitionsMax));
    definition_.partitioner = reader.text("partitioner");
    if (!is_partitioner(definition_.partitioner)) reader.problem("partitioner", one_of(kPartitionerNames));
    const std::string clock = reader.text("clock");
    const auto* at = std::find(std::begin(kClockNames), std::end(kClockNames), clock);
    if (at == std::end(kClockNames))
      reader.problem("clock", one_of(kClockNames));
    else
      definition_.clock = static_cast<LedgerClock>(at - std::begin(kClockNames));
    const std::string zone = reader.text("zone");
    if (const auto minutes = parse_zone_minutes(zone))
      definition_.zone_minutes = *minutes;
    else
      reader.problem("zone", "must be an offset from UTC such as \"+08:00\"");
  }

  PartitionId partition(MemberReader& reader) {
    const std::string name = reader.text("partition");
    const auto partition = PartitionId::parse(name);
    if (!partition)
      reader.problem("partition", fmt::format("\"{}\" is no partition; there are \"0\" … and \"reference\"", name));
    else if (!partition->is_reference() && partition->number() >= definition_.partitions)
      reader.problem("partition", fmt::format("{} does not exist; the ledger has {} of them", name, definition_.partitions));
    return partition.value_or(PartitionId(0));
  }

  void rules(MemberReader& reader, std::vector<std::string>& problems) {
    RulesStatement read;
    read.version = static_cast<std::uint16_t>(reader.whole("version", 1, UINT16_MAX));
    const Json* from = reader.any("from");
    if (from == nullptr) return;
    if (from->is_string()) {
      read.from_ledger_time_ms = parse_instant_ms(from->get<std::string>());
      if (!read.from_ledger_time_ms) return reader.problem("from", "is no instant such as \"2023-06-01T00:00:00+08:00\"");
    } else if (from->is_object()) {
      MemberReader place(*from, "rules.from", problems);
      read.from_place = RulesStatement::Place{partition(place), Epoch(static_cast<std::uint32_t>(place.whole("epoch", 0, UINT32_MAX))),
                                              Offset(place.whole("offset", 0, INT64_MAX))};
      place.finish();
    } else {
      return reader.problem("from", "must be an instant, or an object with partition, epoch and offset");
    }
    if (problems.empty()) check_rules(reader, read);
    definition_.rules.push_back(read);
  }

  // The first statement holds from the beginning; each later one from a later point on, with a later version.
  void check_rules(MemberReader& reader, const RulesStatement& read) {
    if (definition_.rules.empty()) {
      if (read.from_ledger_time_ms != 0) reader.problem("from", "the first rules line must hold from \"1970-01-01T00:00:00Z\" on");
      return;
    }
    const bool by_place = definition_.clock == LedgerClock::none;
    if (by_place != read.from_place.has_value())
      return reader.problem("from", by_place ? "this ledger has no ledger time: name partition, epoch and offset"
                                             : "this ledger has ledger time: name an instant");
    for (const RulesStatement& before : definition_.rules) {
      const bool other_partition = by_place && before.from_place && before.from_place->partition != read.from_place->partition;
      if (other_partition ? before.version > read.version : before.version >= read.version)
        return reader.problem("version", fmt::format("{} does not come after version {}", read.version, before.version));
      if (by_place && !other_partition && before.from_place &&
          std::tie(before.from_place->epoch, before.from_place->offset) >= std::tie(read.from_place->epoch, read.from_place->offset))
        return reader.problem("from", "does not come after the line before it");
      // A line before this one that was refused may have the other form.
      if (!by_place && before.from_ledger_time_ms && *before.from_ledger_time_ms >= *read.from_ledger_time_ms)
        return reader.problem("from", "does not come after the line before it");
    }
  }

  void source(MemberReader& reader, const std::vector<std::string>& problems, std::string_view text) {
    SourceStatement read;
    read.line = text;
    read.epoch = Epoch(static_cast<std::uint32_t>(reader.whole("epoch", 0, UINT32_MAX)));
    read.partition = partition(reader);
    read.cluster = reader.text("cluster");
    read.topic = reader.text("topic");
    if (reader.has("topic") && !is_topic_name(read.topic)) reader.problem("topic", fmt::format("\"{}\" is no topic name", read.topic));
    read.kafka_partition = static_cast<std::int32_t>(reader.whole("kafka_partition", 0, INT32_MAX));
    read.first_offset = Offset(reader.whole("first_offset", 0, INT64_MAX));
    if (reader.has("transactional")) read.transactional = reader.boolean("transactional");
    // The first epoch continues from nothing; who writes the line by hand need not look up the root of the empty tree.
    const bool first = read.epoch == Epoch(0);
    if (!first || reader.has("size")) read.size = static_cast<std::uint64_t>(reader.whole("size", 0, INT64_MAX));
    read.root = empty_root();
    if (!first || reader.has("root")) {
      const auto root = unbase64(reader.text("root"));
      if (!root || root->size() != 32)
        reader.problem("root", "must be 32 bytes in base64");
      else
        read.root = *root;
    }
    read.reason = reader.text("reason");
    read.decided_by = reader.text("decided_by");
    if (problems.empty()) check_source(reader, read);
    definition_.sources.push_back(std::move(read));
  }

  void check_source(MemberReader& reader, const SourceStatement& read) {
    const SourceStatement* before = definition_.source_of(read.partition);
    const std::uint32_t next = before == nullptr ? 0 : before->epoch.value() + 1;
    if (read.epoch.value() != next)
      return reader.problem("epoch", fmt::format("must be {}, the next one of partition {}", next, read.partition.name()));
    if ((read.size == 0) != (read.root == empty_root())) reader.problem("root", fmt::format("is not one of a tree of size {}", read.size));
    if (before == nullptr) {
      if (read.size != 0) reader.problem("size", "must be 0: the first epoch continues from nothing");
      return;
    }
    // The statement of an epoch after the first is itself an entry.
    const std::uint64_t size_min = before->size + (before->epoch.value() >= 1 ? 1 : 0);
    if (read.size < size_min)
      reader.problem("size", fmt::format("{} is less than {}, where the epoch before it stood", read.size, size_min));
    if (read.reason.empty()) reader.problem("reason", "must not be empty: auditors read it");
    if (read.decided_by.empty()) reader.problem("decided_by", "must not be empty: auditors read it");
  }

  void feed(MemberReader& reader) {
    FeedStatement read{reader.text("system"), reader.text("institution"), reader.text("source")};
    if (reader.has("system") && !is_code_text(read.system)) reader.problem("system", fmt::format("\"{}\" is no code", read.system));
    if (reader.has("institution") && read.institution != "*" && !is_code_text(read.institution))
      reader.problem("institution", fmt::format("\"{}\" is neither a code nor \"*\"", read.institution));
    check_event_source(reader, read.source);
    for (const FeedStatement& before : definition_.feeds)
      if (before.system == read.system && before.institution == read.institution)
        reader.problem("institution", fmt::format("{} of {} has a feed already, {}", read.institution, read.system, before.source));
    definition_.feeds.push_back(std::move(read));
  }

  void authority(MemberReader& reader) {
    std::string source = reader.text("source");
    check_event_source(reader, source);
    const auto& all = definition_.authorities;
    if (std::find(all.begin(), all.end(), source) != all.end()) reader.problem("source", fmt::format("{} stands twice", source));
    definition_.authorities.push_back(std::move(source));
  }

  static void check_event_source(MemberReader& reader, const std::string& source) {
    if (reader.has("source") && !is_event_source(source)) reader.problem("source", "must be 1 … 512 bytes without control characters");
  }

  std::string file_name_;
  int line_ = 0;
  Definition definition_;
  std::vector<std::string> problems_;
};

std::string zone_text(int minutes) {
  const int absolute = minutes < 0 ? -minutes : minutes;
  return fmt::format("{}{:02}:{:02}", minutes < 0 ? '-' : '+', absolute / 60, absolute % 60);
}

}  // namespace

std::vector<PartitionId> Definition::all_partitions() const {
  std::vector<PartitionId> all;
  for (std::uint32_t number = 0; number < partitions; ++number) all.emplace_back(number);
  all.push_back(PartitionId::reference());
  return all;
}

const SourceStatement* Definition::source_of(PartitionId partition) const {
  const auto at = std::find_if(sources.rbegin(), sources.rend(), [&](const SourceStatement& each) { return each.partition == partition; });
  return at == sources.rend() ? nullptr : &*at;
}

const SourceStatement* Definition::source_of(PartitionId partition, Epoch epoch) const {
  const auto at = std::find_if(sources.begin(), sources.end(),
                               [&](const SourceStatement& each) { return each.partition == partition && each.epoch == epoch; });
  return at == sources.end() ? nullptr : &*at;
}

std::string Definition::origin(PartitionId partition) const { return fmt::format("{}/{}", name, partition.name()); }

std::uint16_t Definition::rules_version(PartitionId partition, Epoch epoch, Offset offset, std::int64_t ledger_time_ms) const {
  std::uint16_t version = rules.empty() ? std::uint16_t{1} : rules.front().version;
  for (const RulesStatement& each : rules) {
    const bool holds = each.from_place ? each.from_place->partition == partition &&
                                             std::tie(each.from_place->epoch, each.from_place->offset) <= std::tie(epoch, offset)
                                       : each.from_ledger_time_ms && *each.from_ledger_time_ms <= ledger_time_ms;
    if (holds) version = each.version;
  }
  return version;
}

absl::StatusOr<Definition> parse_definition(std::string_view text, std::string_view file_name) {
  DefinitionParser parser(file_name);
  std::string whole(text);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    parser.line(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  auto definition = parser.result();
  if (definition.ok()) definition->text = std::move(whole);
  return definition;
}

std::string to_line(const SourceStatement& statement) {
  const Json body = {{"epoch", statement.epoch.value()},
                     {"partition", statement.partition.name()},
                     {"cluster", statement.cluster},
                     {"topic", statement.topic},
                     {"kafka_partition", statement.kafka_partition},
                     {"first_offset", statement.first_offset.value()},
                     {"transactional", statement.transactional},
                     {"size", statement.size},
                     {"root", base64(statement.size == 0 ? empty_root() : statement.root)},
                     {"reason", statement.reason},
                     {"decided_by", statement.decided_by}};
  return dump_line({{"source", body}});
}

std::string to_line(const RulesStatement& statement) {
  Json body = {{"version", statement.version}};
  if (statement.from_place)
    body["from"] = {{"partition", statement.from_place->partition.name()},
                    {"epoch", statement.from_place->epoch.value()},
                    {"offset", statement.from_place->offset.value()}};
  else
    body["from"] = format_instant_ms(statement.from_ledger_time_ms.value_or(0), 0);
  return dump_line({{"rules", body}});
}

std::string to_line(const FeedStatement& statement) {
  const Json body = {{"system", statement.system}, {"institution", statement.institution}, {"source", statement.source}};
  return dump_line({{"feed", body}});
}

std::string authority_line(std::string_view source) {
  const Json body = {{"source", std::string(source)}};
  return dump_line({{"authority", body}});
}

std::string ledger_line(const Definition& definition) {
  const Json body = {{"name", definition.name},
                     {"format", 1},
                     {"partitions", definition.partitions},
                     {"partitioner", definition.partitioner},
                     {"clock", std::string(kClockNames[static_cast<std::size_t>(definition.clock)])},
                     {"zone", zone_text(definition.zone_minutes)}};
  return dump_line({{"ledger", body}});
}

std::string to_text(const Definition& definition) {
  std::string text = ledger_line(definition) + "\n";
  for (const RulesStatement& each : definition.rules) text += to_line(each) + "\n";
  for (const SourceStatement& each : definition.sources) text += (each.line.empty() ? to_line(each) : each.line) + "\n";
  for (const FeedStatement& each : definition.feeds) text += to_line(each) + "\n";
  for (const std::string& each : definition.authorities) text += authority_line(each) + "\n";
  return text;
}

absl::StatusOr<DefinitionFile> DefinitionFile::load(const std::string& path) {
  DefinitionFile file;
  file.path_ = path;
  ASSIGN_OR_RETURN(file.text_, read_file(path));
  ASSIGN_OR_RETURN(Definition definition, parse_definition(file.text_, path));
  file.take(std::move(definition));
  return file;
}

absl::StatusOr<DefinitionFile> DefinitionFile::create(const std::string& path, const Definition& first) {
  std::error_code error;
  if (std::filesystem::exists(path, error) || error)
    return failed_precondition("{}: a definition exists already; lines are added to it, it is never made again", path);
  Definition whole = first;
  if (whole.rules.empty()) whole.rules.push_back({1, 0, std::nullopt});
  DefinitionFile file;
  file.path_ = path;
  file.text_ = to_text(whole);
  ASSIGN_OR_RETURN(Definition definition, parse_definition(file.text_, path));
  file.take(std::move(definition));
  RETURN_IF_ERROR(write_file_durably(path, file.text_));
  return file;
}

absl::StatusOr<Definition> DefinitionFile::with(std::string_view line) const {
  if (line.find('\n') != std::string_view::npos) return invalid_argument("{}: a statement is one line", path_);
  std::string text = text_;
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += fmt::format("{}\n", line);
  return parse_definition(text, path_);
}

absl::Status DefinitionFile::append(std::string_view line) {
  ASSIGN_OR_RETURN(Definition definition, with(line));
  ASSIGN_OR_RETURN(const std::string on_disk, read_file(path_));
  // Already there: written by an earlier try, whose sync failed.
  if (on_disk != text_ && on_disk != definition.text)
    return failed_precondition("{}: somebody changed it since this node read it; start again", path_);
  // Whole and renamed into place, so that a crash leaves the old file or the new one, never half a line. A link stays a link.
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path_, error);
  crash_point("definition_before");
  RETURN_IF_ERROR(write_file_durably(error ? path_ : target.string(), definition.text));
  crash_point("definition_after");
  text_ = definition.text;
  take(std::move(definition));
  return absl::OkStatus();
}

void DefinitionFile::take(Definition definition) {
  versions_.push_back(std::make_unique<const Definition>(std::move(definition)));
  *newest_ = versions_.back().get();
}

}  // namespace bukubesar
