"""More than the server can take: memory stays under its limits, latency recovers, nothing is lost.

    load_test.py [NAME...]     only these; all by default
BUKUBESAR_LONG: minutes instead of seconds (BUKUBESAR_LOAD_SECONDS), a million malformed events. What the server can take, and what the test
can offer, is measured first; the server is then slowed, on every machine, until the offer is ten times what it takes: it runs for less
than a millisecond, stands still (SIGSTOP), and runs again, dozens of times a second.
"""

import contextlib
import itertools
import os
import pathlib
import resource
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import harness
import kafka_hand
from kafka_hand import PURCHASES, keyed, wait_size

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
SECONDS = int(os.environ.get("BUKUBESAR_LOAD_SECONDS", "180" if LONG else "6"))  # of each load
SLICE_SECONDS = 0.0002  # that a slowed server runs in one go
PURCHASE_BYTES = (8 << 30) // 10_000_000  # of memory, at most: 8 GiB for ten millions
OFFERED_MAX = 16_000  # events/s: all of them stay, in memory and on the disk
CASES = []


def case(function):
    CASES.append(function)
    return function


def purchase(number: int, **more) -> dict:
    return harness.purchase_event(number, amount=1_000, stage="completed", **more)


class Background(threading.Thread):
    """Runs as long as its `with` block: run() ends soon once `ending` is set."""

    def __init__(self):
        super().__init__()
        self.ending = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()


class Slowed(Background):
    """The server runs this share of the time, SLICE_SECONDS in one go. `share` may be changed meanwhile."""

    def __init__(self, server: harness.Server, share: float = 0.1):
        super().__init__()
        self.server, self.share, self.slices = server, share, 0

    def run(self):
        while not self.ending.is_set():
            self.server.process.send_signal(signal.SIGSTOP)
            self.ending.wait(SLICE_SECONDS / self.share - SLICE_SECONDS)
            self.server.process.send_signal(signal.SIGCONT)
            time.sleep(SLICE_SECONDS)
            self.slices += 1


class Producer(Background):
    """Offers so many distinct events a second."""

    def __init__(self, kafka: harness.Kafka, first: int, rate: float):
        super().__init__()
        self.kafka, self.first, self.sent, self.rate = kafka, first, first, rate

    def run(self):
        start = time.monotonic()
        while not self.ending.wait(max(0.0, start + (self.sent - self.first) / self.rate - time.monotonic())):
            produce_distinct(self.kafka, self.sent, 5_000)
            self.sent += 5_000


def slow_down(server: harness.Server, slowed: Slowed, wanted: float, seconds: float) -> list:
    """Events/s that were taken in each two seconds, or less; the share that the server runs is set by what it took in the last one."""
    size, then, rates = source_size(server), time.monotonic(), []
    end = then + seconds
    while time.monotonic() < end:
        time.sleep(1.0)  # a length, as the load's
        size_then, size, before, then = size, source_size(server), then, time.monotonic()
        rates.append((size - size_then) / (then - before))
        slowed.share = min(0.5, max(0.0005, slowed.share * min(2.0, max(0.5, (wanted / max(rates[-1], 1.0)) ** 0.5))))
    return [(one + other) / 2 for one, other in zip(rates, rates[1:])] or rates


@contextlib.contextmanager
def standing_still(server: harness.Server):
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def latencies_ms(server: harness.Server, first: int, count: int = 40) -> list:
    """Posted → durable, one at a time."""
    took = []
    for number in range(first, first + count):
        start = time.perf_counter()
        answer = server.post_events([purchase(number, institution="D999")])
        assert answer.status == 200, answer.body
        took.append((time.perf_counter() - start) * 1000)
    return sorted(took)


def usual_again(server: harness.Server, before: list) -> list:
    """All latencies until forty in a row are like before; other work on the machine may be what slows some."""
    all_of_them: list = []

    def usual():
        all_of_them.extend(latencies_ms(server, 91_000_000 + len(all_of_them)))
        return statistics.median(all_of_them[-40:]) < max(50, 3 * statistics.median(before) + 10)
    harness.wait_until("latency to recover", usual, 120)
    return all_of_them


