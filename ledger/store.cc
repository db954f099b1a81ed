#include "ledger/store.h"

#include <fcntl.h>
#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/listener.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/cancellation.h"
#include "base/check.h"
#include "base/crash_point.h"
#include "base/file.h"
#include "base/seldom_warning.h"
#include "base/status.h"
#include "ledger/checked_files.h"
#include "ledger/file_sums.h"
#include "ledger/log_tail.h"

namespace bukubesar {

namespace {

constexpr std::size_t kBlockCacheBytes = 32U << 20;
constexpr std::size_t kPayloadMemtableBytes = 32U << 20;
constexpr std::size_t kEntryMemtableBytes = 16U << 20;
constexpr std::size_t kSmallMemtableBytes = 4U << 20;
// Families that grow slowly hold the log back; beyond this they are flushed. Bounds disk and the replay of a start.
constexpr std::uint64_t kWalBytesMax = 64U << 20;
constexpr std::size_t kInfoLogBytesMax = 4U << 20;
constexpr std::size_t kInfoLogFilesMax = 3;  // beside the current one
constexpr std::size_t kScanReadaheadBytes = 2U << 20;
constexpr int kCatchUpRounds = 3;
// A disk with less room than this is full: memtables and a log must fit, or it would be full again at once.
constexpr std::size_t kRoomBytesMin = 16U << 20;
constexpr absl::Duration kReadsEndWithin = absl::Seconds(30);
constexpr absl::Duration kOldFilesLook = absl::Milliseconds(20);
constexpr std::size_t kCheckPieceBytes = 256U << 10;

rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

absl::Status to_status(const rocksdb::Status& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  if (status.IsCorruption()) return data_loss("{}: {}", doing, status.ToString());
  return unavailable("{}: {}", doing, status.ToString());
}

// Of a read. One that fails concerns whoever keeps the server, too, not only who asked for it.
absl::Status read_status(const rocksdb::Status& status, std::string_view how, Family family) {
  if (status.ok()) return absl::OkStatus();
  static SeldomWarning unreadable;
  const absl::Status failed = to_status(status, fmt::format("{} {}", how, name_of(family)));
  unreadable.say(failed);
  return failed;
}

// how: "" or " for reading". Where CURRENT can not be opened RocksDB tries it once more without direct I/O, which nobody asked for, and
// blames direct I/O if it can be opened then.
absl::Status opening_status(const rocksdb::Status& status, const std::string& directory, std::string_view how) {
  if (status.IsInvalidArgument() && status.ToString().find("Direct I/O is not supported") != std::string::npos)
    return unavailable("open ledger store {0}{1}: {0}/CURRENT could not be opened, but a moment later; start again", directory, how);
  return to_status(status, fmt::format("open ledger store {}{}", directory, how));
}

// RocksDB's log: kept in files of its own, limited in size, and what matters passed on to ours. Not by RocksDB's own writer: as packaged
// in Debian that one aborts the process once a line could not be written, so a full disk would end more than the writing.
class InfoLog : public rocksdb::Logger {
 public:
  // file: null for none.
  explicit InfoLog(std::shared_ptr<spdlog::logger> file) : file_(std::move(file)) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override { Logv(rocksdb::InfoLogLevel::INFO_LEVEL, format, arguments); }
  void Logv(const rocksdb::InfoLogLevel level, const char* format, va_list arguments) override {
    const std::string_view form = format;
    const bool crc = form.find("Fast CRC32 supported") != std::string_view::npos;
    // RocksDB warns of this while it writes a file of its own, or copies: it says nothing about stored ones.
    const bool noise =
        form.find("opened without unique ID") != std::string_view::npos || form.find("File Deletions ") != std::string_view::npos;
    const bool matters = crc || (level >= rocksdb::InfoLogLevel::WARN_LEVEL && level < rocksdb::InfoLogLevel::HEADER_LEVEL && !noise);
    if (file_ == nullptr && !matters) return;
    char line[1024];
    std::vsnprintf(line, sizeof line, format, arguments);
    if (file_ != nullptr) file_->info("{}", line);
    if (!matters) return;
    spdlog::log(crc                                           ? spdlog::level::info
                : level >= rocksdb::InfoLogLevel::ERROR_LEVEL ? spdlog::level::err
                                                              : spdlog::level::warn,
                "RocksDB: {}", line);
  }

