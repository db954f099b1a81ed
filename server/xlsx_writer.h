// XlsxWriter: rows of an extract as one worksheet, through a temporary file. Amounts are numbers where Excel's fifteen digits hold them,
// else texts; codes are texts, so that nothing turns 63.10 into 63.1.
//
// Limits   kXlsxRowsMax rows: beyond it finish() is ResourceExhausted.
// Threads  one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/extract_writer.h"

namespace bukubesar {

inline constexpr std::size_t kXlsxRowsMax = 200'000;

class XlsxWriter final : public ExtractWriter {
 public:
  static absl::StatusOr<std::unique_ptr<XlsxWriter>> make(std::vector<std::string> columns);
  ~XlsxWriter() override;
  // The `to` of all these is left alone.
  void head(std::string& to) override;
  void text(std::string_view value, std::string& to) override;
  void integer(std::int64_t value, std::string& to) override;
  void amount(MoneySum sen, std::string& to) override;
  void percent(std::int64_t hundredths, std::string& to) override;
  void boolean(bool value, std::string& to) override;
  void null(std::string& to) override;
  void end_row(std::string& to) override;
  // More rows than there may be were written.
  [[nodiscard]] bool full() const;
  // The file's bytes.
  [[nodiscard]] absl::StatusOr<std::string> finish();

 private:
  struct Impl;
  explicit XlsxWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace bukubesar
