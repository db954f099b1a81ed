// Definition: read whole or refused line by line; what was read is written as text that reads the same, and the ledger's own reader of
// source statements (they are entries) sees in a line what the definition saw.
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "config/definition.h"
#include "events/payload.h"
#include "ledger/statement.h"
#include "tests/fuzz/fuzz.h"

namespace bukubesar {
namespace {

using fuzz::require;

void require_same_statement(const SourceStatement& source) {
  const std::string payload = encode_payload(std::nullopt, {}, source.line);
  const auto stated = parse_statement_payload(payload);
  // The first epoch's line need not say what it continues from, and is never an entry.
  if (source.epoch == Epoch(0) && !stated) return;
  require(stated.has_value(), "a source line of the definition is a statement to the ledger");
  require(stated->partition == source.partition && stated->epoch == source.epoch, "of the same partition and epoch");
  require(stated->first_offset == source.first_offset && stated->size == source.size, "with the same offset and size");
  require(as_view(stated->root) == source.root && stated->line == source.line, "and the same root");
}

void try_definition(std::string_view text) {
  const auto definition = parse_definition(text, "d");
  if (!definition.ok()) {
    require(definition.status().message().substr(0, 2) == "d:", "a refusal names file and line");
    return;
  }
  require(definition->text == text, "the text is kept, byte for byte");
  const std::string written = to_text(*definition);
  const auto again = parse_definition(written, "d");
  require(again.ok(), "what was read is written as a definition");
  require(to_text(*again) == written, "and as the same one");
  require(again->sources.size() == definition->sources.size() && again->rules.size() == definition->rules.size() &&
              again->feeds.size() == definition->feeds.size() && again->authorities == definition->authorities,
          "with as many statements");
  for (const SourceStatement& source : definition->sources) require_same_statement(source);
  for (const PartitionId partition : definition->all_partitions()) {
    const std::uint16_t version = definition->rules_version(partition, Epoch(0), Offset(0), 0);
    require(definition->rules.empty() || version >= definition->rules.front().version, "some rules hold from the beginning");
    require(again->origin(partition) == definition->origin(partition), "origins do not change");
    if (definition->partitions > 64) break;
  }
}

}  // namespace
}  // namespace bukubesar

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bukubesar::try_definition({reinterpret_cast<const char*>(data), size});
  return 0;
}
