"""A probe: events of a system of its own, each produced once the one before it was seen; each timed on one clock, from its handing to the
producer to the end of the first HTTP answer of a standing view that holds it. What producer, broker, server and question take is in it."""

import http.client
import json
import statistics
import threading
import time

import harness

SYSTEM = "toko-daring"  # none of the load's purchases is of it
PATIENCE_SECONDS = 30


def event(number: int) -> dict:
    return {"specversion": "1.0", "type": "id.bukubesar.purchase.ordered.v1", "source": "/feed/probe", "id": f"probe-{number}",
            "subject": f"{SYSTEM}/P{number}", "datacontenttype": "application/json",
            "data": {"salt": "ab" * 16, "document": {"fiscal_year": 2026, "institution": "D262", "stage": "contracted", "amounts": {"total": "1000.00"}}}}


class Probe:
    """As a context: goes on until its end. Then `seen_ms` holds a time for each of the `produced` events but the first, which waits for
    the producer's connections."""

    def __init__(self, bootstrap: str, port: int, first: int, pause_seconds: float = 0.005):
        import confluent_kafka  # needed by nobody else here
        self.producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "partitioner": "murmur2_random", "acks": "all"})
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self.first, self.pause_seconds, self.produced = first, pause_seconds, 0
        self.seen_ms: list = []
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.thread.join()
        self.connection.close()
        if self.error and kind is None:
            raise self.error

    def quantile(self, percent: int) -> float:
        return statistics.quantiles(self.seen_ms, n=100, method="inclusive")[percent - 1]

    def _run(self):
        try:
            self._one_ms()
            while not self.ended.is_set() or len(self.seen_ms) < 2:
                self.seen_ms.append(self._one_ms())
                time.sleep(self.pause_seconds)
        except BaseException as error:  # told to who waits
            self.error = error

    def _one_ms(self) -> float:
        number = self.first + self.produced
        body = event(number)
        self.produced += 1
        key, value = body["subject"].encode(), json.dumps(body).encode()
        before = self._seen()
        start = time.monotonic()
        self.producer.produce("bukubesar.purchases", value, key, headers=[("content-type", b"application/cloudevents+json")])
        while self._seen() == before:
            self.producer.poll(0)
            assert time.monotonic() - start < PATIENCE_SECONDS, f"{SYSTEM}/P{number} was not seen within {PATIENCE_SECONDS} s"
        return (time.monotonic() - start) * 1000

    def _seen(self) -> int:
        """Packages of the probe's system, as the standing view has them."""
        self.connection.request("GET", "/v1/views/systems")
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:500])
        return next((row["packages"] for row in json.loads(body)["rows"] if row["system"] == SYSTEM), 0)
