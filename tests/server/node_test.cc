// A whole node in this process, on the embedded broker: what HTTP answers, and the invariants that show there.
#include "server/node.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "adapters/http_client.h"
#include "base/bytes.h"
#include "base/status.h"
#include "ledger/signer.h"
#include "server/json.h"
#include "server/routes.h"
#include "tests/wait_until.h"

namespace bukubesar {
namespace {

struct EventSpec {
  int number = 1;
  std::string what = "ordered";
  std::string total = "25000000.00";
  std::string stage = "contracted";
  std::string region = "63.09";
  std::string scale = "small";
  std::string vendor = "p-1";
  std::string id;  // empty: of the number and the kind
};

std::string event_text(const EventSpec& spec) {
  const std::string id = spec.id.empty() ? fmt::format("{}-{}", spec.what, spec.number) : spec.id;
  std::string data = R"("salt":"9f2c7a10b3d84e5f86a1c2d3e4f50617")";
  if (spec.what == "ordered" || spec.what == "amended")
    data += fmt::format(
        R"(,"document":{{"fiscal_year":2023,"order_date":"2023-05-11","stage":"{}","institution":"D262","vendor":"{}","stated":{{"region":"{}","scale":"{}"}},"catalogue_kind":"local","source_status":{{"package":"proses_kontrak_ppk","shipment":null}},"amounts":{{"total":"{}"}}}})",
        spec.stage, spec.vendor, spec.region, spec.scale, spec.total);
  else if (spec.what == "advanced")
    data += fmt::format(R"(,"stage":"{}","source_status":{{"package":"paket_selesai","shipment":null}})", spec.stage);
  else
    data += fmt::format(R"(,"amount":"{}","reference":"SP2D-{}","date":"2023-06-01")", spec.total, spec.number);
  return fmt::format(
      R"({{"specversion":"1.0","type":"id.bukubesar.purchase.{}.v1","source":"/feed/test","id":"{}","subject":"e-katalog-6/P{}","time":"2023-05-11T09:12:00+08:00","datacontenttype":"application/json","data":{{{}}}}})",
      spec.what, id, spec.number, data);
}

class NodeTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fmt::format("{}/bukubesar_node_{}_{}", testing::TempDir(), ::getpid(),
                             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    config_.data_dir = directory_;
    config_.http.port = 0;
    config_.signing.interval_ms = 20;
  }
  void TearDown() override {
    node_.reset();
    std::filesystem::remove_all(directory_);
  }
  void start(bool with_key = true) {
    if (with_key && !std::filesystem::exists(key_path(config_))) {
      ASSERT_TRUE(SigningKeys::create(key_path(config_)).ok());
    }
    node_ = std::make_unique<Node>(config_, nullptr);
    const absl::Status status = node_->start();
    ASSERT_TRUE(status.ok()) << status;
  }
  HttpClient client() const {
    HttpClientOptions options;
    options.url = fmt::format("http://127.0.0.1:{}", node_->port());
    options.attempts_max = 1;
    return *HttpClient::make(options);
  }
  HttpResponse get(const std::string& target) {
    auto response = client().get(target);
    EXPECT_TRUE(response.ok()) << target << ": " << response.status();
    return response.ok() ? *response : HttpResponse{};
  }
  Json get_json(const std::string& target, int status = 200) {
    const HttpResponse response = get(target);
    EXPECT_EQ(response.status, status) << target << ": " << response.body;
    Json json = Json::parse(response.body, nullptr, false);
    EXPECT_FALSE(json.is_discarded()) << target << ": " << response.body;
    return json;
  }
  HttpResponse post(const std::string& body, const std::string& type = "application/cloudevents-batch+json",
                    const HttpHeaders& headers = {}) {
    auto response = client().post("/v1/events", type, body, headers);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? *response : HttpResponse{};
  }
  Json post_events(const std::vector<EventSpec>& specs) {
    std::string body = "[";
    for (const EventSpec& spec : specs) body += (body.size() > 1 ? "," : "") + event_text(spec);
    const HttpResponse response = post(body + "]");
    EXPECT_EQ(response.status, 200) << response.body;
    last_cut_ = std::string(response.header("Bukubesar-Cut").value_or(""));
    return Json::parse(response.body)["results"];
  }
  template <class Condition>
  void wait_until(const char* what, Condition condition) {
    ASSERT_TRUE(testing_support::wait_until(condition, std::chrono::seconds(20))) << "waited in vain for: " << what;
  }

