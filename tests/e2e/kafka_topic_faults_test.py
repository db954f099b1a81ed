"""What happens to topics of a real broker, each with a server of its own: made again, truncated, outrun by retention, given more
partitions, compacted, written in transactions, beyond 2^31, with clocks in 2099, every codec, every size. What the server holds is
compared with what another client reads (I1, I3, I4).

    kafka_topic_faults_test.py [NAME...]     only these; all by default
BUKUBESAR_LONG: more rounds.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import harness
import kafka_hand
from kafka_hand import check_equal, check_total, keyed, source, wait_size, wait_source

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
SEGMENT = str(1 << 20)  # the least that Kafka takes: what is deleted or compacted is whole segments
CASES = []


def case(function):
    CASES.append(function)
    return function


def purchases(first: int, count: int, padding: int = 0, **more) -> list:
    events = [harness.purchase_event(number, amount=1_000 + number, stage="completed", **more) for number in range(first, first + count)]
    for event in events:
        if padding:
            event["data"]["padding"] = "x" * padding
    return events


def amounts(events: list) -> dict:
    return {event["id"]: int(float(event["data"]["document"]["amounts"]["total"])) for event in events}


class Case:
    """A topic, a reference topic and a server of one case's own."""

    def __init__(self, name: str, work: pathlib.Path, kafka: harness.Kafka, hand: kafka_hand.Hand):
        self.name, self.work, self.kafka, self.hand, self.topic = name, work, kafka, hand, f"purchases.{name}"
        self.servers: list = []

    def make_topics(self, **settings):
        self.hand.create_topic(self.topic, **settings)
        self.hand.create_topic(f"reference.{self.name}")

    def server(self, name: str = "", **settings) -> harness.Server:
        server = harness.Server(self.work / f"{self.name}{name}", kafka=self.kafka.bootstrap, settings={
            "broker.purchases_topic": self.topic, "broker.reference_topic": f"reference.{self.name}", **settings})
        self.servers.append(server)
        return server

    def define(self, server: harness.Server, clock: str = "kafka", transactional: bool = False):
        """A definition by hand, as an operator writes one for a source that is not the usual kind."""
        cluster = cluster_id(self.kafka)
        nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="  # the root of no entry, SHA-256 of nothing
        lines = [{"ledger": {"name": "kalsel", "format": 1, "partitions": 1, "partitioner": "murmur2", "clock": clock, "zone": "+08:00"}},
                 {"rules": {"version": 1, "from": "1970-01-01T00:00:00Z"}},
                 *({"source": {"epoch": 0, "partition": partition, "cluster": cluster, "topic": topic, "kafka_partition": 0, "first_offset": 0,
                               "transactional": transactional, "size": 0, "root": nothing, "reason": "test", "decided_by": "test"}}
                   for partition, topic in (("0", self.topic), ("reference", f"reference.{self.name}")))]
        server.data.mkdir(parents=True, exist_ok=True)
        (server.data / "definition.jsonl").write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers:
            server.__exit__(kind)


def cluster_id(kafka: harness.Kafka) -> str:
    for line in (kafka.directory / "data/meta.properties").read_text().splitlines():
        if line.startswith("cluster.id="):
            return line.split("=", 1)[1]
    raise AssertionError("no cluster id")


def finish(server: harness.Server):
    assert server.stop() == 0
    server.verify()


# ---- what records can be ----

