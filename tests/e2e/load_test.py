"""More than the server can take: memory stays under its limits, latency recovers, nothing is lost.

    load_test.py [NAME...]     only these; all by default
BUKUBESAR_LONG: minutes instead of seconds, a million malformed events. A server that stands still nine tenths of the time (SIGSTOP)
makes "ten times what it can take" the same on every machine.
"""

import contextlib
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
SECONDS = 180 if LONG else 6
CASES = []


def case(function):
    CASES.append(function)
    return function


def purchase(number: int, **more) -> dict:
    return harness.purchase_event(number, amount=1_000, stage="completed", **more)


class Slowed(threading.Thread):
    """The server runs a tenth of the time, until told otherwise."""

    def __init__(self, server: harness.Server):
        super().__init__()
        self.server, self.ending = server, threading.Event()

    def run(self):
        while not self.ending.is_set():
            self.server.process.send_signal(signal.SIGSTOP)
            time.sleep(0.18)
            self.server.process.send_signal(signal.SIGCONT)
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()


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
        return statistics.median(all_of_them[-40:]) < 3 * statistics.median(before) + 10
    harness.wait_until("latency to recover", usual, 120)
    return all_of_them


@case
def ten_times_the_rate(work: pathlib.Path):
    """By Kafka: what cannot be taken waits there; the server holds intake.fetch_queue_bytes_max of it, no more."""
    queue_bytes = 32 << 20
    with harness.Kafka(work / "kafka", "384m") as kafka, harness.Server(work / "ten", kafka=kafka.bootstrap, settings={
            "intake.fetch_queue_bytes_max": str(queue_bytes), "intake.commit_bytes_max": str(4 << 20)}) as server:
        hand = kafka_hand.Hand(kafka.bootstrap)
        server.start()
        hand.produce(PURCHASES, keyed([purchase(number) for number in range(2_000)]))
        wait_size(server, 2_000)
        before = latencies_ms(server, 90_000_000)
        template = keyed([purchase(0)])[0][1]
        sent = 2_000 + len(before)
        quiet, start = server.resident_bytes(), time.monotonic()
        server.forget_peak()
        with Slowed(server):
            number = 10_000
            while time.monotonic() - start < SECONDS:
                lines = bytearray()
                for number in range(number, number + 20_000):  # distinct, as cheaply as Python can
                    name = b"%08d" % number
                    lines += b"e-katalog-6/P" + name + b"\t" + template.replace(b"P00000000", b"P" + name).replace(
                        b'"source":"/feed/test"', b'"source":"/feed/' + name + b'"') + b"\n"
                subprocess.run(["kcat", "-P", "-b", kafka.bootstrap, "-t", PURCHASES, "-K", "\t", "-X", "acks=1",
                                "-X", "queue.buffering.max.messages=1000000"], input=bytes(lines), check=True, capture_output=True)
                sent += 20_000
                number += 1
            offered = time.monotonic() - start
            taken = source_size(server)
        size_then = source_size(server)
        wait_size(server, sent, 600)
        recovered = time.monotonic() - start - offered
        after = usual_again(server, before)
        sent += len(after)
        grown = server.resident_bytes("VmHWM") - quiet
        status = server.get_json("/v1/status")
        known = sum(sum(parts.values()) for parts in status["memory_bytes"].values())
        rate = (sent - 2_000) / offered
        print(f"  {rate:.0f} events/s for {offered:.0f} s, {sent - min(size_then, sent)} behind at the end, caught up {recovered:.1f} s later; "
              f"memory +{grown >> 20} MiB (ledger and projections say {known >> 20}); post to durable p50 {statistics.median(before):.1f} → "
              f"{statistics.median(after[-40:]):.1f} ms", flush=True)
        print(f"counts: overload_events={sent}")
        assert taken < sent, "the server was not outrun"
        # The queue, one fetch on top of it, commits under way, and what the ledger and the views need for what they hold.
        assert harness.SANITIZER or grown < 3 * queue_bytes + 6 * (4 << 20) + known + (160 << 20), f"{grown >> 20} MiB"
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
    with harness.Server(work / "posts", settings={"intake.publish_events_in_flight_max": "1000"}) as server:
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
        again = server.post_events([purchase(number) for number in list(stored)[:500]]).json()["results"]
        assert all(each["verdict"] == "duplicate" and each["duplicate_of"] == stored[number]["sequence"]
                   for each, number in zip(again, stored)), again[:2]
        assert server.stop() == 0
        server.verify()