  std::string directory_;
  Config config_;
  std::unique_ptr<Node> node_;
  std::string last_cut_;
};

TEST_F(NodeTest, AnswersTheShapeOfTotals) {
  start();
  post_events(
      {{.number = 1}, {.number = 2, .total = "1000000.50", .stage = "completed", .region = "63.71", .scale = "medium", .vendor = "p-2"}});
  const HttpResponse response = get("/v1/totals?by=region,scale&fiscal_year=2023&min_cut=" + percent_encode(last_cut_));
  EXPECT_EQ(response.header("Bukubesar-Cut"), "0=2,reference=0");
  EXPECT_EQ(
      response.body,
      R"({"cut":{"0":2,"reference":0},"by":["region","scale"],"scale_basis":"at_order",)"
      R"("realised":{"strict":"completed","broad":"contracted + shipping + delivered + addendum + completed"},"where":{"fiscal_year":["2023"]},)"
      R"("rows":[{"region":"63.09","scale":"small","packages":1,"vendors":1,"committed":"25000000.00","strict":"0.00","broad":"25000000.00","stage_unknown":"0.00","paid":"0.00"},)"
      R"({"region":"63.71","scale":"medium","packages":1,"vendors":1,"committed":"1000000.50","strict":"1000000.50","broad":"1000000.50","stage_unknown":"0.00","paid":"0.00"}],)"
      R"("total":{"packages":2,"vendors":2,"committed":"26000000.50","strict":"1000000.50","broad":"26000000.50","stage_unknown":"0.00","paid":"0.00"},)"
      R"("unknown":{"region":{"packages":0,"vendors":0,"committed":"0.00","strict":"0.00","broad":"0.00","stage_unknown":"0.00","paid":"0.00"},)"
      R"("scale":{"packages":0,"vendors":0,"committed":"0.00","strict":"0.00","broad":"0.00","stage_unknown":"0.00","paid":"0.00"}}})"
      "\n");
  const HttpResponse csv = get("/v1/totals?by=region&format=csv");
  EXPECT_EQ(csv.body,
            "region,region_key,packages,vendors,committed,strict,broad,stage_unknown,paid\r\n"
            "63.09,6309,1,1,25000000.00,0.00,25000000.00,0.00,0.00\r\n"
            "63.71,6371,1,1,1000000.50,1000000.50,1000000.50,0.00,0.00\r\n");
  EXPECT_TRUE(get_json("/v1/totals?by=catalogue_kind")["rows"][0]["paid"].is_null()) << "payments have no cell dimensions";
}

TEST_F(NodeTest, AQuestionAskedAgainIsAnsweredAlikeUntilMoreHasBeenRead) {
  start();
  for (int number = 1; number <= 3; ++number) {
    post_events({{.number = number}});
    (void)get_json("/v1/cut?min_cut=" + percent_encode(last_cut_));
    for (const char* target : {"/v1/totals?by=region", "/v1/views/umkm"}) {
      const HttpResponse first = get(target), again = get(target);
      EXPECT_EQ(first.body, again.body);
      EXPECT_EQ(first.header("Bukubesar-Cut"), last_cut_);
      EXPECT_EQ(again.header("Bukubesar-Cut"), last_cut_);
      EXPECT_EQ(Json::parse(again.body)["total"]["packages"], number) << target;
    }
  }
}

// I7: every answer says what it was computed at, and a minimum is waited for or refused, never ignored.
TEST_F(NodeTest, I7_HonestReads) {
  start();
  for (int round = 0; round < 20; ++round) {
    const Json results = post_events({{.number = round}});
    const Json totals = get_json("/v1/totals?min_cut=" + percent_encode(last_cut_));
    EXPECT_GT(totals["cut"]["0"].get<std::uint64_t>(), results[0]["sequence"].get<std::uint64_t>());
    EXPECT_EQ(totals["total"]["packages"], round + 1) << "the answer does not hold what its minimum asks for";
  }
  for (const char* target : {"/",
                             "/healthz",
                             "/readyz",
                             "/v1/cut",
                             "/v1/status",
                             "/v1/totals",
                             "/v1/views",
                             "/v1/entries/0",
                             "/v1/entries/0/3",
                             "/v1/purchases",
                             "/v1/purchases/e-katalog-6/P3",
                             "/v1/findings",
                             "/v1/gaps",
                             "/v1/reasons",
                             "/log/0/vkey",
                             "/payload/0/0",
                             "/metrics",
                             "/nowhere",
                             "/v1/entries/9",
                             "/v1/totals?by=x"}) {
    const HttpResponse response = get(target);
    const auto cut = response.header("Bukubesar-Cut");
    ASSERT_TRUE(cut) << target;
    EXPECT_TRUE(Cut::parse(*cut).ok()) << target << ": " << *cut;
  }
  // As of a cut: exactly what stood there, whatever came later.
  EXPECT_EQ(get_json("/v1/totals?as_of=0%3D7,reference%3D0")["total"]["packages"], 7);
  EXPECT_EQ(get_json("/v1/totals?as_of=0%3D7,reference%3D0")["cut"]["0"], 7);
  // Beyond what there is: refused or waited for, and never answered from less.
  EXPECT_EQ(get_json("/v1/totals?as_of=0%3D999,reference%3D0", 416)["status"], 416);
  EXPECT_EQ(get_json("/v1/totals?as_of=0%3D7", 400)["status"], 400);
  for (const char* cursor : {"x", "0", "0:0", "0:0:", "0:0:-1", "0:4294967296:0", "0:0:9223372036854775808", "0:0:0:0"})
    EXPECT_EQ(get_json(fmt::format("/v1/gaps?cursor={}", cursor), 400)["status"], 400) << cursor;
  EXPECT_TRUE(get_json("/v1/gaps?cursor=0:0:0&limit=1")["next_cursor"].is_null());
}

TEST_F(NodeTest, AMinimumThatDoesNotComeIs504) {
  config_.http.request_timeout_ms = 600;
  start();
  EXPECT_EQ(get_json("/v1/totals?min_cut=0%3D5", 504)["status"], 504);
  EXPECT_EQ(get_json("/v1/purchases?min_cut=0%3D5", 504)["status"], 504);
}

TEST_F(NodeTest, WaitsThatRanOutLeaveRoomForOthers) {
  config_.http.request_timeout_ms = 4'000;  // of which a wait has half: none runs out before the last has begun
  start();
  Cut beyond;
  beyond.set(PartitionId(0), 999'999'999);
  std::atomic<std::size_t> ran_out{0};
  std::size_t refused = 0;
  const ServerRequest request;
  for (std::size_t i = 0; i < kWaitsMax + 10; ++i)
    when_read(*node_, request, beyond, [&](const absl::Status& read) { absl::IsResourceExhausted(read) ? ++refused : ++ran_out; });
  EXPECT_EQ(refused, 10U);
  post_events({{.number = 1}});
  wait_until("the delay of a commit, measured beside waiting readers", [&] {
    const std::string metrics = get("/metrics").body;
    return metrics.find("bukubesar_end_to_end_delay_seconds_count 1\n") != std::string::npos &&
           metrics.find("bukubesar_end_to_end_delay_unmeasured_commits_total 0\n") != std::string::npos;
  });
  wait_until("all waits to run out", [&] { return ran_out == kWaitsMax; });
  EXPECT_EQ(node_->projections().status().readers_waiting, 0U);
  EXPECT_EQ(get("/v1/totals?min_cut=0%3D5").status, 504U) << "it could wait";
}

TEST_F(NodeTest, AWaitThatIsOverKeepsNothing) {
  start();
  auto kept = std::make_shared<int>();
  const std::weak_ptr<int> of_the_answer = kept;
  const auto begin = std::chrono::steady_clock::now();
  when_read(*node_, ServerRequest(), Cut(), [kept = std::move(kept)](const absl::Status& read) { EXPECT_TRUE(read.ok()) << read; });
  wait_until("what the answer was made of to go", [&] { return of_the_answer.expired(); });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kCutWaitMax / 2) << "it was held until the time of the wait ran out";
}