@case
def codecs_and_sizes(c: Case):
    c.make_topics()
    events = []
    for index, codec in enumerate(["none", "gzip", "snappy", "lz4", "zstd"]):
        batch = purchases(index * 1000, 300)
        c.hand.produce(c.topic, keyed(batch), codec=codec)
        events += batch
        for mebibytes in (1, 2, 3, 4):  # 4 MiB of payload, framing and key included, is the most that is kept
            event = purchases(index * 1000 + 500 + mebibytes, 1)[0]
            event["data"]["padding"] = ""
            room = (mebibytes << 20) - len(kafka_hand.payload_of(*[(k, kafka_hand.HEADERS, v) for k, v in keyed([event])][0]))
            event["data"]["padding"] = "x" * room
            c.hand.produce(c.topic, keyed([event]), codec=codec)
            events.append(event)
    oversize = keyed(purchases(9000, 1))[0][0], b"y" * ((4 << 20) + 1)
    c.hand.produce(c.topic, [oversize], codec="none")
    c.hand.produce(c.topic, [oversize], codec="zstd")
    server = c.server().start()
    records = c.hand.read(c.topic)
    wait_size(server, len(records))
    entries = check_equal(server, records)
    assert [entry["verdict"] for entry in entries[:-2]] == ["accepted"] * len(events)
    assert max(entry["payload_size"] for entry in entries[:-2]) == 4 << 20
    assert [entry["reason"] for entry in entries[-2:]] == ["oversize"] * 2, entries[-2:]
    assert server.get(f"/payload/0/{len(entries) - 1}").status == 410
    for place in (0, 303, len(events) - 1):
        assert server.get(f"/payload/0/{place}").body == records[place][1], place
    check_total(server, amounts(events))
    finish(server)


@case
def a_million_tiny(c: Case):
    c.make_topics()
    count = 1_000_000
    lines = "".join(f"{number}\t{number}\n" for number in range(count)).encode()
    server = c.server(**{"intake.fetch_queue_bytes_max": str(64 << 20)}).start()
    quiet = server.resident_bytes()
    start = time.monotonic()
    subprocess.run(["kcat", "-P", "-b", c.kafka.bootstrap, "-t", c.topic, "-K", "\t", "-X", "acks=1", "-X", "queue.buffering.max.messages=2000000"],
                   input=lines, check=True, capture_output=True)
    wait_size(server, count, 120)
    seconds = time.monotonic() - start
    status = server.get_json("/v1/status")["partitions"][0]
    assert status["verdicts"] == {"accepted": 0, "duplicate": 0, "rejected": count, "statements": 0} and status["gap_offsets"] == 0, status
    sample = server.get_json("/v1/entries/0", limit=1000, cursor=count - 1000)["entries"]
    assert all(entry["reason"] and entry["offset"] == entry["sequence"] for entry in sample)
    assert server.get(f"/payload/0/{count // 2}").body == kafka_hand.payload_of(b"500000", [], b"500000")
    grown = server.resident_bytes("VmHWM") - quiet
    print(f"  {count} records in {seconds:.1f} s, {grown >> 20} MiB on top of {quiet >> 20}", flush=True)
    assert harness.SANITIZER or grown < 400 << 20, f"{grown >> 20} MiB for 64 MiB of queue"
    finish(server)


@case
def an_empty_topic(c: Case):
    c.make_topics()
    server = c.server().start()
    now = wait_source(server, "streaming")
    assert now["lag_records"] == 0 and server.cut() == {"0": 0, "reference": 0}, now
    assert server.stop() == 0
    server.verify()
    server.start()
    events = purchases(0, 1)
    c.hand.produce(c.topic, keyed(events))
    wait_size(server, 1)
    check_total(server, amounts(events))
    finish(server)


