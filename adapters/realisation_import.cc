#include "adapters/realisation_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "adapters/realisation_map.h"
#include "adapters/realisation_rows.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"
#include "base/time.h"
#include "config/names.h"

namespace bukubesar {

namespace {

constexpr std::size_t kSendEventsMax = 2'000;  // handed to the sink at once
constexpr int kWitaMinutes = 480;

struct SnapshotRow {
  MappedRow mapped;
  std::size_t file = 0;  // index into the run's files
  std::uint64_t line = 0;
};

// All rows of one institution and fiscal year, of all files of the run.
struct Snapshot {
  Scope scope;
  std::vector<SnapshotRow> rows;
  std::vector<std::size_t> files;  // ascending, distinct
};

struct InputFile {
  std::string path, institution, sha256;
  std::int64_t modified_ms = 0;
  std::vector<std::string> refused_subjects;  // of refused rows: still there, whatever they say
  bool refused_without_subject = false;
};

absl::StatusOr<std::int64_t> modified_ms(const std::string& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  if (error) return unavailable("{}: {}", path, error.message());
  const auto since = std::chrono::file_clock::to_sys(time).time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count() * 1000;
}

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class Import {
 public:
  Import(const ImportOptions& options, const KnownReader& known, EventSink* sink, const Progress& progress)
      : options_(options), known_(known), sink_(sink), progress_(progress), ids_(options.secret), source_("/feed/" + options.feed) {}

  absl::StatusOr<ImportReport> run() {
    // All files are read and compared before anything is sent: a bad file among good ones sends nothing.
    for (const std::string& path : options_.files) RETURN_IF_ERROR(read(path));
    if (options_.complete) RETURN_IF_ERROR(add_scopes_without_rows());
    std::uint64_t done = 0;
    for (auto& [key, snapshot] : snapshots_) {
      progress_("comparing", done++, snapshots_.size());
      RETURN_IF_ERROR(compare(snapshot));
    }
    RETURN_IF_ERROR(send());
    return std::move(report_);
  }

 private:
  absl::Status read(const std::string& path) {
    InputFile file;
    file.path = path;
    file.institution = options_.institution.empty() ? std::filesystem::path(path).stem().string() : options_.institution;
    if (!is_code_text(file.institution))
      return invalid_argument("{}: \"{}\" is no institution code: name it with --institution", path, file.institution);
    auto content = read_file(path);
    if (!content.ok()) return with_context(content.status(), path);
    ASSIGN_OR_RETURN(file.modified_ms, modified_ms(path));
    file.sha256 = hex(as_view(sha256(*content)));
    ASSIGN_OR_RETURN(const std::vector<SourceRow> rows, parse_rows(*content, path));
    files_.push_back(std::move(file));
    if (rows.empty()) report_.notes.push_back({path, 0, "has no rows"});
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i % 256 == 0) progress_("reading " + std::filesystem::path(path).filename().string(), i, rows.size());
      take(rows[i]);
    }
    return absl::OkStatus();
  }

  // A complete snapshot says of every year of its institution what there is: of a year that it has no row of, that nothing is left.
  absl::Status add_scopes_without_rows() {
    std::map<std::string, std::vector<std::size_t>> files_of;
    for (std::size_t i = 0; i < files_.size(); ++i) files_of[files_[i].institution].push_back(i);
    for (const auto& [institution, files] : files_of) {
      ASSIGN_OR_RETURN(const std::vector<std::int32_t> years, known_.fiscal_years(source_, institution));
      for (const std::int32_t year : years) {
        const auto [at, fresh] = snapshots_.try_emplace({institution, year});
        if (fresh) at->second = {{source_, institution, year}, {}, files};
      }
    }
    return absl::OkStatus();
  }

  void refuse(const SourceRow& row, RefusedRow refused) {
    InputFile& file = files_.back();
    report_.refused.push_back({file.path, row.line, std::move(refused.reason)});
    if (refused.subject.empty()) {
      file.refused_without_subject = true;
    } else {
      file.refused_subjects.push_back(std::move(refused.subject));
    }
  }

