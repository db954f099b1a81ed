// Seeds for the fuzz targets from the golden corpus: make_seeds CORPUS.jsonl FOLDER
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "events/payload.h"
#include "tests/events/corpus.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: make_seeds CORPUS.jsonl FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder(argv[2]);
  std::filesystem::create_directories(folder);
  std::size_t made = 0;
  const auto write = [&](unsigned char choice, std::string_view rest) {
    std::ofstream file(folder / ("seed-" + std::to_string(made++)), std::ios::binary);
    file.put(static_cast<char>(choice));
    file.write(rest.data(), static_cast<std::streamsize>(rest.size()));
  };
  for (const bukubesar::CorpusCase& test_case : bukubesar::read_corpus(argv[1])) {
    if (test_case.payload.size() > 64 * 1024) continue;
    const unsigned char partition = test_case.partition.is_reference() ? 0x80 : 0;
    // A multiple of 3 below 0x80: a whole payload; then 1 and 2 more: a value.
    write(partition, test_case.payload);
    bukubesar::PayloadView view;
    if (!bukubesar::parse_payload(test_case.payload, view) || !view.value) continue;
    write(partition | 1, *view.value);
    write(partition | 2, *view.value);
  }
  std::printf("%zu seeds\n", made);
  return made > 100 ? 0 : 1;
}
