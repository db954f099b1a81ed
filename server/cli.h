// The command line: one binary, subcommands. Each add_…_command() adds one, with its help, examples and callback.
//
// Exit codes  0 done; 1 something is off (verify found damage, doctor a broken contract, rows were refused); 2 the command line,
//             configuration or input is wrong; 3 not found; 4 the server, broker or disk did not answer; 5 the ledger's data is damaged;
//             6 a position beyond the end. `check` and `evidence check` have more: 7 about another ledger, 8 a key did not sign,
//             9 no proof, 10 a damaged pack, 11 the entries give another report.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapters/http_client.h"
#include "config/config.h"

namespace bukubesar {

enum class OutputFormat : std::uint8_t { table, json, csv };

// What all subcommands share. Global flags: --config FILE, --set key=value (repeatable), --data DIR, --url URL,
// --ca-file FILE, --token-file FILE, --format.
struct CliContext {
  std::string config_file;
  Settings flags;
  std::string url;                  // as given; empty: of the configuration
  std::string ca_file, token_file;  // for https URLs; the token of servers that want one
  OutputFormat format = OutputFormat::table;
  int exit_code = 0;  // what main() returns; set by the callback that ran

  // The configuration of file, environment and flags.
  [[nodiscard]] absl::StatusOr<Config> config() const;
  // Of the server to ask: --url, else where the configuration has the server listen.
  [[nodiscard]] absl::StatusOr<std::string> server_url() const;
  // How to ask the server of --url: with --ca-file, and the token of BUKUBESAR_TOKEN or --token-file.
  [[nodiscard]] absl::StatusOr<HttpClientOptions> client() const;
  // Prints "bukubesar: <message>" on standard error and sets exit_code as the table above says.
  void fail(const absl::Status& status);
};

// Verifier keys as they stand, or files that hold one a line. InvalidArgument where there are none.
[[nodiscard]] absl::StatusOr<std::vector<std::string>> read_keys(const std::vector<std::string>& given);

inline constexpr int kExitBeyondEnd = 6;
inline constexpr int kExitOtherLedger = 7;
inline constexpr int kExitNotSigned = 8;
inline constexpr int kExitNoProof = 9;
inline constexpr int kExitDamagedPack = 10;
inline constexpr int kExitReportDiffers = 11;

void add_serve_command(CLI::App& app, CliContext& context);
void add_import_command(CLI::App& app, CliContext& context);
void add_demo_command(CLI::App& app, CliContext& context);
void add_totals_command(CLI::App& app, CliContext& context);
void add_entries_command(CLI::App& app, CliContext& context);
void add_purchase_command(CLI::App& app, CliContext& context);
void add_status_command(CLI::App& app, CliContext& context);
void add_verify_command(CLI::App& app, CliContext& context);
void add_doctor_command(CLI::App& app, CliContext& context);
void add_key_command(CLI::App& app, CliContext& context);
void add_prove_command(CLI::App& app, CliContext& context);
void add_check_command(CLI::App& app, CliContext& context);
void add_export_command(CLI::App& app, CliContext& context);
void add_sqlite_export(CLI::App& parent, CliContext& context);  // of add_export_command
void add_sink_command(CLI::App& app, CliContext& context);
void add_hledger_command(CLI::App& export_command, CliContext& context);
void add_evidence_command(CLI::App& app, CliContext& context);
void add_reads_command(CLI::App& app, CliContext& context);
void add_completeness_command(CLI::App& app, CliContext& context);
void add_backup_command(CLI::App& app, CliContext& context);
void add_restore_command(CLI::App& app, CliContext& context);
void add_correct_command(CLI::App& app, CliContext& context);
void add_redact_command(CLI::App& app, CliContext& context);
void add_source_command(CLI::App& app, CliContext& context);
void add_clone_command(CLI::App& app, CliContext& context);
void add_witness_command(CLI::App& app, CliContext& context);
void add_token_command(CLI::App& app, CliContext& context);
void add_config_command(CLI::App& app, CliContext& context);

}  // namespace bukubesar
