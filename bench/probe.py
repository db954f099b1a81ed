"""A probe: events of a system of its own, at moments of its own, each timed on one clock, from the moment at which it is due to the end of
the first HTTP answer of a standing view that holds it. What producer, broker, server and question take is in it; and since the moments
do not wait for the answers, whoever holds them up is counted once for each event that was due meanwhile."""

import collections
import http.client
import json
import random
import statistics
import threading
import time

SYSTEM = "toko-daring"  # none of the load's purchases is of it
PAUSE_SECONDS = (0.005, 0.015)  # between two events, at random
PATIENCE_SECONDS = 30


def event(number: int) -> dict:
    return {"specversion": "1.0", "type": "id.bukubesar.purchase.ordered.v1", "source": "/feed/probe", "id": f"probe-{number}",
            "subject": f"{SYSTEM}/P{number}", "datacontenttype": "application/json",
            "data": {"salt": "ab" * 16, "document": {"fiscal_year": 2026, "institution": "D262", "stage": "contracted", "amounts": {"total": "1000.00"}}}}


class Probe:
    """As a context: goes on until its end. Events are numbered from `first` on; `produced` says how many there were."""

    def __init__(self, bootstrap: str, port: int, first: int):
        import confluent_kafka  # needed by nobody else here
        self.producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "partitioner": "murmur2_random", "acks": "all"})
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        self.first, self.produced = first, 0
        self.due: collections.deque = collections.deque()  # moments of those that were not seen yet
        self.seen: list = []                               # (moment, seconds), in the order in which they were produced
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.before = self._in_view()
        self._produce(time.monotonic())  # the first one waits for the producer's connections
        while self.due:
            self._look()
        self.seen.clear()
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.thread.join()
        self.connection.close()
        if self.error and kind is None:
            raise self.error

    def milliseconds(self, since: float, until: float) -> list:
        """Of those that were due in between."""
        return [seconds * 1000 for moment, seconds in self.seen if since <= moment < until]

    def _run(self):
        try:
            due = time.monotonic()
            while self.due or not self.ended.is_set():
                while not self.ended.is_set() and due <= time.monotonic():
                    self._produce(due)
                    due += random.uniform(*PAUSE_SECONDS)
                if self.due:
                    self._look()
                else:
                    time.sleep(max(0.0, min(due - time.monotonic(), PAUSE_SECONDS[1])))
        except BaseException as error:  # told to who waits
            self.error = error

    def _produce(self, due: float):
        body = event(self.first + self.produced)
        self.producer.produce("bukubesar.purchases", json.dumps(body).encode(), body["subject"].encode(),
                              headers=[("content-type", b"application/cloudevents+json")])
        self.produced += 1
        self.due.append(due)

    def _look(self):
        """Which partition an event came by makes no difference: the oldest are taken for those that the view holds."""
        self.producer.poll(0)
        fresh = self._in_view() - self.before - (self.produced - len(self.due))
        now = time.monotonic()
        for _ in range(fresh):
            moment = self.due.popleft()
            self.seen.append((moment, now - moment))
        assert not self.due or now - self.due[0] < PATIENCE_SECONDS, f"{SYSTEM}: an event was not seen within {PATIENCE_SECONDS} s"

    def _in_view(self) -> int:
        """Packages of the probe's system, as the standing view has them."""
        self.connection.request("GET", "/v1/views/systems")
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:500])
        return next((row["packages"] for row in json.loads(body)["rows"] if row["system"] == SYSTEM), 0)


def percentile(values: list, percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
