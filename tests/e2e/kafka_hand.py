"""A hand at the broker: what the fault tests do to a real Kafka, and what they know of it from outside the server under test.

Needs Debian's python3-confluent-kafka. The one call that it lacks (DeleteRecords) goes to the same librdkafka by ctypes.
"""

import ctypes
import hashlib
import json
import struct
import sys
import time

import harness

try:
    import confluent_kafka
    import confluent_kafka.admin
except ImportError:
    print("python3-confluent-kafka is not installed for", sys.executable)
    sys.exit(77)

CONTRACT = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": "5242880", "retention.ms": "-1", "cleanup.policy": "delete"}
PURCHASES, REFERENCE = "bukubesar.purchases", "bukubesar.reference"
HEADERS = [("content-type", b"application/cloudevents+json")]


def payload_of(key: bytes | None, headers: list, value: bytes | None) -> bytes:
    """docs/EVENTS.md, written a second time: what the ledger hashes."""
    def nullable(data):
        return b"\xff\xff\xff\xff" if data is None else struct.pack(">I", len(data)) + data
    named = b"".join(struct.pack(">I", len(name)) + name.encode() + nullable(content) for name, content in headers)
    return nullable(key) + struct.pack(">I", len(headers)) + named + nullable(value)


def keyed(events: list) -> list:
    return [(event["subject"].encode(), json.dumps(event, separators=(",", ":")).encode()) for event in events]


