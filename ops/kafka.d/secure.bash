# What `ops/kafka --secure` adds: certificates, users with passwords, access rules. Sourced by ops/kafka, in whose variables it works.
#
# Users: admin (may do everything), bukubesar (may do what a node needs: the runbook's list), stranger and newcomer
# (may sign in, and nothing more).
# In $dir/secure: ca.pem; <user>.password, <user>.pem and <user>.key, mode 0600; admin.properties for Kafka's own command lines.
# Listeners: SASL_SSL on the port for passwords, SSL two above it for client certificates.

readonly secure="$dir/secure"
readonly users=(admin bukubesar stranger newcomer)
readonly node_operations=Read,Write,Describe,DescribeConfigs,Create  # the runbook's list

password_of() { cat "$secure/$1.password"; }

make_certificates() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=ops-kafka test CA" \
    -keyout "$secure/ca.key" -out "$secure/ca.pem"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=localhost" -keyout "$secure/broker.key" -out "$secure/broker.csr"
  openssl x509 -req -in "$secure/broker.csr" -CA "$secure/ca.pem" -CAkey "$secure/ca.key" -days 3650 -out "$secure/broker.pem" \
    -extfile <(echo "subjectAltName=DNS:localhost,IP:127.0.0.1")
  cat "$secure/broker.key" "$secure/broker.pem" >"$secure/broker.keystore.pem"
  local user
  for user in "${users[@]}"; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$user" -keyout "$secure/$user.key" -out "$secure/$user.csr"
    openssl x509 -req -in "$secure/$user.csr" -CA "$secure/ca.pem" -CAkey "$secure/ca.key" -days 3650 -out "$secure/$user.pem"
  done
}

# Once for each directory: certificates and passwords stay the same from start to start.
make_secrets() {
  [[ -f "$secure/done" ]] && return
  command -v openssl >/dev/null || fail "openssl is missing: apt-get install openssl"
  mkdir -p -m 700 "$secure"
  (
    umask 077
    make_certificates 2>"$secure/openssl.log" || fail "making certificates failed: $(tail -n 3 "$secure/openssl.log")"
    for user in "${users[@]}"; do head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$secure/$user.password"; done
    cat >"$secure/admin.properties" <<PROPERTIES
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location=$secure/ca.pem
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="$(password_of admin)";
PROPERTIES
    touch "$secure/done"
  )
}

# The controller's listener stays in clear on loopback: whoever is on it is ANONYMOUS, and nobody else can be.
secure_properties() {
  local plain="" user
  for user in "${users[@]}"; do plain+=" user_$user=\"$(password_of "$user")\""; done
  cat <<PROPERTIES
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:PLAINTEXT
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/\$1/
inter.broker.listener.name=SASL_SSL
sasl.mechanism.inter.broker.protocol=PLAIN
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="$(password_of admin)"$plain;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location=$secure/broker.keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$secure/ca.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:admin;User:ANONYMOUS
PROPERTIES
}

# Arguments of StorageTool that make the users' SCRAM credentials.
scram_arguments() {
  local user mechanism
  for user in "${users[@]}"; do
    for mechanism in SCRAM-SHA-512 SCRAM-SHA-256; do
      printf '%s\n' --add-scram "$mechanism=[name=$user,password=$(password_of "$user")]"
    done
  done
}

acls() {
  # shellcheck disable=SC2046
  java $(jvm_options) -cp "$jars/*" org.apache.kafka.tools.AclCommand --bootstrap-server "127.0.0.1:$port" \
    --command-config "$secure/admin.properties" "$@" >>"$secure/acls.log" 2>&1 || fail "setting access rules failed: $(tail -n 3 "$secure/acls.log")"
}

# grant USER PREFIX OPERATION,…: for one user on the topics whose names begin so, and on the groups of nodes.
grant() {
  # shellcheck disable=SC2046
  acls --add --allow-principal "User:$1" $(printf -- '--operation %s ' ${3//,/ }) --topic "$2" --resource-pattern-type prefixed
  acls --add --allow-principal "User:$1" --operation Read --group bukubesar- --resource-pattern-type prefixed
}

set_acls() {
  [[ -f "$secure/acls.done" ]] && return
  grant bukubesar bukubesar. "$node_operations"
  touch "$secure/acls.done"
}
