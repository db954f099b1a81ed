// CopyRows: rows of fact_transfer in the binary form of PostgreSQL's COPY, which it reads without parsing texts.
//
// Source  PostgreSQL's manual, "COPY", File Formats; numeric_recv: digits in base 10,000, the weight of the first one, sign, decimals.
#pragma once

#include <string>
#include <string_view>

#include "adapters/mart_batch.h"

namespace bukubesar {

class CopyRows {
 public:
  CopyRows();  // begins with the form's head
  // False: a value does not fit its column, and wrong() says which.
  [[nodiscard]] bool add(const MartTransfer& row);
  void end();
  [[nodiscard]] std::string_view bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }
  [[nodiscard]] const std::string& wrong() const { return wrong_; }

 private:
  void amount(std::int64_t sen);
  bool field(std::size_t column, const MartTransfer& row);
  std::string bytes_, wrong_;
};

}  // namespace bukubesar
