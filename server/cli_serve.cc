#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "adapters/terminal_progress.h"
#include "base/status.h"
#include "server/cli.h"
#include "server/node.h"

namespace bukubesar {

namespace {

// Waits for SIGINT, SIGTERM or SIGHUP in one place: every other thread has them blocked from before it was made.
class StopSignals {
 public:
  StopSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    signal(SIGPIPE, SIG_IGN);
  }
  // SIGINT or SIGTERM; SIGHUP calls `reload` and is waited through.
  int wait(const std::function<void()>& reload) const {
    int number = SIGHUP;
    while (number == SIGHUP) {
      sigwait(&set_, &number);
      if (number == SIGHUP && reload) reload();
    }
    return number;
  }

 private:
  sigset_t set_{};
};

constexpr rlim_t kFilesBesideConnections = 4096;  // RocksDB's, segments, librdkafka's sockets: comes on top of http.connections_max

// A shell's usual limit is 1024: as many idle clients would keep the ledger from opening its own files.
void raise_file_limit(const HttpConfig& http) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t wanted = http.connections_max + kFilesBesideConnections;
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted) {
    spdlog::warn(
        "the limit on open files is {}: {} connections (http.connections_max) and the ledger's own files want {}; raise it "
        "(ulimit -Hn, LimitNOFILE), or lower http.connections_max",
        limit.rlim_cur, http.connections_max, wanted);
  }
}

// The node, for the thread that waits for signals: it comes and goes on another.
class SharedNode {
 public:
  void set(Node* node) {
    const absl::MutexLock lock(&mutex_);
    node_ = node;
  }
  [[nodiscard]] bool has_started() {
    const absl::MutexLock lock(&mutex_);
    return started();
  }
  void reload_access() {
    const absl::MutexLock lock(&mutex_);
    if (started()) node_->reload_access();
  }

 private:
  [[nodiscard]] bool started() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return node_ != nullptr && node_->ready(); }
  absl::Mutex mutex_;
  Node* node_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

void serve(CliContext& context, bool insecure_public_read) {
  if (insecure_public_read) context.flags.emplace_back("http.insecure_public_read", "true");
  const absl::StatusOr<Config> config = context.config();
  if (!config.ok()) return context.fail(config.status());
  spdlog::set_level(spdlog::level::from_str(config->log.level));
  raise_file_limit(config->http);
  const auto signals = std::make_shared<StopSignals>();
  const auto shared = std::make_shared<SharedNode>();
  const auto reload = [shared] { shared->reload_access(); };
  // While it starts, nothing was answered and nothing has to be drained: a signal ends the process at once, as a crash would, which the
  // ledger is made for. Once it runs, the signal is passed on to the designed stop.
  std::thread waiter([signals, shared, reload] {
    const int number = signals->wait(reload);
    if (!shared->has_started()) {
      spdlog::info("signal {} while starting: stopped", number);
      std::_Exit(0);
    }
    kill(getpid(), number);
  });
  auto bar = std::make_unique<TerminalProgress>();  // start-up only: on the thread that starts
  Node node(*config, [&bar](std::string_view what, std::uint64_t done, std::uint64_t total) {
    if (bar) bar->show(what, done, total);
  });
  shared->set(&node);
  const absl::Status status = node.start();
  bar.reset();
  if (!status.ok()) {
    shared->set(nullptr);
    waiter.detach();
    return context.fail(status);
  }
  spdlog::info("listening on {}://{}:{}, cut {}", node.tls() == nullptr ? "http" : "https", config->http.address, node.port(),
               node.projections().cut().text());
  waiter.join();
  spdlog::info("signal {}: stopping", signals->wait(reload));
  shared->set(nullptr);
  std::thread impatience([signals] {
    signals->wait([] {});
    spdlog::warn("second signal: ending at once");
    std::_Exit(1);
  });
  impatience.detach();
  node.stop();
  spdlog::info("stopped");
  if (node.witness_objects()) context.exit_code = 1;
}

struct WitnessFlags {
  std::string ledger, name, keys_file;
  bool once = false;
};

