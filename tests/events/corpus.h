// The golden corpus: payloads and what rules say about them. Shared by tests and by the fuzz targets' seeds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "events/rules.h"

namespace bukubesar {

struct CorpusCase {
  std::string name;
  std::string line;  // as in the file
  PartitionId partition;
  Routing routing;
  std::string payload;
};

// Aborts with the line's number where the file is not what tests/events/corpus/README.md says.
[[nodiscard]] std::vector<CorpusCase> read_corpus(const std::string& path);

// Every decoded member of an event, as text: what the corpus freezes and what the two JSON readers must agree on. Reads every view.
[[nodiscard]] std::string describe(const Event& event);

}  // namespace bukubesar
