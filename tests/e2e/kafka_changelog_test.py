"""View changes in a compacted topic: who replays it has the views; killed in between, nothing is lost, doubled or half."""

import json
import pathlib
import signal
import subprocess
import sys
import unittest

import confluent_kafka

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

TOPIC = "bukubesar.views"
VIEWS = ("districts", "umkm_by_region")
MEASURES = ("packages", "vendors", "committed", "strict", "broad", "stage_unknown", "paid")


def replay(kafka: harness.Kafka) -> list:
    """(key, value) of all committed records, in order; a value is None where a row is gone.

    A broker answers a commit before it has written the commit's marker, and ends a reader's partition there until it has. So the end is asked of a reader of
    everything, and the replay goes on up to it.
    """
    settings = {"bootstrap.servers": kafka.bootstrap, "group.id": "replay", "enable.auto.commit": False, "enable.partition.eof": True}
    partition = confluent_kafka.TopicPartition(TOPIC, 0, 0)
    whole = confluent_kafka.Consumer({**settings, "isolation.level": "read_uncommitted"})
    try:
        end = whole.get_watermark_offsets(partition, timeout=30)[1]
    finally:
        whole.close()
    consumer = confluent_kafka.Consumer({**settings, "isolation.level": "read_committed"})
    consumer.assign([partition])
    records = []
    try:
        while True:
            message = consumer.poll(30)
            assert message is not None, "nothing came"
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
                if message.offset() >= end:
                    return records
                continue
            records.append((json.loads(message.key()), json.loads(message.value()) if message.value() is not None else None))
    finally:
        consumer.close()


def fits(schema: dict, payload) -> bool:
    """What JsonConverter asks of a struct: each field of the schema, with its type."""
    kinds = {"string": str, "int64": int}
    assert schema["type"] == "struct"
    return set(payload) == {field["field"] for field in schema["fields"]} and all(
        (payload[field["field"]] is None and field["optional"]) or isinstance(payload[field["field"]], kinds[field["type"]]) for field in schema["fields"])


class Changelog(unittest.TestCase):
    def sink(self, server: harness.Server, kafka: harness.Kafka, *arguments: str) -> list:
        views = [part for name in VIEWS for part in ("--view", name)]
        return [harness.BINARY, "--url", server.url, "sink", "kafka", "--bootstrap-servers", kafka.bootstrap, "--topic", TOPIC, "--create-topic",
                "--interval-ms", "20", *views, *arguments]

    def views_of(self, records: list) -> dict:
        """The views as whoever replays the records has them: name → (cut, rows by their values)."""
        views = {name: ["", {}] for name in VIEWS}
        for key, value in records:
            self.assertTrue(fits(key["schema"], key["payload"]))
            view, row = key["payload"]["view"], key["payload"]["row"]
            if value is None:
                del views[view][1][row]
                continue
            self.assertTrue(fits(value["schema"], value["payload"]), value)
            if row:
                views[view][1][row] = value["payload"]
            else:
                views[view][0] = value["payload"]["cut"]
        return views

    def same(self, server: harness.Server, kafka: harness.Kafka):
        records = replay(kafka)
        for name, (cut, rows) in self.views_of(records).items():
            answer = server.get_json(f"/v1/views/{name}", as_of=cut)
            self.assertEqual({tuple(json.loads(row)): [payload[each] for each in MEASURES] for row, payload in rows.items()},
                             {tuple(row[dimension] for dimension in answer["by"]): [row[each] for each in MEASURES] for row in answer["rows"]}, f"{name} at {cut}")
        return records

    def test_who_replays_it_has_the_views(self):
        with harness.workspace("changelog") as work, harness.Kafka(work / "kafka") as kafka, harness.Server(work / "data") as server:
            server.start()

            def post(first: int, **more):
                answer = server.post_events([harness.purchase_event(number, region=["63.09", "63.10"][number % 2], **more) for number in range(first, first + 20)])
                server.get_json("/v1/totals", min_cut=f"0={answer.json()['cut']['0']}")
            post(0)
            subprocess.run(self.sink(server, kafka, "--once"), check=True, capture_output=True, timeout=60)
            first = self.same(server, kafka)
            subprocess.run(self.sink(server, kafka, "--once"), check=True, capture_output=True, timeout=60)
            self.assertEqual(len(replay(kafka)), len(first), "nothing new came, so nothing is written")
            post(0, kind="cancelled")  # rows become zero and vanish
            subprocess.run(self.sink(server, kafka, "--once"), check=True, capture_output=True, timeout=60)
            self.assertIn(None, [value for _, value in self.same(server, kafka)])
            follow = subprocess.Popen(self.sink(server, kafka), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            for round_ in range(3):
                post(100 * (round_ + 1))
                follow.kill()
                follow.communicate()
                follow = subprocess.Popen(self.sink(server, kafka), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            want = harness.cut_text(server.caught_up())
            harness.wait_until("the topic to be there", lambda: {cut for cut, _ in self.views_of(replay(kafka)).values()} == {want}, 60)
            self.same(server, kafka)
            follow.send_signal(signal.SIGTERM)
            said = follow.communicate(timeout=60)[1]
            self.assertEqual(follow.returncode, 0, said)


if __name__ == "__main__":
    unittest.main()