@case
def idle_and_slow_clients(work: pathlib.Path):
    """1,000 that say nothing and 100 that read and write a byte at a time, while intake goes on. Started under a shell's usual limit of
    1024 open files: the server raises its own."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))
    with harness.Server(work / "clients", settings={"http.connections_max": "1500", "http.request_timeout_ms": "20000"},
                        prefix=["prlimit", f"--nofile=1024:{most}"]) as server:
        server.start()
        assert server.post_events([purchase(number) for number in range(2_000)]).status == 200
        before, quiet = latencies_ms(server, 90_000_000), server.resident_bytes()
        sockets = []
        try:
            for _ in range(1_000):
                sockets.append(socket.create_connection(("127.0.0.1", server.port), 10))
            ending, slow = threading.Event(), []
            for which in range(100):
                each = socket.socket()
                each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                each.connect(("127.0.0.1", server.port))
                sockets.append(each)
                slow.append(each)
                if which % 2:  # a large answer, hardly read
                    each.sendall(b"GET /v1/entries/0?limit=1000 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                else:          # a request that never gets done
                    each.sendall(b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cloudevents-batch+json\r\n"
                                 b"Content-Length: 1000000\r\n\r\n[")

            def trickle():
                while not ending.is_set():
                    for which, each in enumerate(slow):
                        with contextlib.suppress(OSError):
                            if which % 2:
                                each.recv(1, socket.MSG_DONTWAIT)
                            else:
                                each.send(b" ", socket.MSG_DONTWAIT)
                    time.sleep(0.05)
            trickler = threading.Thread(target=trickle)
            trickler.start()
            during, posted = usual_again(server, before), 0
            start = time.monotonic()
            while time.monotonic() - start < SECONDS:
                events = [purchase(number) for number in range(10_000 + posted, 10_500 + posted)]
                answer = server.post_events(events)
                assert answer.status == 200 and all(each["verdict"] == "accepted" for each in answer.json()["results"]), answer.body[:300]
                posted += 500
                assert server.get("/v1/totals", by="district", region="63").status == 200
            grown = server.resident_bytes() - quiet
            print(f"  {posted} events in {SECONDS} s beside {len(sockets)} clients, memory +{grown >> 20} MiB, post to durable p50 "
                  f"{statistics.median(before):.1f} → {statistics.median(during[-40:]):.1f} ms", flush=True)
            print(f"counts: client_events={posted} clients={len(sockets)}")
            assert harness.SANITIZER or grown < 300 << 20
            ending.set()
            trickler.join()
        finally:
            for each in sockets:
                each.close()
        limit = next(line for line in pathlib.Path(f"/proc/{server.process.pid}/limits").read_text().splitlines() if line.startswith("Max open files"))
        assert int(limit.split()[3]) > 1024, limit
        assert latencies_ms(server, 92_000_000)
        assert "too many open files" not in server.log().lower(), server.log()[-2000:]
        assert server.stop() == 0
        server.verify()


MALFORMED = [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"specversion":"1.0"}', b'{"specversion":"1.0","type":"x","source":"/s","id":"1","subject":"y"}',
             b'{"a":1,"a":2}', b"[" * 200, b'{"specversion":"1.0","type":"id.bukubesar.purchase.paid.v1","source":"/s","id":"1","subject":"k","data":{}}',
             b"\x00" * 64, b'"' + b"x" * 500 + b'"']


@case
def a_flood_of_malformed_events(work: pathlib.Path):
    """Each is an entry with a reason, the good ones among them are accepted, and totals do not notice."""
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
        start = time.monotonic()
        hand.produce(PURCHASES, records, codec="lz4", queue_buffering_max_messages=1_000_000)
        wait_size(server, len(records), 300)
        seconds = time.monotonic() - start
        status = server.get_json("/v1/status")["partitions"][0]
        assert status["verdicts"] == {"accepted": 100, "duplicate": 0, "rejected": count, "statements": 0}, status
        reasons: dict = {}
        for first in (0, len(records) - 1000):
            for entry in server.get_json("/v1/entries/0", limit=1000, cursor=first)["entries"]:
                assert (entry["verdict"] == "accepted") == (entry["reason"] is None), entry
                reasons[entry["reason"]] = reasons.get(entry["reason"], 0) + 1
        counted = sum(float(line.rsplit(" ", 1)[1]) for line in server.get("/metrics").body.decode().splitlines()
                      if line.startswith("bukubesar_") and 'verdict="rejected"' in line and "reason=" in line)
        assert counted == count, counted
        total = server.get_json("/v1/totals", by="region")["total"]
        assert total["packages"] == 100 and total["strict"] == harness.rupiah(100_000), total
        print(f"  {count} malformed in {seconds:.1f} s ({count / seconds * 60 / 1e6:.1f} M a minute), reasons {reasons}", flush=True)
        print(f"counts: malformed_records={count}")
        assert server.stop() == 0
        server.verify()


def main():
    for each in [each for each in CASES if not sys.argv[1:] or each.__name__ in sys.argv[1:]]:
        start = time.monotonic()
        print(each.__name__, flush=True)
        with harness.workspace("load") as work:
            each(work)
        print(f"  held, {time.monotonic() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
