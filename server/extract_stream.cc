#include "server/extract_stream.h"

#include <spdlog/spdlog.h>

#include <atomic>

#include "base/status.h"
#include "server/xlsx_writer.h"

namespace bukubesar {

namespace {

std::atomic<int> under_way{0};

// A place among them; given back when the last copy of the pointer goes.
absl::StatusOr<std::shared_ptr<void>> take_place() {
  if (under_way.fetch_add(1) >= kExtractsMax) {
    under_way.fetch_sub(1);
    return resource_exhausted("{} extracts are being read already; try again later", kExtractsMax);
  }
  return std::shared_ptr<void>(nullptr, [](void*) { under_way.fetch_sub(1); });
}

absl::StatusOr<std::string> workbook_of(const Extract& extract) {
  ASSIGN_OR_RETURN(const std::unique_ptr<XlsxWriter> writer, XlsxWriter::make(extract.columns));
  std::string unused;
  writer->head(unused);
  for (bool more = true; more && !writer->full();) {
    ASSIGN_OR_RETURN(more, extract.step(*writer, unused));
  }
  return writer->finish();
}

}  // namespace

absl::StatusOr<ServerResponse> extract_response(Extract extract) {
  ASSIGN_OR_RETURN(std::shared_ptr<void> place, take_place());
  ServerResponse response;
  response.content_type = std::string(content_type_of(extract.format));
  response.with("Bukubesar-Cut", extract.cut.text()).with("Cache-Control", "no-store");
  if (extract.format == ExtractFormat::xlsx) {
    ASSIGN_OR_RETURN(response.body, workbook_of(extract));
    response.with("Content-Disposition", "attachment; filename=bukubesar.xlsx");
    return response;
  }
  const std::shared_ptr<ExtractWriter> writer = make_extract_writer(extract.format, extract.columns);
  writer->head(response.body);
  response.stream = [place = std::move(place), step = std::move(extract.step), writer](std::string& to) {
    while (to.size() < kStreamChunkBytes) {
      const absl::StatusOr<bool> more = step(*writer, to);
      if (!more.ok()) {
        spdlog::error("an extract was cut off: {}", message_of(more.status()));
        to.clear();
        return true;
      }
      if (!*more) return false;
    }
    return true;
  };
  return response;
}

}  // namespace bukubesar
