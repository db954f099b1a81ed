"""kill -9 at random moments while a real broker is being written to: nothing lost, nothing doubled (I1, I3, I4, I8).

The oracle stands outside the server: what this program had acknowledged by Kafka, and what the server's own HTTP answered.
Rounds: BUKUBESAR_KILL_ROUNDS (default 20, 200 with BUKUBESAR_LONG=1); seed: BUKUBESAR_SEED.
"""

import json
import os
import random
import threading
import time

import harness

ROUNDS = int(os.environ.get("BUKUBESAR_KILL_ROUNDS", "200" if os.environ.get("BUKUBESAR_LONG") else "20"))
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
TOPIC = "bukubesar.purchases"


class Writer(threading.Thread):
    """Produces distinct purchases, with a retry of every 50th event, until told to stop."""

    def __init__(self, kafka: harness.Kafka, seed: int):
        super().__init__()
        self.kafka, self.random, self.ending = kafka, random.Random(seed), threading.Event()
        self.acknowledged: dict[str, int] = {}  # event id -> amount
        self.records = 0

    def run(self):
        number = 0
        while not self.ending.is_set():
            batch = []
            for _ in range(self.random.randrange(1, 400)):
                number += 1
                event = harness.purchase_event(number, amount=self.random.randrange(1_000, 50_000_000), stage="completed")
                batch.append(event)
                if number % 50 == 0:
                    batch.append(event)  # a producer's retry
            self.kafka.produce(TOPIC, [(event["subject"], json.dumps(event, separators=(",", ":"))) for event in batch])
            self.records += len(batch)
            for event in batch:
                self.acknowledged[event["id"]] = int(event["data"]["document"]["amounts"]["total"].split(".")[0])


class HttpWriter(threading.Thread):
    """Posts one event at a time. What was answered is in `answered`; what a kill swallowed is sent again under the same id."""

    def __init__(self, server: harness.Server):
        super().__init__()
        self.server, self.ending = server, threading.Event()
        self.answered: dict[int, dict] = {}  # number -> the receipt of the last sending
        self.sent_again = 0
        self.error: BaseException | None = None

    def run(self):
        try:
            self.post_all()
        except BaseException as error:
            self.error = error

    def post_all(self):
        number, pending, end = 50_000_000, False, None
        while not self.ending.is_set() or pending:
            if self.ending.is_set():
                end = end or time.monotonic() + 120 * harness.PATIENCE
                assert time.monotonic() < end, "no answer to the last event"
            event = harness.purchase_event(number, amount=7, feed="/feed/http", stage="completed", institution="D999")
            try:
                answer = self.server.post_events([event])
            except OSError:  # the server was killed: it may or may not have stored the event
                self.sent_again += not pending
                pending = True
                time.sleep(0.01)
                continue
            if answer.status in (503, 504):  # starting up, or it may be stored and cannot be said
                pending = True
                time.sleep(0.01)
                continue
            assert answer.status == 200, answer.body
            self.answered[number] = answer.json()["results"][0]
            number, pending = number + 1, False


def main():
    print(f"seed {SEED}, {ROUNDS} rounds")
    rng = random.Random(SEED)
    with harness.workspace("kill") as work, harness.Kafka(work / "kafka") as kafka, harness.Server(work / "data", kafka=kafka.bootstrap) as server:
        server.start()
        writers = [Writer(kafka, SEED), HttpWriter(server)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(ROUNDS):
                time.sleep(rng.uniform(0.05, 1.5))  # the moment of the kill
                server.kill()
                server.start(ready_seconds=0)
                if rng.random() < 0.3:
                    time.sleep(rng.uniform(0.0, 0.3))  # in the middle of start-up
                    server.kill()
                    server.start(ready_seconds=0)
                server.wait_ready()
        finally:
            for writer in writers:
                writer.ending.set()
            for writer in writers:
                writer.join()
        by_kafka, by_http = writers
        check(server, by_kafka, by_http)
        assert server.stop() == 0
        server.verify()
        print(f"counts: kill_rounds={ROUNDS} events_by_kafka={len(by_kafka.acknowledged)} events_by_http={len(by_http.answered)} "
              f"sent_again_after_a_kill={by_http.sent_again}")


def check(server: harness.Server, by_kafka: Writer, by_http: HttpWriter):
    if by_http.error:
        raise by_http.error

    def has_all() -> bool:
        partition = next(each for each in server.get_json("/v1/status")["partitions"] if each["partition"] == "0")
        assert partition["gap_offsets"] == 0, partition
        # Each event, and each time that it was produced again.
        return (partition["verdicts"]["accepted"] >= len(by_kafka.acknowledged) + len(by_http.answered)
                and partition["size"] >= by_kafka.records + len(by_http.answered))
    harness.wait_until("all events in the ledger", has_all, 120)
    for number, receipt in by_http.answered.items():
        entry = server.get_json(f"/v1/entries/0/{receipt['sequence']}")
        assert entry["offset"] == receipt["offset"] and entry["verdict"] == receipt["verdict"], (number, receipt, entry)
        assert receipt["verdict"] in ("accepted", "duplicate"), receipt
    minimum = harness.cut_text(server.committed())
    rows = {row["institution"]: row for row in server.get_json("/v1/totals", by="institution", min_cut=minimum)["rows"]}
    assert rows["D262"]["packages"] == len(by_kafka.acknowledged), (rows["D262"], len(by_kafka.acknowledged))
    assert rows["D262"]["strict"] == harness.rupiah(sum(by_kafka.acknowledged.values())), rows["D262"]
    assert rows["D999"]["packages"] == len(by_http.answered), (rows["D999"], len(by_http.answered))


if __name__ == "__main__":
    main()