TEST_F(NodeTest, AClientThatGoesAwayWaitsNoLonger) {
  start();
  boost::asio::io_context io;
  boost::asio::ip::tcp::socket socket(io);
  socket.connect({boost::asio::ip::address_v4::loopback(), node_->port()});
  boost::asio::write(socket, boost::asio::buffer(std::string("GET /v1/totals?min_cut=0%3D5 HTTP/1.1\r\nHost: localhost\r\n\r\n")));
  wait_until("the request to wait", [&] { return node_->projections().status().readers_waiting == 1; });
  const auto begin = std::chrono::steady_clock::now();
  socket.close();
  wait_until("the wait to end", [&] { return node_->projections().status().readers_waiting == 0; });
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kCutWaitMax / 2) << "it was held until its time ran out";
}

// Every read of /v1 takes min_cut: none calls it unknown, and each waits for what is not there yet.
TEST_F(NodeTest, I7_EveryReadWaitsForAMinimumCut) {
  config_.http.request_timeout_ms = 2'000;
  start();
  post_events({{.number = 1}});
  std::size_t reads = 0;
  std::vector<std::pair<std::string, std::future<HttpResponse>>> waiting;
  for (const Route& route : node_->router().routes()) {
    if (route.method != "GET" || route.pattern.rfind("/v1/", 0) != 0) continue;
    ++reads;
    std::string path = route.pattern;
    for (const auto& [capture, value] : {std::pair{"{partition}", "0"}, std::pair{"{sequence}", "0"}, std::pair{"{name}", "regions"},
                                         std::pair{"{id...}", "e-katalog-6/P1"}}) {
      if (const auto at = path.find(capture); at != std::string::npos) path.replace(at, std::string_view(capture).size(), value);
    }
    if (route.pattern != "/v1/stream") {  // what is there, it would send for ever
      const HttpResponse there = get(path + "?min_cut=0%3D1");
      EXPECT_EQ(there.body.find("unknown parameter"), std::string::npos) << path << ": " << there.body;
    }
    waiting.emplace_back(path, std::async(std::launch::async, [this, path] { return get(path + "?min_cut=0%3D2"); }));
    EXPECT_EQ(get(path + "?min_cut=7%3D2").status, 400U) << path;
  }
  for (auto& [path, answer] : waiting) EXPECT_EQ(answer.get().status, 504U) << path;
  EXPECT_GE(reads, 10U);
  EXPECT_EQ(get("/v1/entries/0/0?min_cut=0%3D1").status, 200U);
}

