// What RocksDB notes of each file of rows that it has written, in its MANIFEST: XXH3-64 of the whole file, big-endian. Debian's RocksDB
// computes CRC-32C in software, a quarter as fast; files that have one from earlier are still checked by it.
//
// Threads  any.
#pragma once

#include <memory>
#include <string>

namespace rocksdb {
class FileChecksumGenFactory;
class FileChecksumGenerator;
}  // namespace rocksdb

namespace bukubesar {

[[nodiscard]] std::shared_ptr<rocksdb::FileChecksumGenFactory> file_sums();
// A sum of the kind that the MANIFEST names; nullptr where the kind is not known.
[[nodiscard]] std::unique_ptr<rocksdb::FileChecksumGenerator> file_sum(const std::string& kind);

}  // namespace bukubesar