  void take(const SourceRow& row) {
    ++report_.rows;
    const std::size_t file = files_.size() - 1;
    auto result = map_realisation_row(row, files_[file].institution, ids_);
    if (auto* refused = std::get_if<RefusedRow>(&result)) return refuse(row, std::move(*refused));
    auto& mapped = std::get<MappedRow>(result);
    std::string document;
    append_document(document, mapped.document);
    const auto [seen, fresh] = seen_.try_emplace(mapped.subject, Seen{file, row.line, sha256(document)});
    if (!fresh) {
      const std::string place = fmt::format("{}:{}", files_[seen->second.file].path, seen->second.line);
      if (seen->second.document == sha256(document)) {
        ++report_.repeated;
        report_.notes.push_back(
            {files_[file].path, row.line, fmt::format("{}: repeats {}, word for word; taken once", mapped.subject, place)});
        return;
      }
      return refuse(row, {fmt::format("{}: already stated, differently, at {}", mapped.subject, place), mapped.subject});
    }
    for (std::string& note : mapped.notes) report_.notes.push_back({files_[file].path, row.line, std::move(note)});
    if (!add_value(mapped)) return refuse(row, {"Total Nilai (Rp): the sum of all rows is too large", mapped.subject});
    const std::int32_t year = mapped.document.fiscal_year;
    Snapshot& snapshot = snapshots_[{files_[file].institution, year}];
    snapshot.scope = {source_, files_[file].institution, year};
    if (snapshot.files.empty() || snapshot.files.back() != file) snapshot.files.push_back(file);
    snapshot.rows.push_back({std::move(mapped), file, row.line});
  }

  bool add_value(const MappedRow& mapped) {
    const auto total = checked_add(report_.total, mapped.document.total);
    auto domestic = std::optional(report_.domestic);
    for (const LineDraft& line : mapped.document.lines)
      if (line.origin == Origin::domestic && domestic) domestic = checked_add(*domestic, line.amount);
    if (!total || !domestic) return false;
    report_.total = *total;
    report_.domestic = *domestic;
    return true;
  }

  // One file's own hash; of several, the hash of their hashes in the order given.
  std::string snapshot_sha256(const Snapshot& snapshot) const {
    if (snapshot.files.size() == 1) return files_[snapshot.files[0]].sha256;
    std::string all;
    for (const std::size_t file : snapshot.files) all += files_[file].sha256;
    return hex(as_view(sha256(all)));
  }

  std::string observed_at(const Snapshot& snapshot) const {
    if (!options_.observed_at.empty()) return options_.observed_at;
    std::int64_t newest = 0;
    for (const std::size_t file : snapshot.files) newest = std::max(newest, files_[file].modified_ms);
    return format_instant_ms(newest, kWitaMinutes);
  }

  BuiltEvent observation(const Snapshot& snapshot, const std::string& time) {
    const std::string subject = fmt::format("{}/{}/{}", options_.feed, snapshot.scope.institution, snapshot.scope.fiscal_year);
    const std::string members =
        fmt::format(R"("sha256":"{}","rows":{},"complete":{},"scope":{{"institution":{},"fiscal_year":{}}},"observed_at":{})",
                    snapshot_sha256(snapshot), snapshot.rows.size(), options_.complete, json_string(snapshot.scope.institution),
                    snapshot.scope.fiscal_year, json_string(time));
    BuiltEvent built = build_event(ids_, {EventType::source_observed, source_, subject, time, "", ""}, members);
    out_.push_back({true, subject, built.text, false});
    ++report_.observations;
    return built;
  }

  absl::Status compare(Snapshot& snapshot) {
    auto known = known_.purchases(snapshot.scope);
    if (!known.ok()) return with_context(known.status(), fmt::format("{} {}", snapshot.scope.institution, snapshot.scope.fiscal_year));
    std::vector<const std::pair<const std::string, KnownPurchase>*> gone;
    if (options_.complete) {
      gone = vanished(snapshot, *known);
      if (!gone.empty() && !may_withdraw(snapshot, *known, gone.size())) return absl::OkStatus();
    }
    if (snapshot.rows.empty() && gone.empty()) return absl::OkStatus();  // nothing is there, and nothing was
    const std::string time = observed_at(snapshot);
    const BuiltEvent observed = observation(snapshot, time);
    bool names_institution = false;
    for (const SnapshotRow& row : snapshot.rows) {
      const auto at = known->find(row.mapped.subject);
      const bool stated = state_row(row, at == known->end() ? nullptr : &at->second, time, observed.id);
      if (!stated) continue;
      names_institution = true;
      vendor_fact(row.mapped, snapshot.scope.fiscal_year, observed.id);
    }
    if (names_institution) institution_fact(snapshot, observed.id);
    for (const auto* purchase : gone) withdraw(*purchase, time, observed.id);
    return absl::OkStatus();
  }

