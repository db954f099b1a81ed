// JsonText: a JSON text with the line of each member, so that an error can name the place a person has to look at.
//
// Stricter than a plain parse: a member that stands twice in one object is a problem, and so are bytes that are not UTF-8.
// Errors  problems, each with its line; nothing throws.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace bukubesar {

struct JsonProblem {
  int line = 0;  // 1-based
  std::string what;
};

struct JsonText {
  nlohmann::ordered_json value;
  std::map<std::string, int> lines;  // JSON pointer of each member ("/http/port") → line of its name
  [[nodiscard]] int line_of(const std::string& pointer) const;
};

enum class JsonComments : bool { refused, ignored };

// Appends to `problems`. False: this is no JSON, and `to` is not whole. A member that stands twice is a problem too; the last one counts.
bool read_json(std::string_view text, JsonComments comments, JsonText& to, std::vector<JsonProblem>& problems);

// "  kind, of the wrong type" in words: "a string", "an object", …
[[nodiscard]] std::string_view kind_of(const nlohmann::ordered_json& value);

// The text of a value as it goes into a line of our own making. Bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string dump_line(const nlohmann::ordered_json& value);

// Reads the members of one object strictly: each at most once, each of its type, none that nobody asked for.
class MemberReader {
 public:
  // `where` goes before each message, as in "source.epoch".
  MemberReader(const nlohmann::ordered_json& object, std::string where, std::vector<std::string>& problems);
  MemberReader(const MemberReader&) = delete;
  MemberReader& operator=(const MemberReader&) = delete;

  [[nodiscard]] bool has(const std::string& name) const { return object_.contains(name); }
  // Missing or of another type: a problem, and an empty result.
  std::string text(const std::string& name);
  std::int64_t whole(const std::string& name, std::int64_t min, std::int64_t max);
  bool boolean(const std::string& name);
  // Null where it is missing (a problem too).
  const nlohmann::ordered_json* any(const std::string& name);
  void problem(const std::string& name, std::string_view what);
  // Members that nobody asked for.
  void finish();

 private:
  const nlohmann::ordered_json* find(const std::string& name);
  const nlohmann::ordered_json& object_;
  std::string where_;
  std::vector<std::string>& problems_;
  std::vector<std::string> asked_;
};

}  // namespace bukubesar