def produce_distinct(kafka: harness.Kafka, first: int, count: int):
    """As cheaply as Python can, and acknowledged."""
    template, lines = keyed([purchase(0)])[0][1], bytearray()
    for number in range(first, first + count):
        name = b"%08d" % number
        lines += b"e-katalog-6/P" + name + b"\t" + template.replace(b"P00000000", b"P" + name).replace(
            b'"source":"/feed/test"', b'"source":"/feed/' + name + b'"') + b"\n"
    subprocess.run(["kcat", "-P", "-b", kafka.bootstrap, "-t", PURCHASES, "-K", "\t", "-X", "acks=1",
                    "-X", "queue.buffering.max.messages=1000000"], input=bytes(lines), check=True, capture_output=True)


def rates(kafka: harness.Kafka, server: harness.Server, count: int) -> tuple:
    """Events/s that can be offered, and taken: one after the other, so that neither waits for the other."""
    start = time.monotonic()
    with standing_still(server):
        produce_distinct(kafka, 0, count)
        offered = count / (time.monotonic() - start)
        start = time.monotonic()
    wait_size(server, count, 300)
    return offered, count / (time.monotonic() - start)


@case
def ten_times_the_rate(work: pathlib.Path):
    """By Kafka: what cannot be taken waits there; the server holds intake.fetch_queue_bytes_max of it, no more."""
    queue_bytes, commit_bytes = 32 << 20, 32 << 10
    with harness.Kafka(work / "kafka", "384m") as kafka, harness.Server(work / "ten", kafka=kafka.bootstrap, settings={
            "intake.fetch_queue_bytes_max": str(queue_bytes), "intake.commit_bytes_max": str(commit_bytes)}) as server:
        server.start()
        known = 200_000 if LONG else 40_000
        can_offer, can_take = rates(kafka, server, known)
        before = latencies_ms(server, 90_000_000)
        first = known + len(before)
        offer = min(can_offer, OFFERED_MAX)
        wanted = min(offer / (14 if LONG else 4), can_take / 8)
        quiet = server.resident_bytes()
        server.forget_peak()
        with Producer(kafka, first, offer) as producer, Slowed(server, wanted / can_take) as slowed:
            harness.wait_until("the server to be as slow as it is meant to be", lambda: wanted / 2 < slow_down(server, slowed, wanted, 1)[-1] < 2 * wanted)
            start, slices, sent_then, size_then = time.monotonic(), slowed.slices, producer.sent, source_size(server)
            steadily = slow_down(server, slowed, wanted, SECONDS)
            seconds, size, slices = time.monotonic() - start, source_size(server), slowed.slices - slices
            offered, taken = (producer.sent - sent_then) / seconds, (size - size_then) / seconds
            grown = server.resident_bytes("VmHWM") - quiet
        sent, start = producer.sent, time.monotonic()
        wait_size(server, sent, 600)
        recovered = time.monotonic() - start
        after = usual_again(server, before)
        print(f"  unhindered {can_take:.0f} events/s; {offered:.0f} offered and {taken:.0f} taken each second ({min(steadily):.0f} to {max(steadily):.0f} in any two "
              f"seconds) for {seconds:.0f} s, in {slices} goes; {sent - size} behind at the end, caught up {recovered:.1f} s later; "
              f"memory +{grown >> 20} MiB, at the end +{server.resident_bytes('VmHWM') - quiet >> 20}; post to durable "
              f"p50 {statistics.median(before):.1f} → {statistics.median(after[-40:]):.1f} ms", flush=True)
        print(f"counts: overload_events={sent - first} overload_events_offered_each_second={offered:.0f} "
              f"overload_events_taken_each_second={taken:.0f} "
              f"overload_events_taken_each_second_at_least={min(steadily):.0f} overload_goes={slices}")
        assert offered > (10 if LONG else 2) * taken, f"the server was not outrun: {offered:.0f} events/s offered, {taken:.0f} taken"
        # A disk that stands still for a second is the worst of them.
        assert wanted / 3 < sorted(steadily)[:2][-1] and max(steadily) < offered, f"it was to take {wanted:.0f} each second: {steadily}"
        assert slices > 5 * seconds, f"it ran {slices} times in {seconds:.0f} s: it was frozen, not slow"
        # The queue, one fetch on top of it and one on its way, commits under way, and the purchases that it holds.
        for more, events in ((grown, size - first), (server.resident_bytes("VmHWM") - quiet, sent - first)):
            assert harness.SANITIZER or more < 3 * queue_bytes + 6 * commit_bytes + (64 << 20) + events * PURCHASE_BYTES, f"{more >> 20} MiB"
        sent += len(after)
        status = server.get_json("/v1/status")
        partition = status["partitions"][0]
        assert partition["verdicts"]["accepted"] == sent, partition["verdicts"]
        assert partition["gap_offsets"] == 0
        assert server.stop() == 0
        server.verify()