@case
def transactions(c: Case):
    """Committed and aborted ones while the server reads: control records and what was aborted are gaps, whether declared or not."""
    c.make_topics()
    declared, undeclared = c.server(), c.server("_undeclared")
    c.define(declared, transactional=True)
    for server in (declared, undeclared):
        server.start()
    events = []
    for number in range(12):
        batch, commit = purchases(number * 100, 7), number % 3 != 1
        c.hand.transact(c.topic, keyed(batch), commit)
        events += batch if commit else []
    plain = purchases(5000, 3)
    c.hand.produce(c.topic, keyed(plain))
    events += plain
    records = c.hand.read(c.topic)
    assert len(records) == len(events)
    for server in (declared, undeclared):
        wait_size(server, len(records))
        check_equal(server, records)
        check_total(server, amounts(events))
        # A commit marker for each transaction and what was aborted; a producer that had to begin a transaction again leaves more.
        gap_offsets = server.get_json("/v1/status")["partitions"][0]["gap_offsets"]
        high_watermark = harness.wait_until("no lag", lambda: source(server)["lag_records"] == 0 and source(server)["high_watermark"])
        assert gap_offsets == high_watermark - len(records) >= 12 + 4 * 7, f"{gap_offsets} of {high_watermark}, {len(records)} records"
    assert source(declared)["gaps_refetched"] == 0 and source(undeclared)["gaps_refetched"] > 0
    assert len({server.get_json("/v1/status")["partitions"][0]["root"] for server in (declared, undeclared)}) == 1, "I5"
    for server in (declared, undeclared):
        finish(server)


@case
def clocks_in_2099(c: Case):
    """A producer's CreateTime means nothing where the topic stamps; where it does not, there is no ledger time to be spoiled."""
    in_2099 = 4_083_955_200_000
    c.make_topics(message_timestamp_after_max_ms=str(1 << 62))
    server = c.server().start()
    events = purchases(0, 10)
    c.hand.produce(c.topic, keyed(events), timestamp=in_2099)
    wait_size(server, 10)
    status = server.get_json("/v1/status")
    assert status["partitions"][0]["ledger_time"] < "2090", status["partitions"][0]
    assert server.get_json("/v1/totals", by="region", as_of=status["partitions"][0]["ledger_time"])["total"]["packages"] == 10
    # The topic stops stamping under the ledger: what producers say moves no ledger time, and status says what is wrong with the topic.
    c.hand.set_topic(c.topic, message_timestamp_type="CreateTime", message_timestamp_after_max_ms=str(1 << 62))
    harness.wait_until("the contract to be said", lambda: any("CreateTime" in each for each in server.get_json("/v1/status")["warnings"]))
    before = status["partitions"][0]["ledger_time"]
    c.hand.produce(c.topic, keyed(purchases(10, 10)), timestamp=in_2099)
    wait_size(server, 20)
    assert server.get_json("/v1/status")["partitions"][0]["ledger_time"] == before
    c.hand.set_topic(c.topic, message_timestamp_after_max_ms=str(1 << 62))
    harness.wait_until("the topic to be as it was", lambda: not any("CreateTime" in each for each in server.get_json("/v1/status")["warnings"]))
    c.hand.produce(c.topic, keyed(purchases(20, 1)), timestamp=in_2099)
    wait_size(server, 21)
    assert before < server.get_json("/v1/status")["partitions"][0]["ledger_time"] < "2090"
    finish(server)

    create = Case(f"{c.name}.create", c.work, c.kafka, c.hand)
    with create:
        create.make_topics(message_timestamp_type="CreateTime", message_timestamp_after_max_ms=str(1 << 62))
        server = create.server()
        create.define(server, clock="none")
        server.start()
        c.hand.produce(create.topic, keyed(events[:5]), timestamp=in_2099)
        c.hand.produce(create.topic, keyed(events[5:]), timestamp=1_686_787_200_000)  # June 2023, after the other
        records = c.hand.read(create.topic)
        wait_size(server, 10)
        entries = check_equal(server, records)
        assert entries[0]["timestamp"].startswith("2099") and entries[9]["timestamp"].startswith("2023"), entries[0]
        assert server.get_json("/v1/status")["partitions"][0]["ledger_time"] is None
        refused = server.get("/v1/totals", by="region", as_of="2023-07-01")
        assert refused.status == 409 and "cut" in refused.body.decode(), refused.body
        assert server.get_json("/v1/totals", by="region", as_of="0=5,reference=0")["total"]["packages"] == 5
        assert server.get_json("/v1/totals", by="region")["total"]["packages"] == 10
        finish(server)