class Hand:
    def __init__(self, bootstrap: str):
        self.bootstrap = bootstrap
        self._admin = None

    @property
    def admin(self):
        self._admin = self._admin or confluent_kafka.admin.AdminClient({"bootstrap.servers": self.bootstrap})
        return self._admin

    # ---- topics ----

    def create_topic(self, name: str, partitions: int = 1, **settings):
        wanted = confluent_kafka.admin.NewTopic(name, partitions, 1, config={**CONTRACT, **{k.replace("_", "."): v for k, v in settings.items()}})

        def made():
            try:
                self.admin.create_topics([wanted], request_timeout=20)[name].result()
                return True
            except confluent_kafka.KafkaException as error:  # a deleted topic's name is not free at once
                if error.args[0].code() != confluent_kafka.KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
                return False
        harness.wait_until(f"topic {name} to be made", made, 30)
        harness.wait_until(f"topic {name} to be known to its broker", lambda: self._is_known(name), 30)

    def _is_known(self, name: str) -> bool:
        try:
            return bool(self.ends(name))
        except confluent_kafka.KafkaException:  # the controller answers before the broker has heard
            return False

    def delete_topic(self, name: str):
        self.admin.delete_topics([name], request_timeout=20)[name].result()

    def recreate_topic(self, name: str, records: list, **settings):
        """A broker that has not heard of the deletion yet would write into the old topic, whose records go with it."""
        self.delete_topic(name)
        harness.wait_until(f"topic {name} to be gone", lambda: not self._is_known(name), 30)
        self.create_topic(name, **settings)
        self.produce(name, records)

    def raise_partitions(self, name: str, partitions: int):
        self.admin.create_partitions([confluent_kafka.admin.NewPartitions(name, partitions)])[name].result()

    def set_topic(self, name: str, **settings):
        resource = confluent_kafka.admin.ConfigResource(confluent_kafka.admin.RESOURCE_TOPIC, name)
        for key, value in {**CONTRACT, **{k.replace("_", "."): v for k, v in settings.items()}}.items():
            resource.set_config(key, value)
        self.admin.alter_configs([resource])[resource].result()

    def delete_records(self, topic: str, before_offset: int):
        library = ctypes.CDLL("librdkafka.so.1")
        for function in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_queue_new", "rd_kafka_topic_partition_list_new",
                         "rd_kafka_topic_partition_list_add", "rd_kafka_DeleteRecords_new", "rd_kafka_queue_poll", "rd_kafka_event_error_string"):
            getattr(library, function).restype = ctypes.c_void_p
        pointer, text = ctypes.c_void_p, ctypes.create_string_buffer(512)
        conf = pointer(library.rd_kafka_conf_new())
        library.rd_kafka_conf_set(conf, b"bootstrap.servers", self.bootstrap.encode(), text, 512)
        handle = pointer(library.rd_kafka_new(0, conf, text, 512))
        offsets = pointer(library.rd_kafka_topic_partition_list_new(1))
        library.rd_kafka_topic_partition_list_add(offsets, topic.encode(), 0)
        library.rd_kafka_topic_partition_list_set_offset(offsets, topic.encode(), 0, ctypes.c_int64(before_offset))
        wanted = (pointer * 1)(library.rd_kafka_DeleteRecords_new(offsets))
        queue = pointer(library.rd_kafka_queue_new(handle))
        library.rd_kafka_DeleteRecords(handle, wanted, ctypes.c_size_t(1), None, queue)
        event = pointer(library.rd_kafka_queue_poll(queue, 20_000))
        assert event.value and library.rd_kafka_event_error(event) == 0, "DeleteRecords was refused"
        library.rd_kafka_event_destroy(event)
        library.rd_kafka_queue_destroy(queue)
        library.rd_kafka_destroy(handle)
        harness.wait_until("the records to be gone", lambda: self.ends(topic)[0] >= before_offset, 20)

    # ---- records ----

    def produce(self, topic: str, records: list, headers: list | None = None, codec: str = "none", timestamp: int = 0, **settings) -> list:
        """records: (key, value). Returns their offsets, once all are acknowledged."""
        offsets = [-1] * len(records)
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "compression.codec": codec,
                                             "message.max.bytes": 6_000_000, "queue.buffering.max.kbytes": 1 << 20, "linger.ms": 5,
                                             **{k.replace("_", "."): v for k, v in settings.items()}})

        def delivered_to(index):
            def delivered(error, message):
                assert error is None, f"not acknowledged: {error}"
                offsets[index] = message.offset()
            return delivered
        for index, (key, value) in enumerate(records):
            while True:
                try:
                    producer.produce(topic, value, key, partition=0, headers=headers or HEADERS, timestamp=timestamp, on_delivery=delivered_to(index))
                    break
                except BufferError:
                    producer.poll(0.1)
            if index % 1000 == 0:
                producer.poll(0)
        assert producer.flush(120) == 0, "some records were not acknowledged"
        assert min(offsets, default=0) >= 0
        return offsets

    def transact(self, topic: str, records: list, commit: bool):
        producer = confluent_kafka.Producer({"bootstrap.servers": self.bootstrap, "transactional.id": "hand"})
        producer.init_transactions(30)
        producer.begin_transaction()
        for key, value in records:
            producer.produce(topic, value, key, partition=0, headers=HEADERS)
        assert producer.flush(30) == 0
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)

    def _consumer(self, **settings):
        return confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"hand-{time.monotonic_ns()}", "enable.auto.commit": False,
                                         "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "error",
                                         "fetch.message.max.bytes": 6_000_000, **settings})

    def ends(self, topic: str, **settings) -> tuple:
        """(first offset, one past the last); by default the last that nothing open stands before."""
        consumer = self._consumer(**settings)
        try:
            return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=20)
        finally:
            consumer.close()

    def read(self, topic: str, from_offset: int | None = None) -> list:
        """Every committed record there is: (offset, payload bytes, (timestamp type, ms))."""
        # A commit is answered before its marker is written: until then readers of what is committed see an end before it.
        first, limit = self.ends(topic, **{"isolation.level": "read_uncommitted"})
        consumer = self._consumer()
        consumer.assign([confluent_kafka.TopicPartition(topic, 0, max(first, from_offset or 0))])
        found = []
        try:
            end = time.monotonic() + 120
            while limit > max(first, from_offset or 0):
                assert time.monotonic() < end, f"{topic}: read {len(found)} records, not up to offset {limit}"
                for message in consumer.consume(1_000, 0.1):  # it waits for all of them, or so long
                    if message.error() and message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        if message.offset() >= limit:
                            return found
                        continue
                    assert not message.error(), message.error()
                    found.append((message.offset(), payload_of(message.key(), message.headers() or [], message.value()), message.timestamp()))
                    if message.offset() >= limit - 1:  # others may go on writing
                        return found
        finally:
            consumer.close()
        return found