def source_size(server: harness.Server) -> int:
    return server.cut().get("0", 0)


@case
def more_posts_than_may_be_in_flight(work: pathlib.Path):
    """By HTTP: beyond intake.publish_events_in_flight_max 429 with Retry-After, and what was answered 200 survives a kill."""
    with harness.Server(work / "posts", settings={"intake.publish_events_in_flight_max": "400"}) as server:
        server.start()
        stored: dict[int, dict] = {}
        refused, others, lock = [0], [], threading.Lock()
        ending = threading.Event()

        def poster(which: int):
            number = which * 10_000_000
            while not ending.is_set():
                batch = [purchase(each) for each in range(number, number + 300)]
                with contextlib.suppress(OSError):
                    answer = server.post_events(batch)
                    with lock:
                        if answer.status == 200:
                            stored.update({number + at: receipt for at, receipt in enumerate(answer.json()["results"])})
                            number += 300
                        elif answer.status == 429:
                            refused[0] += 1
                            assert answer.headers["Retry-After"], answer.headers
                        else:
                            others.append((answer.status, answer.body[:300]))
        posters = [threading.Thread(target=poster, args=(which,)) for which in range(12)]
        with Slowed(server):
            for each in posters:
                each.start()
            time.sleep(SECONDS)  # the length of the load
        harness.wait_until("some to be stored", lambda: len(stored) > 0)
        server.kill()
        ending.set()
        for each in posters:
            each.join()
        print(f"  {len(stored)} stored, {refused[0]} requests refused with 429", flush=True)
        print(f"counts: stored_events={len(stored)} refused_requests={refused[0]}")
        assert not others, others[:3]
        assert refused[0] > 0 and stored
        server.start()
        entries = kafka_hand.entries_of(server)
        for number, receipt in stored.items():
            entry = entries[receipt["sequence"]]
            assert entry["verdict"] == receipt["verdict"] == "accepted" and entry["offset"] == receipt["offset"], (number, receipt, entry)
        # Those not answered may be stored: sent again, every one has its place.
        again = server.post_events([purchase(number) for number in list(stored)[:300]]).json()["results"]
        assert all(each["verdict"] == "duplicate" and each["duplicate_of"] == stored[number]["sequence"]
                   for each, number in zip(again, stored)), again[:2]
        assert server.stop() == 0
        server.verify()


CLIENT_PATIENCE_SECONDS = 20  # the server's


class Client:
    """A connection that says nothing, or little at a time, and is made again when the server has had enough of it."""

    def __init__(self, port: int):
        self.port, self.made = port, 0
        self.connect()

    def connect(self):
        """Others look at `socket` meanwhile: it is one that never waits."""
        fresh = socket.socket()
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        fresh.settimeout(10)
        fresh.connect(("127.0.0.1", self.port))
        self.since = time.monotonic()
        self.made += 1
        self.begin(fresh)
        fresh.setblocking(False)
        self.socket = fresh

    def begin(self, fresh: socket.socket):
        pass

    def step(self):
        pass

    def ended(self) -> bool:
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def tend(self):
        with contextlib.suppress(BlockingIOError, ConnectionError):  # what ended meanwhile is made again
            self.step()
        if self.ended():
            self.socket.close()
            self.connect()


