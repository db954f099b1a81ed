#include "server/cut_text.h"

namespace bukubesar {

std::string cut_text(const Json& cut) {
  std::string text;
  for (const auto& [partition, size] : cut.items()) text += (text.empty() ? "" : ",") + partition + "=" + size.dump();
  return text;
}

}  // namespace bukubesar
