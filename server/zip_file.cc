#include "server/zip_file.h"

#include <unistd.h>
#include <zip.h>

#include <cstdio>
#include <memory>

#include "base/file.h"
#include "base/status.h"

namespace bukubesar {

namespace {

constexpr zip_uint16_t kFirstDosDate = 0x21;                   // 1980-01-01, the earliest that the format knows
constexpr zip_uint32_t kPlainFile = (0100000U | 0644U) << 16;  // as Unix has it
constexpr zip_int32_t kDeflateLevel = 6;

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
using Archive = std::unique_ptr<zip_t, Discard>;
struct CloseEntry {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

std::string text_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

absl::Status add(zip_t* archive, const std::string& name, const std::string& content) {
  zip_source_t* const source = zip_source_buffer(archive, content.data(), content.size(), 0);
  const zip_int64_t index = source == nullptr ? -1 : zip_file_add(archive, name.c_str(), source, ZIP_FL_ENC_UTF_8);
  if (index < 0) {
    if (source != nullptr) zip_source_free(source);
    return unavailable("{}: {}", name, zip_strerror(archive));
  }
  const auto at = static_cast<zip_uint64_t>(index);
  if (zip_set_file_compression(archive, at, ZIP_CM_DEFLATE, kDeflateLevel) != 0 ||
      zip_file_set_dostime(archive, at, 0, kFirstDosDate, 0) != 0 ||
      zip_file_set_external_attributes(archive, at, 0, ZIP_OPSYS_UNIX, kPlainFile) != 0)
    return unavailable("{}: {}", name, zip_strerror(archive));
  return absl::OkStatus();
}

absl::StatusOr<std::string> read(zip_t* archive, zip_uint64_t index, const std::string& where, const zip_stat_t& info) {
  const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(archive, index, 0));
  if (!file) return data_loss("{}: damaged: {}", where, zip_strerror(archive));
  std::string content(info.size, '\0');
  zip_uint64_t done = 0;
  while (done < info.size) {
    const zip_int64_t count = zip_fread(file.get(), content.data() + done, info.size - done);
    if (count <= 0) return data_loss("{}: damaged: {}", where, count < 0 ? zip_file_strerror(file.get()) : "it ends early");
    done += static_cast<zip_uint64_t>(count);
  }
  char beyond = 0;  // reading the end is what compares the checksum
  if (zip_fread(file.get(), &beyond, 1) != 0) return data_loss("{}: damaged: {}", where, zip_file_strerror(file.get()));
  return content;
}

}  // namespace

absl::Status write_zip(const std::string& path, const ZipFiles& files) {
  std::uint64_t bytes = 0;
  for (const auto& [name, content] : files) bytes += content.size();
  if (bytes > kZipBytesMax || files.size() > kZipFilesMax)
    return invalid_argument("{}: {} bytes in {} files, at most {} and {}; narrow the report", path, bytes, files.size(), kZipBytesMax,
                            kZipFilesMax);
  const std::string partial = path + ".partial";
  int code = 0;
  Archive archive(zip_open(partial.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code));
  if (!archive) return unavailable("{}: {}", partial, text_of(code));
  for (const auto& [name, content] : files) RETURN_IF_ERROR(with_context(add(archive.get(), name, content), path));
  if (zip_close(archive.get()) != 0) return unavailable("{}: {}", partial, zip_strerror(archive.get()));
  (void)archive.release();  // closed
  ASSIGN_OR_RETURN(const std::string whole, read_file(partial));
  ::unlink(partial.c_str());
  return write_file_durably(path, whole);
}

absl::StatusOr<ZipFiles> read_zip(const std::string& path) {
  int code = 0;
  const Archive archive(zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code));
  if (!archive) {
    if (code == ZIP_ER_NOENT) return not_found("{}: no such file", path);
    if (code == ZIP_ER_OPEN || code == ZIP_ER_READ) return unavailable("{}: {}", path, text_of(code));
    return data_loss("{}: damaged, or no zip archive: {}", path, text_of(code));
  }
  ZipFiles files;
  std::uint64_t bytes = 0;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    zip_stat_t info;
    zip_stat_init(&info);
    if (zip_stat_index(archive.get(), index, 0, &info) != 0 ||
        (info.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE)) != (ZIP_STAT_NAME | ZIP_STAT_SIZE))
      return data_loss("{}: damaged: file {} has no name or size", path, i);
    bytes += info.size;
    if (bytes > kZipBytesMax || files.size() >= kZipFilesMax)
      return invalid_argument("{}: more than {} bytes or {} files", path, kZipBytesMax, kZipFilesMax);
    const std::string where = path + ": " + info.name;
    ASSIGN_OR_RETURN(std::string content, read(archive.get(), index, where, info));
    if (!files.emplace(info.name, std::move(content)).second) return data_loss("{}: it stands there twice", where);
  }
  return files;
}

}  // namespace bukubesar