class SlowReader(Client):
    """A large answer, hardly read."""

    def begin(self, fresh: socket.socket):
        fresh.sendall(b"GET /v1/entries/0?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    def step(self):
        self.socket.recv(1)

    def ended(self) -> bool:
        # What lies in the system's buffers hides the end.
        return super().ended() or time.monotonic() - self.since > 1.2 * CLIENT_PATIENCE_SECONDS


class SlowWriter(Client):
    """A request that never gets done."""

    def begin(self, fresh: socket.socket):
        fresh.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents-batch+json\r\n"
                      b"Content-Length: 1000000\r\n\r\n[")

    def step(self):
        self.socket.send(b" ")

    def ended(self) -> bool:
        with contextlib.suppress(OSError):  # a refusal is not waited for
            if self.socket.recv(4096):
                return True
        return super().ended()


class Crowd(Background):
    """Tends its clients, the slow ones twenty times a second."""

    def __init__(self, port: int, idle: int, slow: int):
        super().__init__()
        self.idle = [Client(port) for _ in range(idle)]
        self.slow = [(SlowReader if which % 2 else SlowWriter)(port) for which in range(slow)]
        self.error: BaseException | None = None

    def run(self):
        try:
            for turn in itertools.cycle(range(20)):
                if self.ending.wait(0.05):
                    return
                for each in self.slow + self.idle[turn::20]:
                    each.tend()
        except BaseException as error:
            self.error = error

    def open(self) -> tuple:
        return sum(not each.ended() for each in self.idle), sum(not each.ended() for each in self.slow)

    def __exit__(self, *_):
        super().__exit__()
        for each in self.idle + self.slow:
            each.socket.close()


