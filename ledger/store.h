// Store: RocksDB as the ledger needs it: families of sorted rows, one synced atomic batch, scans that never end early in silence.
// Only store.cc and checked_files.cc see RocksDB.
//
// Threads  any; RocksDB orders the writes.
// Crash    a batch that returned OK is present after power loss; one that did not is wholly present or wholly absent.
// Errors   DataLoss: RocksDB calls it corruption. Unavailable: any other refusal; after a failed write nothing is written until reopen()
// returns OK.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/crash_point.h"
#include "ledger/manifest_tail.h"

namespace bukubesar {

// One column family each. The order is the numbering in memory only; on disk they have names.
enum class Family : std::uint8_t { entries, payloads, tree, offsets, checkpoints, heads };
inline constexpr std::array kFamilies = {Family::entries, Family::payloads,    Family::tree,
                                         Family::offsets, Family::checkpoints, Family::heads};
[[nodiscard]] std::string_view name_of(Family family);

struct StoredRow {
  std::string key, value;
};

class StoreBatch {
 public:
  StoreBatch();
  ~StoreBatch();
  StoreBatch(StoreBatch&&) noexcept;
  void put(Family family, std::string_view key, std::string value);
  [[nodiscard]] std::uint64_t bytes() const;

 private:
  friend class Store;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Rows one after another, as they stood when it was made.
//   for (; cursor->valid(); cursor->next()) …;   then status(): a damaged block ends the rows early.
class StoreCursor {
 public:
  ~StoreCursor();
  [[nodiscard]] bool valid() const;
  [[nodiscard]] std::string_view key() const;
  [[nodiscard]] std::string_view value() const;
  void next();
  [[nodiscard]] absl::Status status() const;

 private:
  friend class Store;
  struct Impl;
  explicit StoreCursor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Store {
 public:
  struct Options {
    std::string directory;      // RocksDB's files
    std::string log_directory;  // RocksDB's own log, limited in size; not used where read_only
    bool read_only = false;     // beside a process that writes, or alone
    // Asked before a tail that is not whole is cut off RocksDB's list of files (ledger/manifest_tail.h). Without it the list is RocksDB's
    // to judge.
    CopyCheck check_copy;
  };
  static absl::StatusOr<std::unique_ptr<Store>> open(const Options& options);
  // Whether a store was ever made there.
  static bool exists(const std::string& directory);
  ~Store();

  // Whether write() would be tried: FailedPrecondition where open for reading only, Unavailable after a failed write.
  [[nodiscard]] absl::Status writable() const;
  // After a failed write: closes the files and opens them anew, so that what is stored is what the disk has. Reads go on beside it, from a
  // view that writes nothing. Unavailable: the disk refuses still, or a long read holds the old files; to be tried again later.
  // From one thread.
  [[nodiscard]] absl::Status reopen();
  // Written and synced. After a failure every further write is refused: its outcome is unknown. logged: where its bytes are handed to the
  // system, not synced.
  [[nodiscard]] absl::Status write(StoreBatch& batch, CrashPoint logged = "commit_logged");
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> get(Family family, std::string_view key) const;
  // The last row with key <= `key`; nothing where there is none.
  [[nodiscard]] absl::StatusOr<std::optional<StoredRow>> at_or_before(Family family, std::string_view key) const;
  // Rows from `first` on, ascending, until `visit` returns false. `bulk`: a long scan, which leaves caches alone.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  [[nodiscard]] absl::Status scan(Family family, std::string_view first, bool bulk, const Visitor& visit) const;
  [[nodiscard]] std::unique_ptr<StoreCursor> cursor(Family family, std::string_view first, bool bulk) const;
  // A table file in force, with its checksum as RocksDB's manifest has it.
  struct TableFile {
    std::string path, checksum, checksum_kind;
    std::optional<Family> family;  // nothing: of none of ours
    std::string first_key, last_key;
  };
  [[nodiscard]] std::vector<TableFile> table_files() const;
  // Reads the file itself, past RocksDB's cache, and compares. `step` is told the bytes of each piece, and false from it ends the reading
  // with OK. OK where the file was compacted away meanwhile.
  [[nodiscard]] absl::Status check_file(const TableFile& file, const std::function<bool(std::uint64_t bytes)>& step) const;
  // All of them at once.
  [[nodiscard]] absl::Status verify_checksums() const;
  // Moves what stands in memory to files: for tests and orderly backups; commits do not need it.
  [[nodiscard]] absl::Status flush();
  // What stands now as a store of its own in `directory`, which must not exist: hard links where the disk is the same one. Beside writes.
  [[nodiscard]] absl::Status copy_to(const std::string& directory) const;
  // What was overwritten at these keys is gone from the files, those of the log too, once it returns OK. Takes as long as the family's
  // files that hold them are large. Cancelled between two keys: the next time goes on with the rest.
  [[nodiscard]] absl::Status forget_overwritten(Family family, const std::set<std::string>& keys);

  [[nodiscard]] std::vector<std::pair<std::string, std::uint64_t>> memory_bytes() const;

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  [[nodiscard]] absl::Status remove_unneeded_files();
  [[nodiscard]] bool stands_in_one_file(Family family, const std::string& key) const;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
