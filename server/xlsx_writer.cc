#include "server/xlsx_writer.h"

#include <unistd.h>
#include <xlsxwriter.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/status.h"
#include "server/json.h"

namespace bukubesar {

namespace {

constexpr std::int64_t kSenMost = 999'999'999'999'999;  // fifteen digits
constexpr std::size_t kCellBytesMax = 32'767;

}  // namespace

struct XlsxWriter::Impl {
  std::vector<std::string> columns;
  std::string path;
  lxw_workbook* workbook = nullptr;
  lxw_worksheet* sheet = nullptr;
  lxw_format* money = nullptr;
  lxw_row_t row = 0;
  lxw_col_t column = 0;
  bool failed = false, too_long = false;

  ~Impl() {
    if (workbook != nullptr) workbook_close(workbook);
    ::unlink(path.c_str());
  }
  void put(lxw_error error) {
    failed |= error != LXW_NO_ERROR;
    ++column;
  }
};

XlsxWriter::XlsxWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
XlsxWriter::~XlsxWriter() = default;

absl::StatusOr<std::unique_ptr<XlsxWriter>> XlsxWriter::make(std::vector<std::string> columns) {
  auto impl = std::make_unique<Impl>();
  impl->columns = std::move(columns);
  std::error_code error;
  impl->path = (std::filesystem::temp_directory_path(error) / "bukubesar_XXXXXX").string();
  const int file = ::mkstemp(impl->path.data());
  if (file < 0) return unavailable("no temporary file for a workbook can be made: {}", impl->path);
  ::close(file);
  lxw_workbook_options options{};
  options.constant_memory = LXW_TRUE;
  impl->workbook = workbook_new_opt(impl->path.c_str(), &options);
  if (impl->workbook == nullptr) return unavailable("a workbook can't be begun");
  impl->sheet = workbook_add_worksheet(impl->workbook, "bukubesar");
  impl->money = workbook_add_format(impl->workbook);
  if (impl->sheet == nullptr || impl->money == nullptr) return unavailable("a workbook can't be begun");
  format_set_num_format(impl->money, "#,##0.00");
  return std::unique_ptr<XlsxWriter>(new XlsxWriter(std::move(impl)));
}

void XlsxWriter::head(std::string& to) {
  worksheet_freeze_panes(impl_->sheet, 1, 0);
  for (const std::string& column : impl_->columns) text(column, to);
  end_row(to);
}

void XlsxWriter::text(std::string_view value, std::string& to) {
  if (impl_->too_long) return;
  // Its XML must be UTF-8 without control characters.
  std::string clean = Json::parse(to_text(Json(value.substr(0, kCellBytesMax / 4 * 3))), nullptr, false).get<std::string>();
  for (char& c : clean)
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  impl_->put(worksheet_write_string(impl_->sheet, impl_->row, impl_->column, clean.c_str(), nullptr));
  static_cast<void>(to);
}

void XlsxWriter::integer(std::int64_t value, std::string&) {
  if (!impl_->too_long) impl_->put(worksheet_write_number(impl_->sheet, impl_->row, impl_->column, static_cast<double>(value), nullptr));
}

void XlsxWriter::amount(MoneySum sen, std::string& to) {
  if (sen > kSenMost || sen < -kSenMost) return text(format_rupiah(sen), to);
  if (impl_->too_long) return;
  const double rupiah = static_cast<double>(static_cast<std::int64_t>(sen)) / 100;
  impl_->put(worksheet_write_number(impl_->sheet, impl_->row, impl_->column, rupiah, impl_->money));
}

void XlsxWriter::percent(std::int64_t hundredths, std::string& to) { amount(hundredths, to); }

void XlsxWriter::boolean(bool value, std::string&) {
  if (!impl_->too_long) impl_->put(worksheet_write_boolean(impl_->sheet, impl_->row, impl_->column, value ? 1 : 0, nullptr));
}

void XlsxWriter::null(std::string&) { ++impl_->column; }

void XlsxWriter::end_row(std::string&) {
  ++impl_->row;
  impl_->column = 0;
  impl_->too_long |= impl_->row > kXlsxRowsMax;
}

bool XlsxWriter::full() const { return impl_->too_long; }

absl::StatusOr<std::string> XlsxWriter::finish() {
  const lxw_error closed = workbook_close(impl_->workbook);
  impl_->workbook = nullptr;
  if (impl_->too_long)
    return resource_exhausted("a workbook has at most {} rows here: filter, group by fewer dimensions, or take csv", kXlsxRowsMax);
  if (closed != LXW_NO_ERROR || impl_->failed) return unavailable("the workbook can't be written: {}", lxw_strerror(closed));
  return read_file(impl_->path);
}

}  // namespace bukubesar