# ---- what can be done to a topic ----

@case
def made_again_under_the_server(c: Case):
    """Deleted and made again while the server reads, at once filled beyond where the ledger stands: nothing of the new one is stored."""
    c.make_topics()
    rounds, foreign = 6 if not LONG else 40, 0
    for number in range(rounds):
        server = c.server(str(number))
        low = c.hand.ends(c.topic)[0]
        old = purchases(number * 10_000, 200)
        c.hand.recreate_topic(c.topic, keyed(old))
        server.start()
        wait_size(server, 200)
        before = c.hand.read(c.topic)
        assert low == 0
        c.hand.delete_topic(c.topic)
        if number % 2:
            harness.wait_until("the server to miss the topic", lambda: "does not exist" in (source(server)["why"] or ""))
        c.hand.create_topic(c.topic)
        # As fast as it goes: the new topic is longer than the old one before anybody looks.
        made = c.hand.produce(c.topic, keyed(purchases(number * 10_000 + 5_000, 3_000, feed="/feed/other")), linger_ms=0)
        why = wait_source(server, "stopped", 30)["why"]
        assert "recreated or truncated" in why and "offset 199" in why, why
        entries = kafka_hand.entries_of(server)
        # A broker that has not heard of the deletion yet writes into the old topic: those are no records of the new one.
        foreign += len(entries) - 200 if made[0] == 0 else 0
        assert [entry["offset"] for entry in entries[:200]] == [offset for offset, _, _ in before]
        assert server.post_events(purchases(1, 1)).status == 503
        check_reads(server)
        finish(server)
    print(f"  {rounds} rounds: {foreign} records of the new topic were stored", flush=True)
    print(f"counts: topics_made_again={rounds} foreign_records={foreign}")
    assert foreign == 0


def check_reads(server: harness.Server):
    assert server.get("/v1/totals", by="region").status == 200 and server.get("/readyz").status == 200


@case
def made_again_while_stopped(c: Case):
    """Longer, shorter, with the same first records: noticed at the next start. A source statement goes on with the new topic."""
    c.make_topics()
    old = purchases(0, 50)
    c.hand.produce(c.topic, keyed(old))
    server = c.server().start()
    wait_size(server, 50)
    assert server.stop() == 0
    new = {"longer": purchases(100, 80), "shorter": old[:20], "same events": old}
    for what, events in new.items():
        c.hand.recreate_topic(c.topic, keyed(events))
        server.start()
        why = wait_source(server, "stopped")["why"]
        assert "recreated or truncated" in why, (what, why)
        assert server.cut()["0"] == 50
        check_reads(server)
        assert server.stop() == 0
    # The operator decides: the topic is read from its first record on, as epoch 1.
    server.start()
    head = server.get_json("/v1/status")["partitions"][0]
    statement = {"epoch": 1, "partition": "0", "cluster": cluster_id(c.kafka), "topic": c.topic, "kafka_partition": 0, "first_offset": 0,
                 "transactional": False, "size": 50, "root": head["root"], "reason": "the topic was made again", "decided_by": "test"}
    assert server.stop() == 0
    with open(server.data / "definition.jsonl", "a") as definition:
        definition.write(json.dumps({"source": statement}, separators=(",", ":")) + "\n")
    c.hand.produce(c.topic, keyed(purchases(200, 10)))
    server.start()
    wait_size(server, 50 + 1 + 60)
    entries = check_equal(server, c.hand.read(c.topic), epoch=1)
    assert [entry["verdict"] for entry in entries[51:101]] == ["duplicate"] * 50, "I4: an id is accepted once, whatever topic it comes from"
    check_total(server, amounts(old + purchases(200, 10)))
    finish(server)