TEST_F(NodeTest, AsOfATimeIsResolvedToACutAndSaysWhetherItIsFinal) {
  start();
  post_events({{.number = 1}});
  const std::string stamp = get_json("/v1/entries/0/0")["ledger_time"].get<std::string>();
  const Json now = get_json("/v1/totals?as_of=" + percent_encode(stamp) + "&min_cut=" + percent_encode(last_cut_));
  EXPECT_EQ(now["total"]["packages"], 1);
  EXPECT_EQ(now["final"], false) << "another entry may still get this very time";
  const Json before = get_json("/v1/totals?as_of=2001-01-01T00:00:00Z");
  EXPECT_EQ(before["cut"]["0"], 0);
  EXPECT_EQ(before["total"]["packages"], 0);
  EXPECT_EQ(get_json("/v1/totals?as_of=2001-13-01", 400)["status"], 400);
}

std::set<std::string> names_below(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) names.insert(entry.path().string());
  return names;
}

// What one moment held, though a node writes there meanwhile: a file that came or went while it was copied (a table, a log, a
// file about to be renamed) would make the copy a state that no moment had, so such a copy is made again.
bool copy_as_of_one_moment(const std::string& from, const std::string& to) {
  for (int attempt = 0; attempt < 1'000; ++attempt) {
    std::filesystem::remove_all(to);
    try {
      const auto before = names_below(from);
      std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
      if (names_below(from) == before) return true;
    } catch (const std::filesystem::filesystem_error&) {  // it went between the listing and the copy
    }
  }
  return false;
}

// RUNBOOK tells an operator by these which part is busy.
TEST_F(NodeTest, ThreadsHaveNames) {
  start();
  std::set<std::string> missing{"intake", "commit", "fold", "segments", "sign", "http", "stream", "alerts"};
  wait_until("each thread to name itself", [&] {
    for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
      std::string name;
      std::getline(std::ifstream(thread.path() / "comm"), name);
      missing.erase(name);
    }
    return missing.empty();
  });
}

