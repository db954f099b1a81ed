// bukubesar correct, bukubesar redact: events that an authority makes by hand. Prepared here, sent like any other.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <thread>

#include "adapters/event_builder.h"
#include "adapters/secret_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status.h"
#include "base/time.h"
#include "events/json_peek.h"
#include "events/payload.h"
#include "ledger/signer.h"
#include "server/ask.h"
#include "server/cli.h"
#include "server/correction_signature.h"
#include "server/entry_json.h"
#include "server/json.h"

namespace bukubesar {

namespace {

constexpr std::chrono::milliseconds kAskInterval{100};
constexpr std::chrono::seconds kErasedWithin{60};

struct AuthorityEvent {
  std::string source, authority;
  std::string document_file;  // of the new or replacing document
  std::string time;           // empty: now
  std::string secret_file;    // of salts; empty: <data_dir>/import.key
  bool send = false;
};

void add_common_options(CLI::App* command, AuthorityEvent& common) {
  command->add_option("--source", common.source, "who says so: a feed that the definition lists as authority, /feed/inspectorate")
      ->required();
  command->add_option("--authority", common.authority, "the office, and on what it acts: \"Inspektorat Kabupaten Tabalong, LHP 12/2024\"");
  command->add_option("--time", common.time, "RFC 3339; default: now. The same time, the same event: it can be sent twice");
  command->add_option("--secret-file", common.secret_file, "the secret of salts; default: <data_dir>/import.key, made where it is missing");
  command->add_flag("--send", common.send, "send it to the server (role ingest); without it the event is printed");
}

absl::StatusOr<EventIds> open_ids(const CliContext& context, std::string path) {
  if (path.empty()) {
    ASSIGN_OR_RETURN(const Config config, context.config());
    path = (std::filesystem::path(config.data_dir) / "import.key").string();
  }
  ASSIGN_OR_RETURN(const SecretFile file, read_or_make_secret(path));
  return EventIds(file.secret);
}

// A JSON object from a file, on one line: records are lines in many tools.
absl::StatusOr<std::string> read_document(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return invalid_argument("{}: is no JSON object: it has to be a document, as docs/EVENTS.md describes", path);
  return to_text(json);
}

std::string now_text() { return format_instant_ms(Clock::system().wall_ms(), 0); }

absl::StatusOr<Json> get_json(HttpClient& client, const std::string& target) {
  ASSIGN_OR_RETURN(const HttpResponse answer, client.get(target));
  RETURN_IF_ERROR(with_context(status_of(answer), target));
  Json json = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return unavailable("{}{}: the answer is no JSON object", client.url(), target);
  return json;
}

// Its receipt. FailedPrecondition where it was not accepted: nothing is in force that was not.
absl::StatusOr<Json> send(HttpClient& client, const std::string& event) {
  ASSIGN_OR_RETURN(const HttpResponse answer, client.post("/v1/events", "application/cloudevents+json", event, {}, SendTwice::harmless));
  RETURN_IF_ERROR(status_of(answer));
  const Json json = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("results") || json["results"].empty()) return unavailable("the answer has no receipt");
  Json receipt = json["results"][0];
  const std::string verdict = receipt.value("verdict", "");
  if (verdict == "accepted" || (verdict == "duplicate" && receipt.value("reason", "") == "same")) return receipt;
  return failed_precondition("it was {}: {}", verdict, to_text(receipt));
}

// The document that a payload states, for people to edit.
absl::Status print_template(HttpClient& client, const std::string& partition, std::uint64_t sequence) {
  ASSIGN_OR_RETURN(const HttpResponse answer, client.get(fmt::format("/payload/{}/{}", partition, sequence)));
  RETURN_IF_ERROR(status_of(answer));
  const auto document = member_text(answer.body, {"data", "document"});
  if (!document) return failed_precondition("{}/{} states no document: it needs no replacement", partition, sequence);
  fmt::print("{}\n", to_text(Json::parse(*document, nullptr, /*allow_exceptions=*/false), 2));
  return absl::OkStatus();
}

// ---- correct ----

struct CorrectFlags {
  AuthorityEvent common;
  std::string purchase, reason, approver, corrects_source, corrects_id, key_file, signer;
  bool print_template = false;
};

absl::Status print_purchase_template(CliContext& context, const std::string& purchase) {
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const Json found, get_json(client, "/v1/purchases/" + percent_encode(purchase, /*keep_slash=*/true)));
  const Json& history = found.at("history");
  for (auto event = history.rbegin(); event != history.rend(); ++event) {
    const std::string type = event->value("type", "");
    if (type != "purchase.ordered" && type != "purchase.amended" && type != "purchase.corrected") continue;
    return print_template(client, event->value("partition", ""), event->value("sequence", std::uint64_t{0}));
  }
  return failed_precondition("{} has no document yet", purchase);
}

