#include "consumers/kafka_embedded.h"

#include <librdkafka/rdkafka.h>
// It has no include guard of its own for this order: rdkafka.h must stand before it.
#include <librdkafka/rdkafka_mock.h>

#include "base/status.h"
#include "consumers/kafka_handle.h"

namespace bukubesar {

namespace {
struct MockDeleter {
  void operator()(rd_kafka_mock_cluster_t* cluster) const { rd_kafka_mock_cluster_destroy(cluster); }
};
}  // namespace

struct EmbeddedBroker::Impl {
  KafkaHandle handle;  // librdkafka keeps the broker's books on a handle; it connects nowhere
  std::unique_ptr<rd_kafka_mock_cluster_t, MockDeleter> cluster;
  std::string bootstrap_servers;
};

EmbeddedBroker::EmbeddedBroker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddedBroker::~EmbeddedBroker() = default;
const std::string& EmbeddedBroker::bootstrap_servers() const { return impl_->bootstrap_servers; }

absl::StatusOr<std::unique_ptr<EmbeddedBroker>> EmbeddedBroker::start(const std::vector<std::pair<std::string, int>>& topics) {
  auto impl = std::make_unique<Impl>();
  ASSIGN_OR_RETURN(impl->handle, make_kafka_handle(KafkaRole::producer, {}, {}, nullptr));
  impl->cluster.reset(rd_kafka_mock_cluster_new(impl->handle.get(), 1));
  if (impl->cluster == nullptr) return unavailable("the embedded broker did not start: {}", rd_kafka_err2str(rd_kafka_last_error()));
  for (const auto& [name, partitions] : topics) {
    const rd_kafka_resp_err_t error = rd_kafka_mock_topic_create(impl->cluster.get(), name.c_str(), partitions, 1);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return invalid_argument("the embedded broker refuses topic {} with {} partitions: {}", name, partitions, rd_kafka_err2str(error));
    }
  }
  impl->bootstrap_servers = rd_kafka_mock_cluster_bootstraps(impl->cluster.get());
  return std::unique_ptr<EmbeddedBroker>(new EmbeddedBroker(std::move(impl)));
}

void EmbeddedBroker::set_down(bool down) {
  if (down) {
    rd_kafka_mock_broker_set_down(impl_->cluster.get(), 1);
  } else {
    rd_kafka_mock_broker_set_up(impl_->cluster.get(), 1);
  }
}

}  // namespace bukubesar