@case
def idle_and_slow_clients(work: pathlib.Path):
    """1,000 that say nothing and 100 that read and write a byte at a time, while intake goes on; all the time, though the server closes who
    keeps it waiting too long. Started under a shell's usual limit of 1024 open files: the server raises its own."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    with harness.Server(work / "clients", settings={"http.connections_max": "1500", "http.request_timeout_ms": str(CLIENT_PATIENCE_SECONDS * 1000)},
                        prefix=["prlimit", f"--nofile=1024:{most}"]) as server:
        server.start()
        assert server.post_events([purchase(number) for number in range(2_000)]).status == 200
        before, quiet = latencies_ms(server, 90_000_000), server.resident_bytes()
        with Crowd(server.port, 1_000, 100) as crowd:
            during, posted = usual_again(server, before), 0
            start = time.monotonic()
            while time.monotonic() - start < SECONDS:
                events = [purchase(number) for number in range(10_000 + posted, 10_500 + posted)]
                answer = server.post_events(events)
                assert answer.status == 200 and all(each["verdict"] == "accepted" for each in answer.json()["results"]), answer.body[:300]
                posted += 500
                assert server.get("/v1/totals", by="district", region="63").status == 200
            grown = server.resident_bytes() - quiet
            # They end in crowds, as they began: some may be on their way back.
            harness.wait_until("all clients to be there", lambda: crowd.error or crowd.open() == (1_000, 100) and connections(server) >= 1_100,
                               2 * CLIENT_PATIENCE_SECONDS)
            if crowd.error:
                raise crowd.error
            again = sum(each.made - 1 for each in crowd.idle + crowd.slow)
            print(f"  {posted} events in {SECONDS} s beside 1,000 idle and 100 slow clients ({again} came again), memory +{grown >> 20} MiB, post to durable "
                  f"p50 {statistics.median(before):.1f} → {statistics.median(during[-40:]):.1f} ms", flush=True)
            print(f"counts: client_events={posted} idle_clients={len(crowd.idle)} slow_clients={len(crowd.slow)} clients_that_came_again={again}")
            assert again or SECONDS < 2 * CLIENT_PATIENCE_SECONDS, "no client met the server's patience"
            assert harness.SANITIZER or grown < posted * PURCHASE_BYTES + (300 << 20), grown
        limit = next(line for line in pathlib.Path(f"/proc/{server.process.pid}/limits").read_text().splitlines() if line.startswith("Max open files"))
        assert int(limit.split()[3]) > 1024, limit
        assert latencies_ms(server, 92_000_000)
        assert "too many open files" not in server.log().lower(), server.log()[-2000:]
        assert server.stop() == 0
        server.verify()


def connections(server: harness.Server) -> int:
    """Open ones, as the server counts them."""
    text = server.get("/metrics").body.decode()
    return int(float(next(line for line in text.splitlines() if line.startswith("bukubesar_http_connections ")).split()[1]))


MALFORMED = [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"specversion":"1.0"}', b'{"specversion":"1.0","type":"x","source":"/s","id":"1","subject":"y"}',
             b'{"a":1,"a":2}', b"[" * 200, b'{"specversion":"1.0","type":"id.bukubesar.purchase.paid.v1","source":"/s","id":"1","subject":"k","data":{}}',
             b"\x00" * 64, b'"' + b"x" * 500 + b'"']


@case
def a_flood_of_malformed_events(work: pathlib.Path):
    """All at once, a million in the long form: each is an entry with a reason, the good ones among them are accepted, and totals do not
    notice."""
    count = 1_000_000 if LONG else 60_000
    with harness.Kafka(work / "kafka", "384m") as kafka, harness.Server(work / "flood", kafka=kafka.bootstrap) as server:
        hand = kafka_hand.Hand(kafka.bootstrap)
        server.start()
        good = [purchase(number) for number in range(100)]
        good_records = keyed(good)
        records = []
        for number in range(count):
            records.append((b"k%d" % (number % 7), MALFORMED[number % len(MALFORMED)]))
            if number % (count // 100) == 0:
                records.append(good_records[number // (count // 100)])
        with standing_still(server):  # the time is the server's alone
            hand.produce(PURCHASES, records, codec="lz4", queue_buffering_max_messages=1_000_000)
            start = time.monotonic()
        wait_size(server, len(records), 300)
        seconds = time.monotonic() - start
        status = server.get_json("/v1/status")["partitions"][0]
        assert status["verdicts"] == {"accepted": 100, "duplicate": 0, "rejected": count, "statements": 0}, status
        reasons: dict = {}
        for first in range(0, len(records), 1000):
            for entry in server.get_json("/v1/entries/0", limit=1000, cursor=first)["entries"]:
                assert (entry["verdict"] == "accepted") == (entry["reason"] is None), entry
                reasons[entry["reason"]] = reasons.get(entry["reason"], 0) + 1
        assert sum(reasons.values()) == len(records), reasons
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in server.get("/metrics").body.decode().splitlines()
                      if line.startswith("bukubesar_") and 'verdict="rejected"' in line and "reason=" in line)
        assert counted == count, counted
        total = server.get_json("/v1/totals", by="region")["total"]
        assert total["packages"] == 100 and total["strict"] == harness.rupiah(100_000), total
        print(f"  {count} malformed in {seconds:.1f} s ({count / seconds * 60 / 1e6:.1f} M a minute), reasons {reasons}", flush=True)
        assert harness.SANITIZER or not LONG or count / seconds * 60 > 1e6, f"{count} took {seconds:.1f} s"
        peak = server.resident_bytes("VmHWM")
        assert harness.SANITIZER or peak < 1 << 30, f"{peak >> 20} MiB"
        print(f"counts: malformed_records={count} malformed_records_a_minute={count / seconds * 60:.0f}")
        assert server.stop() == 0
        server.verify()


def main():
    sys.setswitchinterval(SLICE_SECONDS)  # who slows the server does not wait for who makes events
    for each in [each for each in CASES if not sys.argv[1:] or each.__name__ in sys.argv[1:]]:
        start = time.monotonic()
        print(each.__name__, flush=True)
        with harness.workspace("load") as work:
            each(work)
        print(f"  held, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