@case
def truncated(c: Case):
    """DeleteRecords: of what was read, under the running server, is nothing to it; of what was not read stops it and is named."""
    c.make_topics()
    events = purchases(0, 100)
    c.hand.produce(c.topic, keyed(events))
    server = c.server().start()
    wait_size(server, 100)
    c.hand.delete_records(c.topic, 60)
    more = purchases(100, 50)
    c.hand.produce(c.topic, keyed(more))
    wait_size(server, 150)
    c.hand.delete_records(c.topic, 150)  # the anchor too
    looks = time.monotonic() + 2.5       # longer than the watch's interval
    harness.wait_until("some looks at the topic", lambda: time.monotonic() > looks)
    assert source(server)["state"] == "streaming", source(server)
    assert server.stop() == 0
    server.start()
    harness.wait_until("the missing anchor to be counted", lambda: source(server)["anchors_missing"] == 1)
    last = purchases(200, 5)
    c.hand.produce(c.topic, keyed(last))
    wait_size(server, 155)
    check_total(server, amounts(events + more + last))
    assert server.stop() == 0
    c.hand.produce(c.topic, keyed(purchases(300, 20)))
    c.hand.delete_records(c.topic, 165)
    server.start()
    why = wait_source(server, "stopped")["why"]
    assert "removed offsets 155 to 164" in why, why
    check_reads(server)
    finish(server)


@case
def outrun_by_retention(c: Case):
    """Retention removes what a server that stands still has not read: it stops and names the offsets; meanwhile the contract is said."""
    c.make_topics(segment_bytes=SEGMENT)
    c.hand.produce(c.topic, keyed(purchases(0, 100)))
    server = c.server().start()
    wait_size(server, 100)
    server.process.send_signal(signal.SIGSTOP)
    try:
        c.hand.produce(c.topic, keyed(purchases(1000, 2_000, padding=4_000)))
        # Fetched ahead is what the socket holds at most; far more than that is removed.
        c.hand.set_topic(c.topic, segment_bytes=SEGMENT, retention_ms="1000")
        harness.wait_until("retention to pass the server", lambda: c.hand.ends(c.topic)[0] > 2_000, 60)
    finally:
        server.process.send_signal(signal.SIGCONT)
    low = c.hand.ends(c.topic)[0]
    why = wait_source(server, "stopped")["why"]
    # What was pulled before may still be on its way into the ledger.
    harness.wait_until("all that was pulled", lambda: f"removed offsets {server.committed()['0']} to " in why)
    assert server.committed()["0"] < low, (why, low)
    harness.wait_until("the contract to be said", lambda: any("retention.ms is 1000" in each for each in server.get_json("/v1/status")["warnings"]))
    check_reads(server)
    finish(server)


@case
def given_more_partitions(c: Case):
    c.make_topics()
    c.hand.produce(c.topic, keyed(purchases(0, 10)))
    server = c.server().start()
    wait_size(server, 10)
    c.hand.raise_partitions(c.topic, 3)
    why = wait_source(server, "stopped", 20)["why"]
    assert "has 3 partitions, the definition knows 1" in why, why
    assert server.post_events(purchases(1, 1)).status == 503
    check_reads(server)
    finish(server)


