// ContractWatch: asks for the topic contract again and again while the intake runs.
//
// A contract that breaks while the node runs is said (log, status), and the intake goes on: what it has not read yet would be the first
// to go. The next start refuses, as for any broken contract.
//
// Threads  one of its own; findings() from any.
// Errors   none: a broker that does not answer leaves the last findings standing.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "config/config.h"
#include "config/definition.h"
#include "consumers/intake.h"

namespace bukubesar {

class ContractWatch {
 public:
  // Both outlive it, and do not change.
  ContractWatch(const Config& config, const Definition& definition, std::chrono::milliseconds interval);
  ~ContractWatch();  // waits for a look under way
  ContractWatch(const ContractWatch&) = delete;
  ContractWatch& operator=(const ContractWatch&) = delete;

  // Of the last look that was answered; nothing: there was none yet.
  [[nodiscard]] std::optional<std::vector<ContractFinding>> findings() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
