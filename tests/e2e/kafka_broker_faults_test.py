"""A real broker that stops, dies, stalls, loses connections and acknowledgements: nothing lost, nothing doubled (I1, I3, I4, I8).

The oracle is outside: another client's acknowledgements, the server's own receipts, and at the end every record that the broker has.
BUKUBESAR_LONG: stalls of minutes and more rounds. BUKUBESAR_SEED: where connections are cut.
"""

import json
import os
import random
import signal
import threading
import time

import harness
import kafka_determinism_test
import kafka_hand
from kafka_hand import PURCHASES
from kafka_proxy import Proxy

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
SEED = int(os.environ.get("BUKUBESAR_SEED", "20230615"))
STALL_SECONDS = 150 if LONG else 3
CUTS = 200 if LONG else 15
LOST_ACKNOWLEDGEMENTS = 15 if LONG else 3  # each costs the producer its time limit


class Writer(threading.Thread):
    """Produces distinct purchases, and every 20th a second time, past the proxy. Idempotent: what is acknowledged is there once."""

    def __init__(self, bootstrap: str, rng: random.Random):
        super().__init__()
        self.bootstrap, self.random, self.ending = bootstrap, rng, threading.Event()
        self.acknowledged: dict[str, int] = {}  # event id → amount
        self.records = 0
        self.failed = ""

    def run(self):
        import confluent_kafka
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "message.timeout.ms": 600_000,
                                             "reconnect.backoff.max.ms": 500})

        def told(event):
            def delivered(error, _):
                self.failed = self.failed or (str(error) if error else "")
                self.acknowledged[event["id"]] = int(float(event["data"]["document"]["amounts"]["total"]))
                self.records += 1
            return delivered
        number = 0
        while not self.ending.is_set():
            for _ in range(self.random.randrange(1, 30)):
                number += 1
                event = harness.purchase_event(number, amount=self.random.randrange(1_000, 50_000_000), stage="completed")
                for _ in range(2 if number % 20 == 0 else 1):
                    for key, value in kafka_hand.keyed([event]):
                        producer.produce(PURCHASES, value, key, headers=kafka_hand.HEADERS, on_delivery=told(event))
            producer.poll(0)
            self.ending.wait(0.05)  # some hundred a second: the faults are what takes time, not the load
        left = producer.flush(120)
        self.failed = self.failed or (f"{left} records were never acknowledged" if left else "")


class Poster(threading.Thread):
    """Posts one event at a time until it has a receipt for it, under the same id."""

    def __init__(self, server: harness.Server):
        super().__init__()
        self.server, self.ending = server, threading.Event()
        self.receipts: dict[str, dict] = {}
        self.sent_again = 0
        self.failed = ""

    def run(self):
        number = 50_000_000
        while not self.ending.is_set():
            event = harness.purchase_event(number, amount=7, feed="/feed/http", stage="completed", institution="D999")
            number += 1
            while True:
                try:
                    answer = self.server.post_events([event], timeout=200)
                except OSError as error:
                    self.failed = f"no answer: {error}"
                    return
                if answer.status == 200:
                    break
                if answer.status not in (503, 504):
                    self.failed = f"{answer.status} {answer.body!r}"
                    return
                self.sent_again += 1
                time.sleep(0.02)
            self.receipts[event["id"]] = answer.json()["results"][0]