void witness(CliContext& context, const WitnessFlags& flags) {
  const auto set = [&context](const char* key, const std::string& value) {
    if (!value.empty()) context.flags.emplace_back(key, value);
  };
  set("witness.ledger", flags.ledger);
  set("witness.name", flags.name);
  set("witness.keys_file", flags.keys_file);
  set("witness.ca_file", context.ca_file);
  set("witness.token_file", context.token_file);
  if (flags.once) set("witness.once", "true");
  serve(context, /*insecure_public_read=*/false);
}

}  // namespace

void add_witness_command(CLI::App& app, CliContext& context) {
  CLI::App* command =
      app.add_subcommand("witness", "run a second node that rebuilds the ledger from Kafka and cosigns what it finds the same");
  auto flags = std::make_shared<WitnessFlags>();
  command->add_option("--ledger", flags->ledger, "the server that signs")->required()->type_name("URL");
  command->add_option("--name", flags->name, "of this witness, as in its key: inspektorat.example/bukubesar")->required();
  command->add_option("--key", flags->keys_file, "verifier keys of the ledger; without it <data>/witness.keys, fetched on the first start")
      ->type_name("FILE");
  command->add_flag("--once", flags->once, "end when every partition was looked at");
  command->footer(
      "It is a whole node (`serve`) with a data directory and a key of its own, made where they are missing; it reads the same topics. "
      "The\n"
      "operator of the ledger lists its key in signing.witnesses; it is printed at the start. A ledger with tokens wants one with role "
      "read,\n"
      "for reading and for handing in cosignatures alike.\n"
      "Where the roots differ, where the ledger has become shorter or signs with another key, it refuses that partition for good: a "
      "critical\n"
      "line in its log with both roots and the signed checkpoint, the metric bukubesar_witness_refused, a warning in its status, exit code "
      "1.\n\n"
      "Examples:\n"
      "  bukubesar --data /srv/witness --set http.port=8081 --set broker.kind=kafka --set broker.bootstrap_servers=127.0.0.1:9092 \\\n"
      "    witness --ledger http://127.0.0.1:8080 --name inspektorat.example/bukubesar\n"
      "  … witness --ledger http://127.0.0.1:8080 --name inspektorat.example/bukubesar --once && echo the same\n"
      "  … --ca-file ca.pem --token-file witness.token witness --ledger https://ledger.example:8443 --name inspektorat.example/bukubesar");
  command->callback([&context, flags] { witness(context, *flags); });
}

void add_serve_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("serve", "run the server: intake from Kafka, ledger, totals, HTTP");
  command->add_flag_callback(
      "--create-topics", [&context] { context.flags.emplace_back("broker.create_topics", "true"); },
      "make both Kafka topics as the topic contract asks, where they are missing (broker.create_topics); the embedded broker makes its "
      "own");
  command->footer(
      "SIGINT or SIGTERM stops it in order: no new requests, intake drained and committed, heads signed, files closed; exit code 0.\n"
      "SIGHUP reads the TLS certificate and the tokens again; both are also read again by themselves when they change.\n"
      "Beyond loopback it wants TLS and tokens (`bukubesar token new`), or --insecure-public-read: reads for whoever comes, no payloads,\n"
      "no POST /v1/events.\n\n"
      "Examples:\n"
      "  bukubesar serve                                               embedded broker, 127.0.0.1:8080, data in var/data\n"
      "  bukubesar --data /srv/bukubesar --set http.port=8081 serve\n"
      "  bukubesar --set broker.kind=kafka --set broker.bootstrap_servers=127.0.0.1:9092 serve --create-topics\n"
      "  bukubesar --set http.address=0.0.0.0 --set http.tls_certificate_file=cert.pem --set http.tls_key_file=key.pem serve");
  auto insecure_public_read = std::make_shared<bool>(false);
  command->add_flag("--insecure-public-read", *insecure_public_read, "whoever comes may read, but for payloads; needs no TLS");
  command->callback([&context, insecure_public_read] { serve(context, *insecure_public_read); });
}

}  // namespace bukubesar