# ---- what the ledger must be, given what the broker has ----

def entries_of(server: harness.Server, partition: str = "0") -> list:
    entries, cursor = [], 0
    while True:
        page = server.get_json(f"/v1/entries/{partition}", limit=1000, cursor=cursor)["entries"]
        if not page:
            return entries
        entries += page
        cursor = page[-1]["sequence"] + 1


def gaps_of(server: harness.Server) -> list:
    gaps, page = [], {"next_cursor": "0:0:0"}
    while page["next_cursor"]:
        page = server.get_json("/v1/gaps", limit=7, cursor=page["next_cursor"])
        gaps += page["gaps"]
    return gaps


def check_equal(server: harness.Server, records: list, partition: str = "0", epoch: int = 0) -> list:
    """I1, I3, I4: the epoch's entries are the broker's records, each once, in order, with its hash; other offsets are gaps."""
    entries = entries_of(server, partition)
    assert [entry["sequence"] for entry in entries] == list(range(len(entries))), "I1"
    ours = [entry for entry in entries if entry["epoch"] == epoch and entry["kind"] == "record"]
    assert len(ours) == len(records), f"{len(ours)} entries for {len(records)} records"
    for entry, (offset, payload, _) in zip(ours, records):
        assert entry["offset"] == offset and entry["payload_size"] == len(payload), (entry, offset, len(payload))
        assert entry["payload_hash"] == hashlib.sha256(payload).hexdigest(), entry
    missing = set(range(ours[0]["offset"], ours[-1]["offset"])) - {entry["offset"] for entry in ours} if ours else set()
    gaps = [gap for gap in gaps_of(server) if gap["partition"] == partition and gap["epoch"] == epoch]
    told = {offset for gap in gaps for offset in range(gap["first_offset"], gap["limit_offset"])}
    assert missing <= told and all(offset not in {entry["offset"] for entry in ours} for offset in told), (missing, gaps)
    accepted = [entry["fingerprint"] for entry in entries if entry["verdict"] == "accepted"]
    assert len(set(accepted)) == len(accepted), "I4: an id was accepted twice"
    status = next(each for each in server.get_json("/v1/status")["partitions"] if each["partition"] == partition)
    assert sum(status["verdicts"].values()) == status["size"] == len(entries), status
    return entries


def wait_size(server: harness.Server, size: int, seconds: float = 60, partition: str = "0"):
    harness.wait_until(f"{size} entries in partition {partition}", lambda: server.cut().get(partition, 0) >= size, seconds)


def source(server: harness.Server, partition: str = "0") -> dict:
    return next(each for each in server.get_json("/v1/status")["sources"] if each["partition"] == partition)


def wait_source(server: harness.Server, state: str, seconds: float = 60, partition: str = "0") -> dict:
    def reached():
        now = source(server, partition)
        return now if now["state"] == state else None
    return harness.wait_until(f"the source of partition {partition} to be {state}", reached, seconds)


def check_total(server: harness.Server, events: dict):
    """events: id → amount, one purchase each, all of one institution D262."""
    minimum = harness.cut_text(server.committed())
    total = server.get_json("/v1/totals", by="institution", min_cut=minimum)["total"]
    assert total["packages"] == len(events) and total["strict"] == harness.rupiah(sum(events.values())), (total, len(events))