// I8: an answer of "stored" is about what is already in the ledger: it is there for whoever opens the directory next.
TEST_F(NodeTest, I8_NoAcknowledgementBeforeDurability) {
  start();
  std::vector<std::pair<std::uint64_t, std::string>> answered;
  for (int number = 0; number < 50; ++number) {
    const Json result = post_events({{.number = number}})[0];
    ASSERT_EQ(result["verdict"], "accepted");
    const std::uint64_t sequence = result["sequence"].get<std::uint64_t>();
    EXPECT_LT(sequence, node_->ledger().head(PartitionId(0)).size) << "answered before the commit";
    const auto payload = node_->ledger().read_payload(PartitionId(0), Sequence(sequence));
    ASSERT_TRUE(payload.ok()) << payload.status();
    answered.emplace_back(sequence, *payload);
  }
  // The directory as a crash at this moment would leave it: copied while the node runs, nothing closed.
  const std::string copy = directory_ + "_copy";
  ASSERT_TRUE(copy_as_of_one_moment(directory_, copy));
  Config config = config_;
  config.data_dir = copy;
  const auto file = DefinitionFile::load(definition_path(config));
  ASSERT_TRUE(file.ok()) << file.status();
  LedgerOptions options;
  options.directory = ledger_directory(config);
  const auto ledger = Ledger::open(options, file->definition());
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  for (const auto& [sequence, payload] : answered) EXPECT_EQ(*(*ledger)->read_payload(PartitionId(0), Sequence(sequence)), payload);
  std::filesystem::remove_all(copy);
}

TEST_F(NodeTest, ARestartKeepsEverythingAndARetryIsADuplicate) {
  start();
  const Json first = post_events({{.number = 1}, {.number = 2}});
  node_->stop();
  start();
  const Json again = post_events({{.number = 1}, {.number = 2, .total = "5.00", .id = "ordered-2"}});
  EXPECT_EQ(again[0]["verdict"], "duplicate");
  EXPECT_EQ(again[0]["reason"], "same");
  EXPECT_EQ(again[0]["duplicate_of"], first[0]["sequence"]);
  EXPECT_EQ(again[1]["reason"], "different");
  EXPECT_EQ(get_json("/v1/totals?min_cut=" + percent_encode(last_cut_))["total"]["packages"], 2);
}

TEST_F(NodeTest, RejectsWithReasonSentenceAndDetail) {
  start();
  const HttpResponse response = post(event_text({.number = 1, .total = "1.234"}), "application/cloudevents+json");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json result = Json::parse(response.body)["results"][0];
  EXPECT_EQ(result["verdict"], "rejected");
  EXPECT_FALSE(result["sentence"].get<std::string>().empty());
  EXPECT_NE(result["detail"].get<std::string>().find("amounts"), std::string::npos) << result;
  for (const auto& [body, headers] : std::vector<std::pair<std::string, HttpHeaders>>{
           {"not json", {{"Bukubesar-Key", "k"}}}, {"", {}}, {event_text({.number = 2}), {{"Bukubesar-Key", "another"}}}}) {
    const HttpResponse answer = post(body, "application/cloudevents+json", headers);
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(Json::parse(answer.body)["results"][0]["verdict"], "rejected") << body;
  }
  const Json rejected = get_json("/v1/entries/0?verdict=rejected");
  EXPECT_EQ(rejected["entries"].size(), 4U);
  EXPECT_EQ(get_json("/v1/entries/0?verdict=accepted")["entries"].size(), 0U);
  EXPECT_EQ(post("{}").status, 400);
  EXPECT_EQ(post("x", "text/plain").status, 415);
}

TEST_F(NodeTest, PagesThroughEntriesInBothOrders) {
  start();
  std::vector<EventSpec> specs;
  for (int number = 0; number < 25; ++number) specs.push_back({.number = number});
  post_events(specs);
  std::vector<std::uint64_t> seen;
  for (std::string cursor;;) {
    const Json page = get_json("/v1/entries/0?order=newest&limit=10" + (cursor.empty() ? "" : "&cursor=" + cursor));
    for (const Json& entry : page["entries"]) seen.push_back(entry["sequence"].get<std::uint64_t>());
    if (page["next_cursor"].is_null()) break;
    cursor = page["next_cursor"].get<std::string>();
  }
  ASSERT_EQ(seen.size(), 25U);
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
  EXPECT_EQ(get_json("/v1/entries/0?cursor=20")["entries"].size(), 5U);
  EXPECT_EQ(get_json("/v1/entries/0?cursor=26", 416)["status"], 416);
  EXPECT_EQ(get_json("/v1/entries/0/25", 404)["status"], 404);
  EXPECT_EQ(get_json("/v1/entries/0/x", 404)["status"], 404);
  EXPECT_EQ(get_json("/v1/entries/7", 404)["status"], 404);
}