  std::vector<const std::pair<const std::string, KnownPurchase>*> vanished(const Snapshot& snapshot, const KnownPurchases& known) {
    std::vector<const std::pair<const std::string, KnownPurchase>*> gone;
    for (const auto& purchase : known) {
      if (purchase.second.stage == "withdrawn" || seen_.contains(purchase.first)) continue;
      bool refused = false;
      for (const std::size_t file : snapshot.files) {
        const auto& subjects = files_[file].refused_subjects;
        refused = refused || std::find(subjects.begin(), subjects.end(), purchase.first) != subjects.end();
      }
      if (!refused) gone.push_back(&purchase);
    }
    std::sort(gone.begin(), gone.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
    return gone;
  }

  // A truncated download must not withdraw thousands of purchases.
  bool may_withdraw(const Snapshot& snapshot, const KnownPurchases& known, std::size_t gone) {
    if (options_.confirm_withdrawals) return true;
    const auto live = static_cast<std::uint64_t>(
        std::count_if(known.begin(), known.end(), [](const auto& purchase) { return purchase.second.stage != "withdrawn"; }));
    std::string why;
    const std::uint64_t stated = snapshot.rows.size();
    if (stated * 100 < live * 95) {
      why = fmt::format("the snapshot has {} purchases where the ledger has {}: more than 5 % fewer", stated, live);
    }
    for (const std::size_t file : snapshot.files) {
      if (files_[file].refused_without_subject)
        why = fmt::format("rows of {} were refused that do not say which purchase they are about", files_[file].path);
    }
    if (why.empty()) return true;
    report_.scopes_refused.push_back(
        {files_[snapshot.files[0]].path, 0,
         fmt::format("{} {}: {}; {} would be withdrawn. Nothing of this scope was sent. If the snapshot is right, import it again with "
                     "--confirm-withdrawals; if it may lack rows, without --complete",
                     snapshot.scope.institution, snapshot.scope.fiscal_year, why, gone)});
    return false;
  }

  // True where an event tells of the row's purchase something that names facts: it is new, or its document changed.
  bool state_row(const SnapshotRow& row, const KnownPurchase* known, const std::string& time, const std::string& observation_id) {
    DocumentDraft document = row.mapped.document;
    std::string text;
    append_document(text, document);
    const bool first = known == nullptr || known->document.empty();
    const bool same_document = !first && known->document == canonical_document(text);
    const bool same_state = known != nullptr && known->stage == name_of(document.stage) &&
                            known->package_status == document.source_status.package &&
                            known->shipment_status == document.source_status.shipment;
    if (same_document && same_state) {
      ++report_.unchanged;
      return false;
    }
    const std::string predecessor = known == nullptr ? "" : known->last_event_id;
    if (same_document) {
      std::string members = fmt::format(R"("stage":"{}",)", name_of(document.stage));
      append_source_status(members, document.source_status);
      purchase_event(EventType::advanced, row.mapped.subject, time, observation_id, predecessor, members);
      ++report_.advanced;
      return false;
    }
    if (!first && known->last_event_type.find("corrected") != std::string::npos && !options_.override_corrections) {
      ++report_.held;
      report_.notes.push_back({files_[row.file].path, row.line,
                               fmt::format("{}: differs from a correction by {}, which stays; --override-corrections states it anew",
                                           row.mapped.subject, known->last_event_source)});
      return false;
    }
    document.revision = known == nullptr ? 1 : known->revision.value_or(0) + 1;
    std::string members = "\"document\":";
    append_document(members, document);
    purchase_event(first ? EventType::ordered : EventType::amended, row.mapped.subject, time, observation_id, predecessor, members);
    ++(first ? report_.ordered : report_.amended);
    return true;
  }

  void withdraw(const std::pair<const std::string, KnownPurchase>& purchase, const std::string& time, const std::string& observation_id) {
    std::string members = R"("reason":"not in the snapshot",)";
    append_source_status(members, {});
    purchase_event(EventType::withdrawn, purchase.first, time, observation_id, purchase.second.last_event_id, members);
    ++report_.withdrawn;
  }

  void purchase_event(EventType type, const std::string& subject, const std::string& time, const std::string& observation_id,
                      const std::string& predecessor, const std::string& members) {
    out_.push_back({false, subject, build_event(ids_, {type, source_, subject, time, observation_id, predecessor}, members).text, false});
  }

  // The observation makes a fact distinct: a name that goes from A to B and back to A is three statements.
  void fact(EventType type, const std::string& subject, const std::string& members, const std::string& observation_id) {
    if (!facts_sent_.insert(subject + "\n" + members).second) return;
    out_.push_back({true, subject, build_event(ids_, {type, source_, subject, "", observation_id, observation_id}, members).text, false});
    ++report_.facts;
  }

  void vendor_fact(const MappedRow& mapped, std::int32_t year, const std::string& observation_id) {
    if (mapped.vendor_name.empty()) return;
    const std::string& code = mapped.document.vendor;
    // Spellings differ in case: the first one of the run names the vendor.
    const std::string& name = vendor_names_.try_emplace(fmt::format("{}/{}", code, year), mapped.vendor_name).first->second;
    fact(EventType::reference_vendor, "vendor/" + code, fmt::format(R"("valid_from":"{}-01","name":{})", year, json_string(name)),
         observation_id);
  }

  void institution_fact(const Snapshot& snapshot, const std::string& observation_id) {
    const std::string& code = snapshot.scope.institution;
    std::map<std::string, std::string> units;
    std::string name;
    for (const SnapshotRow& row : snapshot.rows) {
      if (name.empty()) name = row.mapped.institution_name;
      if (!row.mapped.document.work_unit.empty() && !row.mapped.work_unit_name.empty())
        units.try_emplace(row.mapped.document.work_unit, row.mapped.work_unit_name);
    }
    std::string members = fmt::format(R"("valid_from":"{}-01")", snapshot.scope.fiscal_year);
    if (!name.empty()) members += ",\"name\":" + json_string(name);
    if (code[0] == 'K' || code[0] == 'L') members += fmt::format(R"(,"kind":"{}","region":"00")", code[0] == 'K' ? "ministry" : "agency");
    std::string list;
    for (const auto& [unit, unit_name] : units)
      list += fmt::format("{}{}:{}", list.empty() ? "" : ",", json_string(unit), json_string(unit_name));
    if (!list.empty()) members += ",\"work_units\":{" + list + "}";
    fact(EventType::reference_institution, "institution/" + code, members, observation_id);
  }

  absl::Status send() {
    if (sink_ == nullptr || options_.dry_run) return absl::OkStatus();
    const std::span<const Outgoing> all(out_);
    for (std::size_t at = 0; at < all.size(); at += kSendEventsMax) {
      progress_("sending", at, all.size());
      RETURN_IF_ERROR(sink_->send(all.subspan(at, std::min(kSendEventsMax, all.size() - at))));
    }
    RETURN_IF_ERROR(sink_->flush());
    progress_("sending", all.size(), all.size());
    report_.published = sink_->counts();
    return absl::OkStatus();
  }

  struct Seen {
    std::size_t file = 0;
    std::uint64_t line = 0;
    Hash256 document{};
  };

  const ImportOptions& options_;
  const KnownReader& known_;
  EventSink* sink_;
  const Progress& progress_;
  EventIds ids_;
  const std::string source_;
  std::vector<InputFile> files_;
  std::map<std::pair<std::string, std::int32_t>, Snapshot> snapshots_;
  std::unordered_map<std::string, Seen> seen_;  // by purchase id
  std::unordered_set<std::string> facts_sent_;
  std::unordered_map<std::string, std::string> vendor_names_;
  std::vector<Outgoing> out_;
  ImportReport report_;
};

}  // namespace

absl::StatusOr<ImportReport> import_realisation(const ImportOptions& options, const KnownReader& known, EventSink* sink,
                                                const Progress& progress) {
  if (!is_code_text(options.feed)) return invalid_argument("--feed {}: want 1 to 64 letters, digits, '.', '_' or '-'", options.feed);
  if (!options.observed_at.empty() && !parse_instant_ms(options.observed_at))
    return invalid_argument("--observed-at {}: want an instant like 2026-04-01T09:00:00+08:00", options.observed_at);
  if (options.files.empty()) return invalid_argument("no file to import");
  return Import(options, known, sink, progress).run();
}

}  // namespace bukubesar
