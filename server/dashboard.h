// Dashboard: the files that web/ builds to, compiled in (ops/cmake/dashboard.cmake). Empty where the program was built without them.
#pragma once

#include <span>
#include <string_view>

namespace bukubesar {

struct DashboardFile {
  std::string_view name;  // "index.html", or as under /assets/, with a hash of its content in it
  std::string_view content_type;
  std::string_view bytes;
  bool gzipped;
  std::string_view etag;  // quoted
};
[[nodiscard]] std::span<const DashboardFile> dashboard_files();

}  // namespace bukubesar