absl::StatusOr<std::string> correction_event(CliContext& context, const CorrectFlags& flags) {
  ASSIGN_OR_RETURN(const std::string document, read_document(flags.common.document_file));
  ASSIGN_OR_RETURN(EventIds ids, open_ids(context, flags.common.secret_file));
  const Json correction = {{"reason", flags.reason},
                           {"authority", flags.common.authority},
                           {"approver", flags.approver},
                           {"corrects", {{"source", flags.corrects_source}, {"id", flags.corrects_id}}}};
  const std::string time = flags.common.time.empty() ? now_text() : flags.common.time;
  EventFrame frame;
  frame.type = EventType::corrected;
  frame.source = flags.common.source;
  frame.subject = flags.purchase;
  frame.time = time;
  frame.predecessor = time;
  BuiltEvent built = build_event(ids, frame, fmt::format("\"document\":{},\"correction\":{}", document, to_text(correction)));
  if (flags.key_file.empty()) return std::move(built.text);
  ASSIGN_OR_RETURN(const SigningKeys keys, SigningKeys::load(flags.key_file));
  const std::string text = correction_text(flags.common.source, built.id, flags.purchase, peek_raw(built.text, {"data"}).value_or(""));
  built.text.pop_back();
  built.text += fmt::format(",\"signature\":{}}}", to_text(Json(correction_signature(keys, flags.signer, text))));
  return std::move(built.text);
}

absl::Status correct(CliContext& context, const CorrectFlags& flags) {
  if (flags.print_template) return print_purchase_template(context, flags.purchase);
  for (const auto& [name, value] : {std::pair("--document", flags.common.document_file), std::pair("--reason", flags.reason),
                                    std::pair("--authority", flags.common.authority), std::pair("--approver", flags.approver),
                                    std::pair("--corrects-source", flags.corrects_source), std::pair("--corrects-id", flags.corrects_id)})
    if (value.empty()) return invalid_argument("{} is missing: a correction says what, why, by whom, and of which event", name);
  if (flags.key_file.empty() != flags.signer.empty()) return invalid_argument("--sign-with and --signer come together");
  ASSIGN_OR_RETURN(const std::string event, correction_event(context, flags));
  if (!flags.common.send) {
    fmt::print("{}\n", event);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const Json receipt, send(client, event));
  fmt::print("{}\n", to_text(receipt));
  return absl::OkStatus();
}

// ---- redact ----

struct RedactFlags {
  AuthorityEvent common;
  std::string entry, ground;
  bool print_template = false;
};

// What became of it, once that is settled.
absl::StatusOr<Json> settled(HttpClient& client, const std::string& redaction) {
  const auto end = std::chrono::steady_clock::now() + kErasedWithin;
  while (true) {
    ASSIGN_OR_RETURN(const Json answer, get_json(client, "/v1/redactions"));
    for (const Json& each : answer.at("redactions")) {
      if (each.value("redaction", "") != redaction) continue;
      const std::string state = each.value("state", "");
      if (state == "done" || state == "refused") return each;
      if (std::chrono::steady_clock::now() > end) return each;
    }
    if (std::chrono::steady_clock::now() > end) return deadline_exceeded("{}: nothing is said of it yet; ask /v1/redactions", redaction);
    std::this_thread::sleep_for(kAskInterval);
  }
}

absl::Status redact(CliContext& context, const RedactFlags& flags) {
  const std::size_t slash = flags.entry.find('/');
  const auto partition = PartitionId::parse(flags.entry.substr(0, slash));
  if (!partition || slash == std::string::npos)
    return invalid_argument("'{}' is no entry: <partition>/<sequence>, such as 0/812 or reference/17", flags.entry);
  if (flags.print_template) {
    ASSIGN_OR_RETURN(HttpClient client, client_of(context));
    return print_template(client, partition->name(), std::strtoull(flags.entry.c_str() + slash + 1, nullptr, 10));
  }
  if (flags.ground.empty() || flags.common.authority.empty())
    return invalid_argument("--ground and --authority are missing: an erasure says on which law it stands, and who decided");
  const Json stated = {{"ground", flags.ground}, {"authority", flags.common.authority}};
  std::string members = to_text(stated);
  members = members.substr(1, members.size() - 2);
  if (!flags.common.document_file.empty()) {
    ASSIGN_OR_RETURN(const std::string document, read_document(flags.common.document_file));
    members += ",\"replacement\":" + document;
  }
  ASSIGN_OR_RETURN(EventIds ids, open_ids(context, flags.common.secret_file));
  const std::string time = flags.common.time.empty() ? now_text() : flags.common.time;
  EventFrame frame;
  frame.type = EventType::ledger_redacted;
  frame.source = flags.common.source;
  frame.subject = flags.entry;
  frame.time = time;
  frame.predecessor = time;
  const BuiltEvent built = build_event(ids, frame, members);
  if (!flags.common.send) {
    fmt::print("{}\n", built.text);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(HttpClient client, client_of(context));
  ASSIGN_OR_RETURN(const Json receipt, send(client, built.text));
  const Json& place = receipt.value("verdict", "") == "duplicate" ? receipt.at("duplicate_of") : receipt.at("sequence");
  ASSIGN_OR_RETURN(const Json outcome, settled(client, fmt::format("reference/{}", place.get<std::uint64_t>())));
  fmt::print("{}\n", to_text(outcome));
  if (outcome.value("state", "") == "refused") return failed_precondition("refused: {}", outcome.value("why", ""));
  return absl::OkStatus();
}

}  // namespace