TEST_F(NodeTest, TellsImportersWhatItKnows) {
  start();
  post_events({{.number = 1}, {.number = 2}});
  post_events({{.number = 1, .what = "advanced", .stage = "completed"}});
  const Json page = get_json("/v1/purchases?feed=/feed/test&institution=D262&fiscal_year=2023&documents=true&limit=1&min_cut=" +
                             percent_encode(last_cut_));
  ASSERT_EQ(page["purchases"].size(), 1U);
  const Json& row = page["purchases"][0];
  EXPECT_EQ(row["id"], "e-katalog-6/P1");
  EXPECT_EQ(row["stage"], "completed");
  EXPECT_EQ(row["document"]["amounts"]["total"], "25000000.00");
  EXPECT_EQ(row["source_status"]["package"], "paket_selesai");
  EXPECT_EQ(row["last_event"]["id"], "advanced-1");
  const Json rest =
      get_json("/v1/purchases?feed=/feed/test&documents=true&cursor=" + percent_encode(page["next_cursor"].get<std::string>()));
  ASSERT_EQ(rest["purchases"].size(), 1U);
  EXPECT_EQ(rest["purchases"][0]["id"], "e-katalog-6/P2");
  EXPECT_EQ(rest["purchases"][0]["source_status"]["package"], "proses_kontrak_ppk");
  EXPECT_TRUE(rest["next_cursor"].is_null());
  const Json purchase = get_json("/v1/purchases/e-katalog-6%2FP1");
  EXPECT_EQ(purchase["stage"], "completed");
  EXPECT_EQ(purchase["history"].size(), 2U);
  EXPECT_EQ(get_json("/v1/purchases/e-katalog-6/none", 404)["status"], 404);
}