 private:
  std::shared_ptr<spdlog::logger> file_;
};

// Null, with a warning, where the file cannot be made: nothing depends on it.
std::shared_ptr<spdlog::logger> open_info_log(const std::string& directory) {
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(directory + "/rocksdb.log", kInfoLogBytesMax, kInfoLogFilesMax);
    return std::make_shared<spdlog::logger>("rocksdb", std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    spdlog::warn("RocksDB's log: {}", error.what());
    return nullptr;
  }
}

// What this thread's write to the log is. RocksDB may have another thread write for it: then it is met as what that one writes.
thread_local CrashPoint log_is_written = "commit_logged";

// Crash points inside RocksDB's writes.
class CrashListener : public rocksdb::EventListener {
 public:
  bool ShouldBeNotifiedOnFileIO() override { return true; }
  void OnFileWriteFinish(const rocksdb::FileOperationInfo& info) override {
    if (is_log(info.path)) crash_point(log_is_written);
    if (ends_with(info.path, ".sst")) crash_point("table_written");
    if (info.path.find("/MANIFEST-") != std::string::npos) crash_point("manifest_written");
  }
  void OnFileSyncFinish(const rocksdb::FileOperationInfo& info) override {
    if (is_log(info.path)) crash_point("commit_synced");
  }

 private:
  static bool ends_with(std::string_view path, std::string_view end) {
    return path.size() >= end.size() && path.substr(path.size() - end.size()) == end;
  }
  static bool is_log(std::string_view path) { return ends_with(path, ".log"); }
};

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.env = checked_files();
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // The default mode opens quietly with records missing where a log is damaged in its middle.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.paranoid_checks = true;
  options.file_checksum_gen_factory = file_sums();
  options.max_open_files = -1;
  options.max_background_jobs = 2;
  options.max_total_wal_size = kWalBytesMax;
  options.bytes_per_sync = 1U << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  if (crash_points_armed()) options.listeners.push_back(std::make_shared<CrashListener>());
  return options;
}

// To look at files that another writes, or nobody.
rocksdb::DBOptions reading_options() {
  rocksdb::DBOptions options = database_options();
  options.create_if_missing = false;
  options.create_missing_column_families = false;
  options.info_log = std::make_shared<InfoLog>(nullptr);
  return options;
}

rocksdb::ColumnFamilyOptions family_options(Family family, const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.compression = rocksdb::kNoCompression;
  options.bottommost_compression = rocksdb::kDisableCompressionOption;
  options.write_buffer_size = family == Family::payloads  ? kPayloadMemtableBytes
                              : family == Family::entries ? kEntryMemtableBytes
                                                          : kSmallMemtableBytes;
  options.max_write_buffer_number = 3;
  // Keys ascend, so many files of level 0 cost a reader little; slowing writes is for disks that can't follow.
  options.level0_file_num_compaction_trigger = 16;
  options.level0_slowdown_writes_trigger = 64;
  options.level0_stop_writes_trigger = 128;
  rocksdb::BlockBasedTableOptions table;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 16 * 1024;
  table.block_cache = cache;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// One thread each for flushes and compaction, at the priority of everybody: a compaction that never gets the processor on a busy machine
// lets files of level 0 pile up until RocksDB slows writes to a crawl. Its disk accesses come after others'. Once for the process.
void start_background_threads() {
  static const bool done = [] {
    rocksdb::Env* env = rocksdb::Env::Default();
    env->SetBackgroundThreads(1, rocksdb::Env::Priority::HIGH);
    env->SetBackgroundThreads(1, rocksdb::Env::Priority::LOW);
    env->LowerThreadPoolIOPriority(rocksdb::Env::Priority::LOW);
    return true;
  }();
  (void)done;
}

// Directories that this process has open for writing: file locks do not show those to ourselves.
absl::Mutex writers_mutex;
std::set<std::string>& writers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(writers_mutex) {
  static auto* directories = new std::set<std::string>;
  return *directories;
}

bool has_writer(const std::string& directory) {
  {
    absl::MutexLock lock(&writers_mutex);
    if (writers().count(directory) != 0) return true;
  }
  const int fd = ::open((directory + "/LOCK").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return false;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool held = ::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

}  // namespace

std::string_view name_of(Family family) {
  switch (family) {
    case Family::entries:
      return "entries";
    case Family::payloads:
      return "payloads";
    case Family::tree:
      return "tree";
    case Family::offsets:
      return "offsets";
    case Family::checkpoints:
      return "checkpoints";
    case Family::heads:
      return "heads";
  }
  return "unknown";
}

// Rows wait as they came and become RocksDB's batch when they are written: a batch knows no store.
struct StoreBatch::Impl {
  struct Row {
    Family family;
    std::string key, value;
  };
  std::vector<Row> rows;
  std::uint64_t bytes = 0;
};
StoreBatch::StoreBatch() : impl_(std::make_unique<Impl>()) {}
StoreBatch::~StoreBatch() = default;
StoreBatch::StoreBatch(StoreBatch&&) noexcept = default;
void StoreBatch::put(Family family, std::string_view key, std::string value) {
  impl_->bytes += key.size() + value.size();
  impl_->rows.push_back({family, std::string(key), std::move(value)});
}
std::uint64_t StoreBatch::bytes() const { return impl_->bytes; }

namespace {

// RocksDB, open. Whoever reads holds it; the last one closes it.
struct Database {
  std::string directory;
  std::unique_ptr<rocksdb::DB> db;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;  // by Family, then "default"
  std::string secondary_directory;
  bool is_writer = false;
  std::shared_ptr<absl::Notification> closed = std::make_shared<absl::Notification>();

  explicit Database(std::string at) : directory(std::move(at)) {}
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database() {
    for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
    if (db != nullptr) {
      const rocksdb::Status status = db->Close();
      if (!status.ok()) spdlog::error("close {}: {}", directory, status.ToString());
      db.reset();
    }
    if (!secondary_directory.empty()) {
      std::error_code ignored;  // a directory under /tmp that stays behind harms nobody
      std::filesystem::remove_all(secondary_directory, ignored);
    }
    if (is_writer) {
      absl::MutexLock lock(&writers_mutex);
      writers().erase(directory);
    }
    closed->Notify();
  }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* handle(Family family) const { return handles[static_cast<std::size_t>(family)]; }
};

}  // namespace

struct Store::Impl {
  Options options;
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  mutable absl::Mutex mutex;
  std::shared_ptr<const Database> database ABSL_GUARDED_BY(mutex);
  absl::Status refused ABSL_GUARDED_BY(mutex);  // not OK: a write failed, and no other is tried
  std::shared_ptr<absl::Notification> closing;  // reopen() alone: of the files that failed, until they are closed

  [[nodiscard]] std::shared_ptr<const Database> current() const {
    absl::MutexLock lock(&mutex);
    return database;
  }
  // Returns what was there before.
  std::shared_ptr<const Database> exchange(std::shared_ptr<const Database> next) {
    absl::MutexLock lock(&mutex);
    return std::exchange(database, std::move(next));
  }
  [[nodiscard]] std::vector<rocksdb::ColumnFamilyDescriptor> families() const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Database>> open_writer() const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Database>> open_reader() const;
  [[nodiscard]] absl::StatusOr<std::shared_ptr<const Database>> open_beside_writer() const;
};

std::vector<rocksdb::ColumnFamilyDescriptor> Store::Impl::families() const {
  std::vector<rocksdb::ColumnFamilyDescriptor> all;
  for (const Family family : kFamilies) all.emplace_back(std::string(name_of(family)), family_options(family, cache));
  all.emplace_back(rocksdb::kDefaultColumnFamilyName, family_options(Family::heads, cache));
  return all;
}

absl::StatusOr<std::shared_ptr<const Database>> Store::Impl::open_writer() const {
  RETURN_IF_ERROR(make_directories(options.directory));
  RETURN_IF_ERROR(make_directories(options.log_directory));
  rocksdb::DBOptions with_log = database_options();
  with_log.info_log = std::make_shared<InfoLog>(open_info_log(options.log_directory));
  RETURN_IF_ERROR(remove_trial(options.directory));
  if (options.check_copy) RETURN_IF_ERROR(mend_manifest(options.directory, options.check_copy));
  auto opened = std::make_shared<Database>(options.directory);
  rocksdb::DB* db = nullptr;
  rocksdb::Status status = rocksdb::DB::Open(with_log, options.directory, families(), &opened->handles, &db);
  if (status.IsCorruption()) {
    ASSIGN_OR_RETURN(const bool cut, cut_torn_tail(options.directory));
    if (cut) status = rocksdb::DB::Open(with_log, options.directory, families(), &opened->handles, &db);
  }
  opened->db.reset(db);
  RETURN_IF_ERROR(opening_status(status, options.directory, ""));
  absl::MutexLock lock(&writers_mutex);
  writers().insert(options.directory);
  opened->is_writer = true;
  return opened;
}

absl::StatusOr<std::shared_ptr<const Database>> Store::Impl::open_reader() const {
  if (has_writer(options.directory)) return open_beside_writer();
  auto opened = std::make_shared<Database>(options.directory);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(reading_options(), rocksdb::ColumnFamilyOptions()),
                                                              options.directory, families(), &opened->handles, &db);
  opened->db.reset(db);
  RETURN_IF_ERROR(opening_status(status, options.directory, " for reading"));
  return opened;
}

absl::StatusOr<std::shared_ptr<const Database>> Store::Impl::open_beside_writer() const {
  std::error_code none;  // mkdtemp says what is wrong with no directory
  std::string name = (std::filesystem::temp_directory_path(none) / "bukubesar-reader-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) return unavailable("make a directory like {}", name);
  auto opened = std::make_shared<Database>(options.directory);
  opened->secondary_directory = name;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenAsSecondary(rocksdb::Options(reading_options(), rocksdb::ColumnFamilyOptions()),
                                                              options.directory, name, families(), &opened->handles, &db);
  opened->db.reset(db);
  RETURN_IF_ERROR(opening_status(status, options.directory, " for reading"));
  // A log that the writer flushed and removed between our reading of the file list and of the logs is found in the next round.
  for (int round = 0; round < kCatchUpRounds; ++round)
    RETURN_IF_ERROR(to_status(opened->db->TryCatchUpWithPrimary(), fmt::format("catch up with the writer of {}", options.directory)));
  return opened;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

bool Store::exists(const std::string& directory) {
  const auto names = names_in(directory);
  // A first start that was cut off leaves a MANIFEST alone.
  return names.ok() && std::any_of(names->begin(), names->end(), [](const std::string& name) {
           return name == "CURRENT" || name.ends_with(".sst") || name.ends_with(".log");
         });
}

absl::StatusOr<std::unique_ptr<Store>> Store::open(const Options& options) {
  start_background_threads();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  std::error_code error;
  const auto canonical = std::filesystem::weakly_canonical(options.directory, error);
  if (!error) impl->options.directory = canonical.string();
  const bool is_there = exists(impl->options.directory);
  if (options.read_only && !is_there) return not_found("no ledger store in {}", options.directory);
  // RocksDB would take it for empty, and delete what is there.
  const std::string current = impl->options.directory + "/CURRENT";
  if (is_there && ::access(current.c_str(), F_OK) != 0)
    return data_loss("{} is missing: it names the MANIFEST in force; put back a copy of the directory", current);
  ASSIGN_OR_RETURN(auto database, options.read_only ? impl->open_reader() : impl->open_writer());
  BB_CHECK(database->handles.size() == kFamilies.size() + 1, "RocksDB opens the families it was asked for");
  impl->exchange(std::move(database));
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

// The outcome of the write that failed is unknown to RocksDB too, and its log may end in half a record: only a start cleans that up.
absl::Status Store::reopen() {
  if (writable().ok()) return absl::OkStatus();
  RETURN_IF_ERROR(check_room(std::filesystem::path(impl_->options.directory).parent_path().string(), kRoomBytesMin));
  if (impl_->current()->is_writer) {
    impl_->closing = impl_->current()->closed;
    rocksdb::DB* db = nullptr;
    auto view = std::make_shared<Database>(impl_->options.directory);
    // Not open_beside_writer(): the writer writes nothing more, and its files stay as they are while it is open.
    const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(reading_options(), rocksdb::ColumnFamilyOptions()),
                                                                impl_->options.directory, impl_->families(), &view->handles, &db);
    view->db.reset(db);
    RETURN_IF_ERROR(opening_status(status, impl_->options.directory, " for reading"));
    impl_->exchange(std::move(view)).reset();
  }
  if (impl_->closing != nullptr && !impl_->closing->WaitForNotificationWithTimeout(kReadsEndWithin))
    return unavailable("a read of {} has held its old files for {} already", impl_->options.directory,
                       absl::FormatDuration(kReadsEndWithin));
  ASSIGN_OR_RETURN(auto writer, impl_->open_writer());
  impl_->exchange(std::move(writer)).reset();
  absl::MutexLock lock(&impl_->mutex);
  impl_->refused = absl::OkStatus();
  return absl::OkStatus();
}

absl::Status Store::writable() const {
  if (impl_->options.read_only) return failed_precondition("the ledger store {} is open for reading only", impl_->options.directory);
  absl::MutexLock lock(&impl_->mutex);
  // Not a share of ours: the last of several threads that share one frees it, in an order that only Abseil's own library sees.
  return absl::Status(impl_->refused.code(), impl_->refused.message());
}

absl::Status Store::write(StoreBatch& batch, CrashPoint logged) {
  RETURN_IF_ERROR(writable());
  const auto database = impl_->current();
  rocksdb::WriteBatch rows(batch.bytes() + 16 * batch.impl_->rows.size() + 64);
  rocksdb::Status status;
  for (const auto& row : batch.impl_->rows) {
    status = rows.Put(database->handle(row.family), row.key, row.value);
    if (!status.ok()) return to_status(status, "build a batch");  // nothing was written
  }
  rocksdb::WriteOptions synced;
  synced.sync = true;
  log_is_written = logged;
  status = database->db->Write(synced, &rows);
  if (status.ok()) return absl::OkStatus();
  {
    absl::MutexLock lock(&impl_->mutex);
    impl_->refused = unavailable("write to {}: {}: the outcome is unknown; nothing more is written until the ledger is opened anew",
                                 impl_->options.directory, status.ToString());
  }
  return writable();
}

absl::StatusOr<std::optional<std::string>> Store::get(Family family, std::string_view key) const {
  std::string value;
  const auto database = impl_->current();
  const rocksdb::Status status = database->db->Get({}, database->handle(family), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  RETURN_IF_ERROR(read_status(status, "read", family));
  return std::optional<std::string>(std::move(value));
}

absl::StatusOr<std::optional<StoredRow>> Store::at_or_before(Family family, std::string_view key) const {
  const auto database = impl_->current();
  const std::unique_ptr<rocksdb::Iterator> at(database->db->NewIterator({}, database->handle(family)));
  at->SeekForPrev(slice(key));
  RETURN_IF_ERROR(read_status(at->status(), "read", family));
  if (!at->Valid()) return std::optional<StoredRow>();
  return std::optional<StoredRow>({at->key().ToString(), at->value().ToString()});
}

struct StoreCursor::Impl {
  Family family;
  std::shared_ptr<const Database> database;  // outlives the iterator
  std::unique_ptr<rocksdb::Iterator> at;
};
StoreCursor::StoreCursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
StoreCursor::~StoreCursor() = default;
bool StoreCursor::valid() const { return impl_->at->Valid(); }
std::string_view StoreCursor::key() const { return view(impl_->at->key()); }
std::string_view StoreCursor::value() const { return view(impl_->at->value()); }
void StoreCursor::next() { impl_->at->Next(); }
absl::Status StoreCursor::status() const { return read_status(impl_->at->status(), "scan", impl_->family); }

std::unique_ptr<StoreCursor> Store::cursor(Family family, std::string_view first, bool bulk) const {
  rocksdb::ReadOptions options;
  options.fill_cache = !bulk;
  if (bulk) options.readahead_size = kScanReadaheadBytes;
  auto impl = std::make_unique<StoreCursor::Impl>();
  impl->family = family;
  impl->database = impl_->current();
  impl->at.reset(impl->database->db->NewIterator(options, impl->database->handle(family)));
  impl->at->Seek(slice(first));
  return std::unique_ptr<StoreCursor>(new StoreCursor(std::move(impl)));
}

absl::Status Store::scan(Family family, std::string_view first, bool bulk, const Visitor& visit) const {
  const auto rows = cursor(family, first, bulk);
  for (; rows->valid(); rows->next())
    if (!visit(rows->key(), rows->value())) return absl::OkStatus();
  return rows->status();
}

std::vector<Store::TableFile> Store::table_files() const {
  std::vector<rocksdb::LiveFileMetaData> found;
  impl_->current()->db->GetLiveFilesMetaData(&found);
  std::vector<TableFile> files;
  for (const rocksdb::LiveFileMetaData& file : found) {
    TableFile one{file.db_path + file.name, file.file_checksum, file.file_checksum_func_name, std::nullopt,
                  file.smallestkey,         file.largestkey};
    for (const Family family : kFamilies)
      if (file.column_family_name == name_of(family)) one.family = family;
    if (file_sum(one.checksum_kind) != nullptr) files.push_back(std::move(one));
  }
  return files;
}

absl::Status Store::check_file(const TableFile& file, const std::function<bool(std::uint64_t bytes)>& step) const {
  const int fd = ::open(file.path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    const auto now = table_files();
    const bool in_force = std::any_of(now.begin(), now.end(), [&](const TableFile& other) { return other.path == file.path; });
    return in_force ? data_loss("{} is missing", file.path) : absl::OkStatus();
  }
  if (fd < 0) return unavailable("{}: {}", file.path, std::strerror(errno));
  const auto sum = file_sum(file.checksum_kind);
  std::string piece(kCheckPieceBytes, '\0');
  ssize_t got = 0;
  bool goes_on = true;
  while (goes_on && (got = ::read(fd, piece.data(), piece.size())) > 0) {
    sum->Update(piece.data(), static_cast<std::size_t>(got));
    goes_on = step(static_cast<std::uint64_t>(got));
  }
  const int error = errno;
  ::close(fd);
  if (got < 0) return unavailable("{}: {}", file.path, std::strerror(error));
  if (!goes_on) return absl::OkStatus();
  sum->Finalize();
  if (sum->GetChecksum() == file.checksum) return absl::OkStatus();
  return data_loss("{}: checksum want {} got {}", file.path, hex(file.checksum), hex(sum->GetChecksum()));
}

absl::Status Store::verify_checksums() const { return to_status(impl_->current()->db->VerifyFileChecksums({}), "checksums of files"); }

absl::Status Store::flush() {
  const auto database = impl_->current();
  return to_status(database->db->Flush({}, database->handles), fmt::format("flush {}", impl_->options.directory));
}

absl::Status Store::copy_to(const std::string& directory) const {
  const auto database = impl_->current();
  rocksdb::Checkpoint* made = nullptr;
  RETURN_IF_ERROR(to_status(rocksdb::Checkpoint::Create(database->db.get(), &made), "prepare a copy of the store"));
  const std::unique_ptr<rocksdb::Checkpoint> copy(made);
  // Size 0: memory is moved to files first, so that the copy needs no log.
  return to_status(copy->CreateCheckpoint(directory, /*log_size_for_flush=*/0), fmt::format("copy the store to {}", directory));
}

namespace {

absl::StatusOr<std::set<std::string>> files_of(const std::string& directory, std::string_view ending) {
  std::set<std::string> found;
  ASSIGN_OR_RETURN(const std::vector<std::string> names, names_in(directory));
  for (const std::string& name : names)
    if (name.ends_with(ending)) found.insert(name);
  return found;
}

}  // namespace

// A key that only one file in force has the range of: flushed or rewritten, a file has one row of each key.
bool Store::stands_in_one_file(Family family, const std::string& key) const {
  const auto holds = [&](const TableFile& file) { return file.family == family && file.first_key <= key && key <= file.last_key; };
  const std::vector<TableFile> files = table_files();
  return std::count_if(files.begin(), files.end(), holds) <= 1;
}

// RocksDB removes what its own work makes unneeded. A log that a start after a power loss replayed in part is none of that: it would be
// found at the next start, or hours later. Deletions that are allowed again begin with a look through the directory.
absl::Status Store::remove_unneeded_files() {
  const auto database = impl_->current();
  const std::string what = "remove unneeded files";
  RETURN_IF_ERROR(to_status(database->db->DisableFileDeletions(), what));
  return to_status(database->db->EnableFileDeletions(/*force=*/false), what);
}

absl::Status Store::forget_overwritten(Family family, const std::set<std::string>& keys) {
  RETURN_IF_ERROR(writable());
  const std::string& directory = impl_->options.directory;
  ASSIGN_OR_RETURN(std::set<std::string> old_logs, files_of(directory, ".log"));
  std::erase_if(old_logs, [&](const std::string& log) {
    std::error_code gone;
    return std::filesystem::file_size(directory + "/" + log, gone) == 0 || gone;
  });
  RETURN_IF_ERROR(flush());  // with all families flushed, no log of before is needed, and RocksDB removes it
  ASSIGN_OR_RETURN(const std::set<std::string> old_tables, files_of(directory, ".sst"));
  const auto database = impl_->current();
  rocksdb::CompactRangeOptions options;
  options.exclusive_manual_compaction = false;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  for (const std::string& key : keys) {
    RETURN_IF_ERROR(still_wanted());
    if (stands_in_one_file(family, key)) continue;
    const rocksdb::Slice row = slice(key);
    RETURN_IF_ERROR(to_status(database->db->CompactRange(options, database->handle(family), &row, &row),
                              fmt::format("rewrite files of {}", name_of(family))));
  }
  crash_point("redaction_forgetting");
  RETURN_IF_ERROR(remove_unneeded_files());
  // A read that began before holds the old files; RocksDB removes them when it ends.
  const auto old_ones_are_gone = [&]() -> absl::StatusOr<bool> {
    ASSIGN_OR_RETURN(std::set<std::string> left, files_of(directory, ".sst"));
    for (const TableFile& file : table_files()) left.erase(std::filesystem::path(file.path).filename().string());
    ASSIGN_OR_RETURN(std::set<std::string> logs, files_of(directory, ".log"));
    left.merge(logs);
    const auto is_left = [&](const std::string& file) { return left.count(file) != 0; };
    return std::none_of(old_tables.begin(), old_tables.end(), is_left) && std::none_of(old_logs.begin(), old_logs.end(), is_left);
  };
  const absl::Time end_waiting = absl::Now() + kReadsEndWithin;
  while (true) {
    ASSIGN_OR_RETURN(const bool gone, old_ones_are_gone());
    if (gone) break;
    RETURN_IF_ERROR(still_wanted());
    if (absl::Now() > end_waiting)
      return unavailable("{}: old files stay longer than {}: a long read holds them", directory, absl::FormatDuration(kReadsEndWithin));
    absl::SleepFor(kOldFilesLook);
  }
  return absl::OkStatus();
}

std::vector<std::pair<std::string, std::uint64_t>> Store::memory_bytes() const {
  std::uint64_t memtables = 0;
  std::uint64_t readers = 0;
  const auto database = impl_->current();
  for (auto* handle : database->handles) {
    std::uint64_t bytes = 0;
    if (database->db->GetIntProperty(handle, rocksdb::DB::Properties::kSizeAllMemTables, &bytes)) memtables += bytes;
    if (database->db->GetIntProperty(handle, rocksdb::DB::Properties::kEstimateTableReadersMem, &bytes)) readers += bytes;
  }
  return {{"memtables", memtables}, {"table_readers", readers}, {"block_cache", impl_->cache->GetUsage()}};
}

}  // namespace bukubesar
