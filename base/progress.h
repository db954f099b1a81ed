// Progress: how long work tells whoever waits. Called from the working thread, at most a few times a second.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace bukubesar {

// what: "reading entries"; total 0 where it is not known.
using Progress = std::function<void(std::string_view what, std::uint64_t done, std::uint64_t total)>;

}  // namespace bukubesar
