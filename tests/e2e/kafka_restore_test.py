"""A restored older copy and a real Kafka: it catches up to the very root that it had; it knows from its committed offset and from the
damaged disk how far it had come; where Kafka has not kept the records, it refuses and says why (I9)."""

import shutil

import harness
import kafka_hand
from kafka_hand import confluent_kafka, keyed, wait_size


def purchases(first: int, count: int) -> list:
    return [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(first, first + count)]


def leaves(server: harness.Server, count: int) -> list:
    return [(each["payload_hash"], each["offset"]) for each in server.get_json("/v1/entries/0", limit=count)["entries"]]


def wait_advised(kafka: harness.Kafka, server: harness.Server, size: int):
    """Until the committed offset of its group says so."""
    group = harness.wait_until("the group", lambda: group_of(kafka))
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    try:
        harness.wait_until("the committed offset", lambda: consumer.committed(
            [confluent_kafka.TopicPartition(kafka_hand.PURCHASES, 0)], timeout=10)[0].offset == size)
    finally:
        consumer.close()


def group_of(kafka: harness.Kafka) -> str | None:
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": kafka.bootstrap})
    groups = [group.id for group in admin.list_groups(timeout=20) if group.id.startswith("bukubesar-")]
    return groups[0] if groups else None


def main():
    with harness.workspace("kafka_restore") as work, harness.Kafka(work / "kafka") as kafka:
        hand = kafka_hand.Hand(kafka.bootstrap)
        backups = work / "backups"
        server = harness.Server(work / "data", kafka=kafka.bootstrap)
        with server:
            server.start()
            hand.produce(kafka_hand.PURCHASES, keyed(purchases(0, 200)))
            wait_size(server, 200)
            server.run("--url", server.url, "backup", str(backups))
            hand.produce(kafka_hand.PURCHASES, keyed(purchases(200, 300)))
            wait_size(server, 500)
            whole = leaves(server, 500)
            wait_advised(kafka, server, 500)
            assert server.stop() == 0
        shutil.move(server.data, work / "damaged")

        # At the same place: its committed offset says 500, the backup 200. No read is answered before Kafka has led it there.
        server.run("restore", str(backups), str(server.data))
        shutil.copy(work / "damaged/signing.key", server.data)
        with server:
            server.start()
            assert "had 500 entries, here are 200" in server.log(), server.log()[-2000:]
            assert leaves(server, 500) == whole
            assert server.stop() == 0
            server.verify()

        # Elsewhere, told by what is left of the damaged disk.
        other = harness.Server(work / "other", kafka=kafka.bootstrap)
        other.run("restore", str(backups), str(other.data), "--reach", str(work / "damaged/ledger.heads"))
        with other:
            other.start()
            assert leaves(other, 500) == whole
            assert other.stop() == 0

        # Kafka has lost what came after the backup.
        hand.delete_records(kafka_hand.PURCHASES, 400)
        late = harness.Server(work / "late", kafka=kafka.bootstrap)
        late.run("restore", str(backups), str(late.data), "--reach", str(work / "damaged/ledger.heads"))
        with late:
            late.start(ready_seconds=0)
            harness.wait_until("the refusal", lambda: "intake stops" in late.log() or "intake does not start" in late.log())
            answer = harness.wait_until("an answer", lambda: refusal(late))
            assert b"shorter than the last size" in answer.body, answer.body
            why = harness.wait_until("the warning", lambda: [text for text in late.get_json("/v1/status")["warnings"] if "partition 0 has stopped" in text])
            assert "200 to 399" in why[0], why


def refusal(server: harness.Server):
    try:
        answer = server.get("/v1/totals", by="region")
    except OSError:
        return None
    return answer if answer.status == 503 and b"starting" not in answer.body else None


if __name__ == "__main__":
    main()
