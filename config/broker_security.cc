#include "config/broker_security.h"

#include "base/private_file.h"
#include "base/status.h"

namespace bukubesar {

absl::StatusOr<std::string> broker_password(const BrokerConfig& config) {
  if (config.sasl_password_file.empty()) return std::string();
  auto password = read_private_file(config.sasl_password_file);
  if (!password.ok()) return with_context(password.status(), "broker.sasl_password_file");
  while (!password->empty() && (password->back() == '\n' || password->back() == '\r')) password->pop_back();
  if (password->empty()) return invalid_argument("broker.sasl_password_file: {} is empty", config.sasl_password_file);
  return password;
}

absl::StatusOr<std::map<std::string, std::string>> broker_properties(const BrokerConfig& config) {
  std::map<std::string, std::string> properties = config.properties;
  if (config.security_protocol == "plaintext") return properties;
  properties["security.protocol"] = config.security_protocol;
  if (!config.ca_file.empty()) properties["ssl.ca.location"] = config.ca_file;
  if (!config.client_key_file.empty()) {
    RETURN_IF_ERROR(with_context(read_private_file(config.client_key_file).status(), "broker.client_key_file"));
    properties["ssl.certificate.location"] = config.client_certificate_file;
    properties["ssl.key.location"] = config.client_key_file;
  }
  if (config.sasl_password_file.empty()) return properties;
  ASSIGN_OR_RETURN(properties["sasl.password"], broker_password(config));
  properties["sasl.username"] = config.sasl_username;
  properties["sasl.mechanisms"] = config.sasl_mechanism;
  return properties;
}

std::string broker_advice(std::string_view words) {
  const auto says = [words](std::string_view part) { return words.find(part) != std::string_view::npos; };
  if (says("SASL authentication error") || says("Authentication failure"))
    return says("SCRAM") ? "; check broker.sasl_username and broker.sasl_password_file. Where they are right: librdkafka before 2.6.1 "
                           "can't do SCRAM with "
                           "Kafka 4, broker.sasl_mechanism PLAIN under sasl_ssl works"
                         : "; check broker.sasl_username and broker.sasl_password_file: once they are right it goes on by itself";
  // A broker that wants a certificate says so in different words, by its own version and that of TLS.
  if (says("alert bad certificate") || says("alert certificate required") || says("alert certificate unknown") || says("alert unknown ca"))
    return "; the broker wants a client certificate that it trusts: check broker.client_certificate_file and broker.client_key_file";
  if (says("key values mismatch")) return "; broker.client_key_file is not the key of broker.client_certificate_file";
  if (says("certificate verify failed") || says("broker certificate"))
    return "; check broker.ca_file and that the broker's certificate is for the name in broker.bootstrap_servers";
  if (says("SSL handshake failed") || says("Disconnected while requesting ApiVersion"))
    return "; check that broker.security_protocol is what this listener of the broker speaks";
  if (says("authorization failed"))
    return "; the broker's ACLs do not let broker.sasl_username do this (with a client certificate: the name in it), the runbook lists "
           "what it needs";
  return {};
}

}  // namespace bukubesar