void add_correct_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("correct", "prepare, or send, an authority's restatement of a purchase");
  const auto flags = std::make_shared<CorrectFlags>();
  add_common_options(command, flags->common);
  command->add_option("--purchase", flags->purchase, "its id: e-katalog-5/8812345")->required();
  command->add_option("--document", flags->common.document_file, "the whole new document (JSON)")->type_name("FILE");
  command->add_option("--reason", flags->reason, "why");
  command->add_option("--approver", flags->approver, "who approved: an office, not a person");
  command->add_option("--corrects-source", flags->corrects_source, "of the event that is corrected");
  command->add_option("--corrects-id", flags->corrects_id, "of the event that is corrected");
  command->add_option("--sign-with", flags->key_file, "the approver's key file, as `bukubesar key approver` makes one")->type_name("FILE");
  command->add_option("--signer", flags->signer, "the name in the approver's key: inspektorat.example/ketua");
  command->add_flag("--template", flags->print_template, "only print the document in force, to be edited (role audit)");
  command->footer(
      "The event is accepted like any other, stands in the record beside what it corrects, and counts where its source is an authority of "
      "the\n"
      "definition. The approver's signature covers source, id, purchase and data; entries and purchases show whether it holds against "
      "the keys\n"
      "in signing.approvers.\n\n"
      "Examples:\n"
      "  bukubesar correct --source /feed/inspectorate --purchase e-katalog-5/8812345 --template > document.json\n"
      "  bukubesar correct --source /feed/inspectorate --purchase e-katalog-5/8812345 --document document.json --reason \"total misread\" "
      "\\\n"
      "    --authority \"Inspektorat Tabalong\" --approver \"Inspektur\" --corrects-source /feed/e-katalog-5 --corrects-id 5e0c41d2 \\\n"
      "    --sign-with approver.key --signer inspektorat.example/ketua --send");
  command->callback([&context, flags] {
    if (const absl::Status done = correct(context, *flags); !done.ok()) context.fail(done);
  });
}

void add_redact_command(CLI::App& app, CliContext& context) {
  CLI::App* command = app.add_subcommand("redact", "prepare, or send, the erasure of a payload, as the law may ask for it");
  const auto flags = std::make_shared<RedactFlags>();
  add_common_options(command, flags->common);
  command->add_option("ENTRY", flags->entry, "<partition>/<sequence>: 0/812, reference/17")->required();
  command->add_option("--ground", flags->ground, "the law: \"UU 27/2022 pasal 8\"");
  command
      ->add_option("--replacement", flags->common.document_file, "where the payload states a document: the document without what must go")
      ->type_name("FILE");
  command->add_flag("--template", flags->print_template, "only print the document of the payload, to be edited (role audit)");
  command->footer(
      "Every node drops that payload and rewrites the files that held it. Its entry, the tree and all proofs stay, and so does the "
      "redaction\n"
      "itself. The replacement has to give the same transfers: amounts, codes, stage and revision stay, else the redaction is refused. A "
      "fact\n"
      "keeps its codes and loses its names. What else holds the payload is yours to see to: the Kafka topic, older backups, exports "
      "(ops/RUNBOOK.md).\n\n"
      "Examples:\n"
      "  bukubesar redact 0/812 --source /feed/inspectorate --template > document.json\n"
      "  bukubesar redact 0/812 --source /feed/inspectorate --ground \"UU 27/2022 pasal 8\" --authority \"PPID Tabalong, 4/2024\" \\\n"
      "    --replacement document.json --send\n"
      "  bukubesar redact reference/17 --source /feed/inspectorate --ground \"UU 27/2022 pasal 8\" --authority \"PPID Tabalong, 5/2024\" "
      "--send");
  command->callback([&context, flags] {
    if (const absl::Status done = redact(context, *flags); !done.ok()) context.fail(done);
  });
}

}  // namespace bukubesar