def proxied_kafka(directory, proxy: Proxy) -> harness.Kafka:
    """A broker with a second listener that tells its clients to come through the proxy."""
    kafka = harness.Kafka(directory)
    kafka.port = harness.free_port(3)
    proxy.to_port = inner = kafka.port + 2
    kafka.properties |= {
        "listeners": f"PLAINTEXT://127.0.0.1:{kafka.port},PROXIED://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{kafka.port + 1}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{kafka.port},PROXIED://127.0.0.1:{proxy.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}  # back sooner after a kill
    return kafka


class Campaign:
    def __init__(self, kafka, proxy, server, writer, poster, rng):
        self.kafka, self.proxy, self.server, self.writer, self.poster, self.random = kafka, proxy, server, writer, poster, rng

    def progress(self, what: str, seconds: float = 90):
        """Both writers get further, and the ledger with them."""
        acknowledged, receipts, size = self.writer.records, len(self.poster.receipts), self.server.cut()["0"]

        def further():
            failed = self.writer.failed or self.poster.failed
            assert not failed, failed
            return (self.writer.records > acknowledged and len(self.poster.receipts) > receipts
                    and self.server.cut()["0"] > size and kafka_hand.source(self.server)["state"] == "streaming")
        start = time.monotonic()
        harness.wait_until(f"the intake to go on after: {what}", further, seconds)
        print(f"  {what}: going on after {time.monotonic() - start:.1f} s", flush=True)

    def stopped(self):
        self.kafka.stop()
        assert kafka_hand.wait_source(self.server, "waiting_for_broker")["why"]
        assert self.server.get("/v1/totals", by="region").status == 200, "reads go on"
        self.kafka.start()
        self.progress("the broker was stopped")

    def killed(self):
        self.kafka.signal(signal.SIGKILL)
        kafka_hand.wait_source(self.server, "waiting_for_broker")
        self.kafka.start()
        self.progress("the broker was killed")

    def stalled(self):
        self.kafka.signal(signal.SIGSTOP)
        try:
            time.sleep(STALL_SECONDS)  # the length of the fault
            if STALL_SECONDS > 60:
                assert kafka_hand.source(self.server)["state"] == "waiting_for_broker"
            assert self.server.get("/v1/totals", by="region").status == 200, "reads go on"
        finally:
            self.kafka.signal(signal.SIGCONT)
        self.progress(f"the broker stood still for {STALL_SECONDS} s", 120)

    def cut(self):
        for _ in range(CUTS):
            size = self.server.cut()["0"]
            if self.random.random() < 0.7:
                before = self.proxy.cuts
                self.proxy.cut_fetches = 1
                harness.wait_until("a fetch to cut", lambda: self.proxy.cuts > before)
            else:
                self.proxy.cut_all()
            harness.wait_until("the intake to go on", lambda: self.server.cut()["0"] > size)
        self.progress(f"connections were cut {CUTS} times")

    def acknowledgements_lost(self):
        """The server's own producer gets no answer for what the broker has stored, and sends it again."""
        for _ in range(LOST_ACKNOWLEDGEMENTS):
            before = self.proxy.cuts
            self.proxy.swallow_acks = {"rdkafka": 1}
            harness.wait_until("an acknowledgement to lose", lambda: self.proxy.cuts > before)
        self.progress(f"{LOST_ACKNOWLEDGEMENTS} acknowledgements were lost")

    def retries_of_others(self, hand: kafka_hand.Hand):
        """Other people's producers lose acknowledgements too: an idempotent one doubles nothing, another's copies are duplicates."""
        through = kafka_hand.Hand(f"127.0.0.1:{self.proxy.port}")
        for first, idempotent in ((90_000_000, True), (91_000_000, False)):
            events = [harness.purchase_event(first + n, amount=11, stage="completed") for n in range(40)]
            low = hand.ends(PURCHASES)[1]
            self.proxy.swallow_acks = {"another": 1}
            through.produce(PURCHASES, kafka_hand.keyed(events), client_id="another", enable_idempotence=idempotent, retry_backoff_ms=50)
            assert self.proxy.swallow_acks["another"] == 0, "no acknowledgement was lost"
            ids = [event["id"] for event in events]
            copies = sum(id_of(payload) in set(ids) for _, payload, _ in hand.read(PURCHASES, low))
            assert copies == 40 if idempotent else copies > 40, copies
            print(f"  40 events, idempotent {idempotent}: {copies} records", flush=True)
            self.writer.acknowledged |= {event["id"]: 11 for event in events}


def id_of(payload: bytes) -> str:
    return json.loads(payload[payload.index(b'{"specversion"'):])["id"]


def check(hand, server, writer, poster):
    records = hand.read(PURCHASES)
    kafka_hand.wait_size(server, len(records), 120)
    entries = kafka_hand.check_equal(server, records)
    ids = [id_of(payload) for _, payload, _ in records]
    there = set(ids)
    assert set(writer.acknowledged) <= there, "the broker has lost what it acknowledged"
    for (offset, _, _), event_id, entry in zip(records, ids, entries):
        assert entry["verdict"] in ("accepted", "duplicate"), entry
    for event_id, receipt in poster.receipts.items():
        entry = entries[receipt["sequence"]]
        assert (entry["offset"], entry["verdict"]) == (receipt["offset"], receipt["verdict"]), (receipt, entry)
        assert ids[receipt["sequence"]] == event_id, "the receipt is another event's"
    minimum = f"0={len(records)},reference=0"
    rows = {row["institution"]: row for row in server.get_json("/v1/totals", by="institution", min_cut=minimum)["rows"]}
    assert rows["D262"]["packages"] == len(writer.acknowledged), (rows["D262"], len(writer.acknowledged))
    assert rows["D262"]["strict"] == harness.rupiah(sum(writer.acknowledged.values())), rows["D262"]
    assert rows["D999"]["packages"] == len(poster.receipts), (rows["D999"], len(poster.receipts))
    return len(records)


def check_second_node(work, kafka, server, size):
    """I5: a node that met no fault has the same heads, views, totals and findings."""
    with harness.Server(work / "second", kafka=kafka.bootstrap) as second:
        second.data.mkdir()
        (second.data / "definition.jsonl").write_bytes((server.data / "definition.jsonl").read_bytes())
        second.start()
        kafka_hand.wait_size(second, size, 120)
        assert kafka_determinism_test.heads(server) == kafka_determinism_test.heads(second)
        cut = f"0={size},reference=0"
        met, unmet = [kafka_determinism_test.answers(each, cut) for each in (server, second)]
        assert met.keys() == unmet.keys(), (met.keys(), unmet.keys())
        for name, body in unmet.items():
            assert met[name] == body, f"{name} differs:\n{met[name][:2000]}\n{body[:2000]}"


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    with harness.workspace("broker_faults") as work, Proxy(0, SEED) as proxy, proxied_kafka(work / "kafka", proxy) as kafka:
        hand = kafka_hand.Hand(kafka.bootstrap)
        with harness.Server(work / "data", kafka=f"127.0.0.1:{proxy.port}") as server:
            server.start()
            writer, poster = Writer(kafka.bootstrap, rng), Poster(server)
            for each in (writer, poster):
                each.start()
            try:
                campaign = Campaign(kafka, proxy, server, writer, poster, rng)
                campaign.progress("the start")
                for fault in [campaign.stopped, campaign.killed, campaign.stalled, campaign.cut, campaign.acknowledgements_lost] * (3 if LONG else 1):
                    fault()
                campaign.retries_of_others(hand)
            finally:
                for each in (writer, poster):
                    each.ending.set()
                for each in (writer, poster):
                    each.join()
            assert not writer.failed and not poster.failed, (writer.failed, poster.failed)
            size = check(hand, server, writer, poster)
            check_second_node(work, kafka, server, size)
            assert server.stop() == 0
            server.verify()
        print(f"{size} records, {len(writer.acknowledged)} events by Kafka, {len(poster.receipts)} by HTTP ({poster.sent_again} sent again), "
              f"{proxy.cuts} connections cut: none lost, none doubled")
        print(f"counts: broker_faults={5 * (3 if LONG else 1)} connections_cut={proxy.cuts} kafka_records={size}")


if __name__ == "__main__":
    main()
