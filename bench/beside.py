"""Work that runs beside a measurement, in a process of its own, until its `with` block ends. Each kind counts what it was answered."""

import contextlib
import http.client
import json
import multiprocessing
import random
import socket
import threading

SLOW_READERS = 50


def _count(answered, one: bool):
    with answered.get_lock():
        answered.value += one


def _slow_reader(port: int, stop, answered):
    """Asks for a large answer and reads it in sips."""
    while not stop.is_set():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(b"GET /v1/entries/0?limit=1000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            _count(answered, connection.recv(1024).startswith(b"HTTP/1.1 200"))
            while not stop.wait(0.05) and connection.recv(1024):
                pass


def slow_readers(port: int, stop, answered):
    threads = [threading.Thread(target=_slow_reader, args=(port, stop, answered), daemon=True) for _ in range(SLOW_READERS)]
    for thread in threads:
        thread.start()
    stop.wait()


def _again_and_again(port: int, stop, answered, paths):
    for path in paths:
        if stop.is_set():
            return
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("GET", path)
            answer = connection.getresponse()
            while not stop.is_set() and answer.read(1 << 20):
                pass
            _count(answered, answer.status == 200)
            connection.close()


def rebuild(port: int, stop, answered):
    """Builds views that nobody asked for before, each from the whole history."""
    dimensions = ["district", "institution", "scale", "system", "funding", "commodity", "order_month", "event_month", "stage", "fiscal_year"]
    choice = random.Random(4)
    _again_and_again(port, stop, answered, iter(lambda: "/v1/totals?by=" + ",".join(choice.sample(dimensions, 3)), None))


def _cut(port: int) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/v1/cut")
    cut = json.loads(connection.getresponse().read())["cut"]
    connection.close()
    return cut


def export(port: int, stop, answered):
    """Takes everything out, as fast as it comes: the entries of partition 0, page by page, then the largest table as CSV."""
    def pages():
        while True:
            yield from (f"/v1/entries/0?limit=1000&cursor={first}" for first in range(0, _cut(port)["0"], 1000))
            yield "/v1/totals?by=vendor,work_unit,order_month&format=csv"
    _again_and_again(port, stop, answered, pages())


def as_of(port: int, stop, answered):
    """Totals as of ever new cuts: each a scan of the history that no cache answers."""
    cut = _cut(port)
    def paths():
        for step in range(min(size for partition, size in cut.items() if partition != "reference")):
            at = ",".join(f"{partition}={size if partition == 'reference' else size - step}" for partition, size in cut.items())
            yield f"/v1/totals?by=region,scale&as_of={at}"
    _again_and_again(port, stop, answered, paths())


def scrub(port: int, stop, answered):
    """Nothing is asked: the server itself reads everything again, without a pause. Counts the looks that saw it get on."""
    before = None
    while not stop.wait(0.5):
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/v1/status")
            now = json.loads(connection.getresponse().read())["scrub"]
            connection.close()
            _count(answered, before is not None and now != before)
            before = now


KINDS = {"slow_readers": slow_readers, "rebuild": rebuild, "export": export, "as_of": as_of, "scrub": scrub}
# What the server is started with for a kind; else the defaults.
SETTINGS = {"scrub": {"scrub.interval_s": "1", "scrub.bytes_per_s_max": str(1 << 30)}}


@contextlib.contextmanager
def beside(kind: str, port: int):
    context = multiprocessing.get_context("fork")
    stop, answered = context.Event(), context.Value("q", 0)
    process = context.Process(target=KINDS[kind], args=(port, stop, answered), daemon=True)
    process.start()
    try:
        yield answered
    finally:
        stop.set()
        process.join(10)
        process.kill()
        process.join()
