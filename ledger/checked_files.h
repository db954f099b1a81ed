// Checked files: the file system that RocksDB is given. It looks at the meta blocks of a table file when RocksDB opens it.
//
// RocksDB as packaged in Debian has its asserts on, and reads a table's properties before it compares their checksum: a damaged byte there
// can end the process without naming the file. Here the blocks' checksums come first, and the file is refused by name.
//
// Source  RocksDB's block-based table format, version 5: footer, metaindex block, the blocks that it lists; XXH3 as its block checksum.
//         What is of another format is left to RocksDB.
// Errors  IOStatus::Corruption "<path>: block 'rocksdb.properties' at byte 812: …".
#pragma once

namespace rocksdb {
class Env;
}

namespace bukubesar {

// RocksDB's default environment but for the check; never destroyed.
[[nodiscard]] rocksdb::Env* checked_files();

}  // namespace bukubesar
