// The auditor's commands: why a figure is what it is, what changed between two reports, what happened entry by entry.
#pragma once

#include "server/cli.h"

namespace bukubesar {

void add_explain_command(CLI::App& app, CliContext& context);
void add_diff_command(CLI::App& app, CliContext& context);
void add_replay_command(CLI::App& app, CliContext& context);
void add_view_command(CLI::App& app, CliContext& context);
void add_purchases_command(CLI::App& app, CliContext& context);
void add_findings_command(CLI::App& app, CliContext& context);

}  // namespace bukubesar
