#include "config/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "base/line_counter.h"

namespace bukubesar {

namespace {

using Json = nlohmann::ordered_json;

std::string escaped(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (c == '~')
      out += "~0";
    else if (c == '/')
      out += "~1";
    else
      out += c;
  }
  return out;
}

// Builds the value, and the line of each member on the way.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, int* line, JsonText& to, std::vector<JsonProblem>& problems)
      : text_(text), line_(line), to_(to), problems_(problems) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override { return put(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.name = name;
    level.name_pointer = level.pointer + "/" + escaped(name);
    if (!to_.lines.emplace(level.name_pointer, *line_).second)
      problems_.push_back({*line_, fmt::format("\"{}\" stands twice, first in line {}", name, to_.lines[level.name_pointer])});
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // The parser counts the characters it has read; the place is the last of them.
    const std::size_t end = std::min(position == 0 ? 0 : position - 1, text_.size());
    const int line = 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    std::string what = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error …": our own line is the one to name.
    if (const std::size_t at = what.find(": "); at != std::string::npos) what.erase(0, at + 2);
    problems_.push_back({line, what});
    return false;
  }

 private:
  struct Level {
    Json* value;
    std::string pointer, name, name_pointer;
  };

  Json* add(Json value) {
    if (levels_.empty()) {
      to_.value = std::move(value);
      return &to_.value;
    }
    Level& level = levels_.back();
    if (level.value->is_array()) {
      level.value->push_back(std::move(value));
      return &level.value->back();
    }
    Json& slot = (*level.value)[level.name];
    slot = std::move(value);
    return &slot;
  }
  bool put(Json value) {
    add(std::move(value));
    return true;
  }
  bool open(Json container) {
    std::string pointer;
    if (!levels_.empty()) {
      const Level& level = levels_.back();
      pointer = level.value->is_array() ? fmt::format("{}/{}", level.pointer, level.value->size()) : level.name_pointer;
    }
    Json* value = add(std::move(container));
    levels_.push_back({value, std::move(pointer), {}, {}});
    return true;
  }
  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  int* line_;
  JsonText& to_;
  std::vector<JsonProblem>& problems_;
  std::vector<Level> levels_;  // a container does not grow while one inside it is open, so the pointers hold
};

}  // namespace

int JsonText::line_of(const std::string& pointer) const {
  const auto at = lines.find(pointer);
  return at == lines.end() ? 1 : at->second;
}

bool read_json(std::string_view text, JsonComments comments, JsonText& to, std::vector<JsonProblem>& problems) {
  // For nlohmann/json a NUL is the end, and what stands behind it would go unread.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    problems.push_back({1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(nul), '\n')),
                        "holds a NUL byte, which no JSON text does"});
    return false;
  }
  int line = 1;
  Builder builder(text, &line, to, problems);
  // A member's name ends with a quote, behind which the parser has not looked yet, so the count is exact when key() is called.
  const LineCounter first(text.data(), &line), last(text.data() + text.size(), &line);
  return Json::sax_parse(first, last, &builder, nlohmann::detail::input_format_t::json, true, comments == JsonComments::ignored);
}

std::string_view kind_of(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "an array";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "a whole number";
    case Json::value_t::number_float:
      return "a number that is not whole";
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return "nothing";
}

std::string dump_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

MemberReader::MemberReader(const Json& object, std::string where, std::vector<std::string>& problems)
    : object_(object), where_(std::move(where)), problems_(problems) {}

void MemberReader::problem(const std::string& name, std::string_view what) {
  problems_.push_back(fmt::format("{}{}{}: {}", where_, where_.empty() ? "" : ".", name, what));
}

const Json* MemberReader::find(const std::string& name) {
  asked_.push_back(name);
  const auto at = object_.find(name);
  if (at != object_.end()) return &*at;
  problem(name, "is missing");
  return nullptr;
}

const Json* MemberReader::any(const std::string& name) { return find(name); }

std::string MemberReader::text(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get<std::string>();
  problem(name, fmt::format("must be a string, is {}", kind_of(*value)));
  return {};
}

std::int64_t MemberReader::whole(const std::string& name, std::int64_t min, std::int64_t max) {
  const Json* value = find(name);
  if (value == nullptr) return min;
  if (!value->is_number_integer()) {
    problem(name, fmt::format("must be a whole number, is {}", kind_of(*value)));
    return min;
  }
  const bool past_int64 = value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (!past_int64 && value->get<std::int64_t>() >= min && value->get<std::int64_t>() <= max) return value->get<std::int64_t>();
  problem(name, fmt::format("{} is not within {} … {}", value->dump(), min, max));
  return min;
}

bool MemberReader::boolean(const std::string& name) {
  const Json* value = find(name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  problem(name, fmt::format("must be true or false, is {}", kind_of(*value)));
  return false;
}

void MemberReader::finish() {
  for (const auto& [name, value] : object_.items())
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) problem(name, "is not known here");
}

}  // namespace bukubesar