TEST_F(NodeTest, ServesTheLogAsTilesThatItsKeySigns) {
  start();
  post_events({{.number = 1}, {.number = 2}, {.number = 3}});
  std::string note;
  wait_until("a checkpoint of size 3", [&] {
    note = get("/log/0/checkpoint").body;
    return note.find("kalsel/0\n3\n") == 0;
  });
  std::string vkey = get("/log/0/vkey").body;
  vkey.pop_back();
  EXPECT_TRUE(verify_note(note, vkey).ok()) << verify_note(note, vkey);
  const HttpResponse tile = get("/log/0/tile/0/000.p/3");
  EXPECT_EQ(tile.status, 200);
  EXPECT_EQ(tile.body.size(), 96U);
  EXPECT_EQ(tile.header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(get("/log/0/tile/entries/000.p/3").body.size(), 3U * (2 + kEntryBytes));
  for (const char* beyond :
       {"/log/0/tile/0/000", "/log/0/tile/0/000.p/4", "/log/0/tile/0/001.p/1", "/log/0/tile/8/000", "/log/0/tile/x", "/log/7/checkpoint"})
    EXPECT_EQ(get(beyond).status, 404) << beyond;
  EXPECT_NE(get("/log/cut").body.find("kalsel/0 3 "), std::string::npos) << get("/log/cut").body;
  const Json entry = get_json("/v1/entries/0/1?proof=true");
  EXPECT_EQ(entry["proof"]["size"], 3);
  EXPECT_TRUE(entry["proof"]["signed"].get<bool>());
  EXPECT_NE(entry["proof"]["tlog_proof"].get<std::string>().find(note), std::string::npos);
  EXPECT_EQ(hex(as_view(sha256(get("/payload/0/1").body))), entry["payload_hash"].get<std::string>());
}

TEST_F(NodeTest, WithoutAKeyNothingIsSignedAndStatusSaysHowToMakeOne) {
  start(false);
  EXPECT_EQ(get("/log/0/checkpoint").status, 404);
  EXPECT_NE(get_json("/v1/status")["warnings"].dump().find("bukubesar key new"), std::string::npos);
}

TEST_F(NodeTest, AKeyMadeWhileItRunsIsUsedAndSigningCanBeAskedFor) {
  config_.signing.interval_ms = 86'400'000;  // nothing is signed by itself in this test
  start(false);
  post_events({{.number = 1}});
  const auto sign = [this] { return client().post("/v1/sign", "application/json", "", {}, SendTwice::harmless); };
  EXPECT_EQ(sign()->status, 409U);
  EXPECT_EQ(get("/log/0/checkpoint").status, 404U);
  ASSERT_TRUE(SigningKeys::create(key_path(config_)).ok());
  const auto signed_now = sign();
  ASSERT_EQ(signed_now->status, 200U) << signed_now->body;
  EXPECT_EQ(Json::parse(signed_now->body)["checkpoints"][0]["size"], 1);
  EXPECT_EQ(parse_checkpoint(get("/log/0/checkpoint").body)->size, 1U);
  EXPECT_EQ(get("/log/0/vkey").status, 200U);
}

TEST_F(NodeTest, AKeyMadeWhileItRunsIsFoundByItself) {
  start(false);
  post_events({{.number = 1}});
  ASSERT_TRUE(SigningKeys::create(key_path(config_)).ok());
  wait_until("a checkpoint", [&] { return get("/log/0/checkpoint").status == 200U; });
}

TEST_F(NodeTest, BeyondTheBoundInFlightItIs429WithRetryAfter) {
  config_.intake.publish_events_in_flight_max = 10;
  start();
  std::atomic<int> refused{0}, stored{0};
  std::atomic<bool> other{false};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 8; ++writer)
    writers.emplace_back([&, writer] {
      for (int round = 0; round < 40; ++round) {
        std::string body = "[";
        for (int i = 0; i < 9; ++i) body += (i > 0 ? "," : "") + event_text({.number = writer * 100'000 + round * 10 + i});
        const HttpResponse response = post(body + "]");
        if (response.status == 200)
          ++stored;
        else if (response.status == 429 && response.header("Retry-After"))
          ++refused;
        else
          other = true;
      }
    });
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(refused, 0);
  EXPECT_GT(stored, 0);
  EXPECT_FALSE(other);
  EXPECT_EQ(node_->ledger().head(PartitionId(0)).counts.accepted, static_cast<std::uint64_t>(stored) * 9)
      << "a refused request left something behind";
}

TEST_F(NodeTest, ASecondNodeOnTheSameDirectoryIsRefusedWithAClearMessage) {
  start();
  Node second(config_, nullptr);
  const absl::Status status = second.start();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(message_of(status).find("in use by process"), std::string::npos) << status;
}

TEST_F(NodeTest, StopsWhileRequestsComeIn) {
  start();
  std::atomic<bool> ending{false};
  std::atomic<int> stored{0};
  const std::uint16_t port = node_->port();
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 4; ++writer)
    writers.emplace_back([&, writer] {
      HttpClientOptions options;
      options.url = fmt::format("http://127.0.0.1:{}", port);
      options.attempts_max = 1;
      for (int number = 0; !ending; ++number) {
        auto http = HttpClient::make(options);
        const auto response = http->post("/v1/events", "application/cloudevents+json", event_text({.number = writer * 1'000'000 + number}));
        if (!response.ok()) return;
        if (response->status == 200) ++stored;
      }
    });
  wait_until("some events", [&] { return stored > 50; });
  node_->stop();
  ending = true;
  for (std::thread& writer : writers) writer.join();
  start();
  EXPECT_GE(node_->ledger().head(PartitionId(0)).counts.accepted, static_cast<std::uint64_t>(stored));
}

TEST_F(NodeTest, BeforeItIsReadyItSaysWhatItDoes) {
  Node node(config_, nullptr);
  for (const auto& [path, want] : std::vector<std::pair<std::string, unsigned>>{{"/healthz", 200},
                                                                                {"/readyz", 503},
                                                                                {"/v1/totals", 503},
                                                                                {"/v1/status", 503},
                                                                                {"/v1/entries/0", 503},
                                                                                {"/log/0/checkpoint", 503},
                                                                                {"/metrics", 200},
                                                                                {"/", 200}}) {
    const auto request = std::make_shared<ServerRequest>();
    request->method = "GET";
    request->path = path;
    const Router::Match match = node.router().find(*request);
    ASSERT_NE(match.route, nullptr) << path;
    std::optional<ServerResponse> response;
    // `/metrics` asks the server for its connections, which it can tell before it listens.
    match.route->handle(request, [&response](ServerResponse answer) { response = std::move(answer); });
    ASSERT_TRUE(response) << path;
    EXPECT_EQ(response->status, want) << path << ": " << response->body;
    EXPECT_TRUE(want != 503 || response->body.find("starting") != std::string::npos) << response->body;
  }
}

TEST_F(NodeTest, AStoppedIntakeIs503WithTheWhyAndReadsGoOn) {
  start();
  post_events({{.number = 1}});
  node_->intake().stop();
  const HttpResponse refused = post(event_text({.number = 2}), "application/cloudevents+json");
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_FALSE(Json::parse(refused.body)["detail"].get<std::string>().empty());
  EXPECT_TRUE(refused.header("Retry-After"));
  EXPECT_EQ(get_json("/v1/totals?min_cut=" + percent_encode(last_cut_))["total"]["packages"], 1);
}

TEST_F(NodeTest, AnEventThatTheBrokerWouldRefuseIs413AndNothingOfItsBatchIsPublished) {
  start();
  std::string large = event_text({.number = 2});
  large.insert(1, "\"padding\":\"" + std::string(2U << 20, 'x') + "\",");
  const HttpResponse refused = post("[" + event_text({.number = 1}) + "," + large + "]");
  EXPECT_EQ(refused.status, 413) << refused.body;
  EXPECT_EQ(Json::parse(post_events({{.number = 3}}).dump())[0]["sequence"], 0) << "something was published";
}

TEST_F(NodeTest, WithoutALedgerClockAsOfATimeIsRefusedAndACutIsAnswered) {
  Definition definition;
  definition.name = "kalsel";
  definition.clock = LedgerClock::none;
  RulesStatement rules;
  rules.from_ledger_time_ms = 0;
  definition.rules.push_back(rules);
  const auto made = DefinitionFile::create(definition_path(config_), definition);
  ASSERT_TRUE(made.ok()) << made.status();
  start();
  post_events({{.number = 1}});
  for (const char* time : {"2023-06-30", "2023-06-30T00:00:00Z"}) {
    const Json refused = get_json(std::string("/v1/totals?as_of=") + time, 409);
    EXPECT_NE(refused["detail"].get<std::string>().find("CreateTime"), std::string::npos) << refused;
  }
  EXPECT_EQ(get_json("/v1/totals?as_of=" + percent_encode(last_cut_))["total"]["packages"], 1);
}

// As of a checkpoint: the first cut note that lists it.
TEST_F(NodeTest, AsOfACheckpointIsWhatWasSigned) {
  start();
  post_events({{.number = 1}});
  wait_until("a checkpoint", [&] { return get("/v1/totals?as_of=checkpoint:0/1").status == 200; });
  post_events({{.number = 2}});
  const Json signed_totals = get_json("/v1/totals?as_of=checkpoint:0/1");
  EXPECT_EQ(signed_totals["total"]["packages"], 1);
  EXPECT_EQ(signed_totals["cut"]["0"], 1);
  EXPECT_EQ(get_json("/v1/totals?as_of=checkpoint:0/77", 404)["status"], 404);
  EXPECT_EQ(get_json("/v1/totals?as_of=checkpoint:0", 400)["status"], 400);
}

TEST_F(NodeTest, MetricsNameTheirUnits) {
  start();
  post_events({{.number = 1}});
  get_json("/v1/totals?min_cut=" + percent_encode(last_cut_));
  // A request is counted when its last byte is out, which may be after the client has it; how far Kafka is ahead is said now and then.
  for (const char* name : {"bukubesar_ledger_offset_next{partition=\"0\"} 1", "bukubesar_verdicts_total",
                           "bukubesar_commit_fsync_seconds_bucket", "bukubesar_end_to_end_delay_seconds_count 1",
                           "bukubesar_http_requests_total{method=\"POST\",route=\"/v1/events\",status=\"200\"} 1",
                           "bukubesar_projection_sequence_next", "bukubesar_memory_bytes{part=", "bukubesar_source_lag_records"})
    wait_until(name, [&] { return get("/metrics").body.find(name) != std::string::npos; });
}

}  // namespace
}  // namespace bukubesar
