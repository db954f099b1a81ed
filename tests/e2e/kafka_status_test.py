"""What status says while the intake does not run: the broker away, the topic contract broken."""

import harness


def kafka_settings(kafka: harness.Kafka, partitions: int) -> dict:
    return {"broker.kind": "kafka", "broker.bootstrap_servers": kafka.bootstrap, "ledger.partitions": partitions}


def sources(server: harness.Server) -> list:
    return server.get_json("/v1/status")["sources"]


def warnings(server: harness.Server) -> str:
    return "\n".join(server.get_json("/v1/status")["warnings"])


def broker_away(server: harness.Server, kafka: harness.Kafka):
    server.start(60.0, "--create-topics")
    assert server.post_events([harness.purchase_event(1)]).status == 200
    harness.wait_until("no lag", lambda: {source["lag_records"] for source in sources(server)} == {0})
    kafka.stop()
    harness.wait_until("the broker to be missed", lambda: {source["state"] for source in sources(server)} == {"waiting_for_broker"})
    assert {source["lag_records"] for source in sources(server)} == {None}, sources(server)
    assert "waits for the broker" in warnings(server), warnings(server)
    kafka.start()
    harness.wait_until("the lag to be known again", lambda: {source["lag_records"] for source in sources(server)} == {0})
    assert "waits for the broker" not in warnings(server), warnings(server)
    assert server.stop() == 0


def contract_broken(server: harness.Server):
    server.start()
    for source in sources(server):
        assert source["state"] == "stopped" and "topic contract is broken" in source["why"], source
        assert source["lag_records"] is None, source
    assert "has stopped: it does not start, the topic contract is broken" in warnings(server), warnings(server)
    refused = server.post_events([harness.purchase_event(2)])
    assert refused.status == 503 and "topic contract is broken" in refused.json()["detail"], refused.body
    assert server.stop() == 0


def main():
    with harness.workspace("status") as work, harness.Kafka(work / "kafka") as kafka:
        with harness.Server(work / "two", settings=kafka_settings(kafka, 2)) as server:
            broker_away(server, kafka)
        # The topic has two partitions by now; a ledger of one must not read it.
        with harness.Server(work / "one", settings=kafka_settings(kafka, 1)) as server:
            contract_broken(server)


if __name__ == "__main__":
    main()
