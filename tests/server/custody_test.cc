// Payload runs, signatures of corrections, what Kafka remembers: as docs/FORMAT.md has them, and what is not quite so is refused.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/file.h"
#include "base/sha256.h"
#include "consumers/kafka_advised.h"
#include "events/payload.h"
#include "server/correction_signature.h"
#include "server/payload_run.h"

namespace bukubesar {
namespace {

// The lines of a block of docs/FORMAT.md, without the comments of hex.
std::string example(const std::string& name) {
  const auto document = read_file(BUKUBESAR_SOURCE_DIR "/docs/FORMAT.md");
  EXPECT_TRUE(document.ok());
  const std::size_t at = document->find(" " + name + "\n");
  EXPECT_NE(at, std::string::npos) << name;
  const std::size_t begin = document->find('\n', at) + 1;
  return document->substr(begin, document->find("```", begin) - begin);
}

std::string example_bytes(const std::string& name) {
  std::string bytes;
  std::string text = example(name);
  for (std::string_view rest = text; !rest.empty();) {
    std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(line.size() + 1);
    line = line.substr(0, line.find("  "));
    std::erase(line, ' ');
    bytes += unhex(line).value_or("?");
  }
  return bytes;
}

TEST(PayloadRun, IsWhatTheDocumentSaysAndNothingElseIsRead) {
  const std::string bytes = example_bytes("payload-run");
  const auto run = decode_payload_run(bytes);
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_EQ(run->size(), 3U);
  EXPECT_EQ((*run)[0].payload, "abc");
  EXPECT_FALSE((*run)[1].payload || (*run)[1].redaction);
  ASSERT_NE((*run)[2].redaction, nullptr);
  EXPECT_EQ((*run)[2].redaction->by, Sequence(17));
  std::vector<StoredEntry> entries(3);
  entries[0].payload = "abc";
  entries[2].redaction = (*run)[2].redaction;
  EXPECT_EQ(hex(encode_payload_run(entries)), hex(bytes));
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const auto cut = decode_payload_run(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(!cut.ok() || size == 8 || size == 9) << size;  // between two payloads
  }
  EXPECT_FALSE(decode_payload_run("\7").ok());
}

TEST(CorrectionSignature, CoversSourceIdSubjectAndDataInEitherMode) {
  const std::string_view data = R"({"salt":"00"})";
  const std::string text = correction_text("/feed/inspectorate", "5e0c41d2a97f4b0f9a3be1c07d2f6a18", "e-katalog-5/8812345", data);
  EXPECT_EQ(text, example("correction-text"));
  const SigningKeys keys = SigningKeys::of_seed(std::string(32, 'k'));
  const std::string signature = correction_signature(keys, "office.example/chief", text);
  const std::vector<std::string> known{keys.verifier_key("office.example/chief")};
  const auto structured = [&](std::string_view id, std::string_view of_data, const std::string& signed_by) {
    return encode_payload("e-katalog-5/8812345", {},
                          fmt::format(R"({{"specversion":"1.0","source":"/feed/inspectorate","id":"{}","subject":"e-katalog-5/8812345",)"
                                      R"("data":{},"signature":"{}"}})",
                                      id, of_data, signed_by));
  };
  const std::string id = "5e0c41d2a97f4b0f9a3be1c07d2f6a18";
  const auto state = [&](const std::string& payload) { return check_correction_signature(payload, known)["state"].get<std::string>(); };
  EXPECT_EQ(state(structured(id, data, signature)), "valid");
  EXPECT_EQ(state(structured("another", data, signature)), "invalid");
  EXPECT_EQ(state(structured(id, R"({"salt": "00"})", signature)), "invalid");
  EXPECT_EQ(state(structured(id, data, "office.example/chief AAAA")), "invalid");
  EXPECT_EQ(state(structured(id, data, "office.example/other" + signature.substr(signature.find(' ')))), "unknown_key");
  EXPECT_EQ(state(structured(id, data, "")), "absent");
  EXPECT_EQ(state("no payload"), "absent");
  const Header headers[] = {{"ce_id", std::string_view(id)},
                            {"ce_source", std::string_view("/feed/inspectorate")},
                            {"ce_subject", std::string_view("e-katalog-5/8812345")},
                            {"ce_signature", std::string_view(signature)}};
  EXPECT_EQ(state(encode_payload("e-katalog-5/8812345", headers, data)), "valid");
  EXPECT_EQ(state(encode_payload("e-katalog-5/8812345", headers, "{}")), "invalid");
}

TEST(AdvisedHead, IsReadBackAsItWasWritten) {
  const Hash256 root = sha256("root");
  const auto read = parse_advised(format_advised(812, root, "0123456789abcdef"));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->size, 812U);
  EXPECT_EQ(read->root, root);
  EXPECT_EQ(read->first, "0123456789abcdef");
  for (const char* text : {"", "size=812", "size=x root=AAAA first=1", "size=812 root=AAAA first=1", "nonsense"})
    EXPECT_FALSE(parse_advised(text)) << text;
}

}  // namespace
}  // namespace bukubesar