@case
def compacted(c: Case):
    """Compaction turned on while the server runs: said; what was compacted before it was read is a gap, no more. Turned off: said no more."""
    c.make_topics(segment_bytes=SEGMENT)
    events = purchases(0, 10)
    c.hand.produce(c.topic, keyed(events))
    server = c.server().start()
    wait_size(server, 10)
    settings = {"segment_bytes": SEGMENT, "cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.001", "max_compaction_lag_ms": "100",
                "segment_ms": "100"}
    c.hand.set_topic(c.topic, **settings)
    warned = lambda: any("cleanup.policy is compact" in each for each in server.get_json("/v1/status")["warnings"])
    harness.wait_until("the broken contract to be said", warned, 30)
    assert source(server)["state"] == "streaming"
    assert "cleanup.policy is compact" in server.log()
    server.process.send_signal(signal.SIGSTOP)
    try:
        for number in range(5):  # the same 300 keys each time
            c.hand.produce(c.topic, keyed(purchases(1000, 300, padding=4_000, feed=f"/feed/{number}")))
        harness.wait_until("the cleaner to have been", lambda: len(c.hand.read(c.topic)) < 1_000, 60)
        c.hand.set_topic(c.topic, segment_bytes=SEGMENT)
    finally:
        server.process.send_signal(signal.SIGCONT)
    last = purchases(5000, 1)
    offset = c.hand.produce(c.topic, keyed(last))[0]
    harness.wait_until("the last record", lambda: server.get_json("/v1/status")["partitions"][0]["next_offset"] == offset + 1, 60)
    status = server.get_json("/v1/status")["partitions"][0]
    assert status["gap_offsets"] > 0 and status["records"] + status["gap_offsets"] == offset + 1, status
    ours = {entry["offset"]: entry["payload_hash"] for entry in kafka_hand.entries_of(server)}
    for at, payload, _ in c.hand.read(c.topic):
        assert ours[at] == kafka_hand.hashlib.sha256(payload).hexdigest(), at
    print(f"  {status['gap_offsets']} offsets were compacted away before they were read", flush=True)
    harness.wait_until("the kept contract not to be said any more", lambda: not warned(), 30)
    finish(server)


@case
def beyond_2_31(c: Case):
    """Offsets that need more than 31 and more than 32 bits: an empty log is renamed on a broker that is down, so it begins there."""
    c.make_topics()
    starts = {c.topic: (1 << 31) - 5, f"reference.{c.name}": (1 << 32) - 5}
    c.kafka.stop()
    for topic, first in starts.items():
        for path in (c.kafka.directory / "data" / f"{topic}-0").iterdir():
            if path.suffix in (".log", ".index", ".timeindex"):
                path.rename(path.with_name(f"{first:020}{path.suffix}"))
            elif path.suffix == ".snapshot" or path.name == "leader-epoch-checkpoint":
                path.unlink()
    c.kafka.start()
    events = purchases(0, 20)
    server = c.server().start()
    assert c.hand.produce(c.topic, keyed(events)) == list(range((1 << 31) - 5, (1 << 31) + 15))
    assert c.hand.produce(f"reference.{c.name}", keyed(events[:10]))[-1] == (1 << 32) + 4
    wait_size(server, 20)
    wait_size(server, 10, partition="reference")
    check_equal(server, c.hand.read(c.topic))
    check_equal(server, c.hand.read(f"reference.{c.name}"), "reference")
    assert server.stop() == 0
    server.verify()
    server.start()  # at an anchor beyond 2^31
    more = purchases(100, 5)
    c.hand.produce(c.topic, keyed(more))
    wait_size(server, 25)
    harness.wait_until("the anchors", lambda: source(server)["anchors_checked"] >= 1)
    receipt = server.post_events(purchases(200, 1)).json()["results"][0]
    assert receipt["offset"] == (1 << 31) + 20 and receipt["verdict"] == "accepted", receipt
    check_equal(server, c.hand.read(c.topic))
    check_total(server, amounts(events + more + purchases(200, 1)))
    finish(server)


def main():
    chosen = [each for each in CASES if not sys.argv[1:] or each.__name__ in sys.argv[1:]]
    with harness.workspace("topic_faults") as work, harness.Kafka(work / "kafka", "384m", properties={
            "log.retention.check.interval.ms": "500", "log.cleaner.backoff.ms": "200", "log.initial.task.delay.ms": "500",
            "log.segment.delete.delay.ms": "100"}) as kafka:
        hand = kafka_hand.Hand(kafka.bootstrap)
        for each in chosen:
            start = time.monotonic()
            print(each.__name__, flush=True)
            with Case(each.__name__, work, kafka, hand) as c:
                each(c)
            print(f"  held, {time.monotonic() - start:.1f} s", flush=True)
    print(f"counts: topic_faults={len(chosen)}")


if __name__ == "__main__":
    main()
