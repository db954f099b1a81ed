"""GET /v1/stream: what comes in, once, in order; from where one left off, after a restart too; and a client that does not read costs itself."""

import json
import os
import resource
import selectors
import socket
import time
import unittest

import harness

CLIENTS = int(os.environ.get("BUKUBESAR_STREAM_CLIENTS", "1000"))


class Reader:
    """One connection to the stream."""

    def __init__(self, server: harness.Server, query: str = "", since: str | None = None):
        self.connection = server.connect(timeout=20)
        self.connection.request("GET", "/v1/stream" + (f"?{query}" if query else ""), headers={"Last-Event-ID": since} if since else {})
        self.answer = self.connection.getresponse()
        self.last_id = since

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()  # it holds the socket, too
        self.connection.close()

    def next(self, wanted: str | None = None) -> dict:
        """The data of the next event, or of the next one of that name; its name under `event`."""
        name, data, identity = "", "", ""
        while True:
            line = self.answer.readline().decode()
            if not line:
                raise EOFError
            line = line.rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = line[6:]
            elif line.startswith("id: "):
                identity = line[4:]
            elif not line and data:
                self.last_id = identity or self.last_id
                if wanted in (None, name):
                    return {"event": name, **json.loads(data)}
                name, data, identity = "", "", ""


def subjects(frame: dict) -> list:
    return [entry["subject"] for entry in frame["entries"]]


class Stream(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
        cls.work = cls.enterClassContext(harness.workspace("stream"))
        cls.server = cls.enterClassContext(harness.Server(cls.work / "data", settings={"http.connections_max": str(CLIENTS + 200), "http.request_timeout_ms": "60000"}))
        cls.server.start()
        cls.number = 0

    @classmethod
    def tearDownClass(cls):
        assert cls.server.stop() == 0

    def publish(self, count: int = 1, **event) -> list:
        """Their subjects."""
        first = self.number
        type(self).number += count
        events = [harness.purchase_event(number, **event) for number in range(first, first + count)]
        self.assertEqual(self.server.post_events(events).status, 200)
        return [event["subject"] for event in events]

    def test_each_topic_tells_what_came(self):
        with Reader(self.server) as reader:
            self.assertEqual(reader.answer.getheader("Content-Type"), "text/event-stream; charset=utf-8")
            reader.next("cut")
            wanted = self.publish()
            views = reader.next("views")
            entries = reader.next("entries")
            cut = reader.next("cut")
            self.assertEqual(subjects(entries), wanted)
            self.assertEqual(entries["entries"][0]["verdict"], "accepted")
            self.assertEqual(entries["entries"][0]["amount"], "1000000.00")
            self.assertEqual(views["total"], self.server.get_json("/v1/totals")["total"])
            self.assertEqual(cut["cut"], self.server.cut())
            self.publish(kind="paid")  # for a purchase that nobody ordered
            self.assertEqual(reader.next("findings")["findings"][0]["kind"], "stub")
        with Reader(self.server, "topics=findings") as reader:
            self.publish()
            self.publish(kind="paid")
            seen = [reader.next()["event"] for _ in range(3)]
            self.assertLessEqual(set(seen), {"findings", "cut"})

    def test_who_comes_back_misses_nothing_after_a_restart_too(self):
        with Reader(self.server, "topics=entries") as reader:
            reader.next("cut")
            last_id = reader.last_id
        harness.wait_until("the server to notice that it is gone", lambda: self.metric("bukubesar_stream_clients") == 0)
        missed = self.publish(30)
        with Reader(self.server, f"topics=entries&min_cut=0={self.server.committed()['0']}", since=last_id) as reader:
            frame = reader.next("entries")
            self.assertEqual((frame["count"], subjects(frame), frame["skipped"]), (30, missed, []))
            reader.next("cut")
            last_id = reader.last_id
        missed = self.publish(130)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        with Reader(self.server, f"topics=entries&min_cut=0={self.server.committed()['0']}", since=last_id) as reader:
            frame = reader.next("entries")
            skipped = frame["skipped"]
            self.assertGreaterEqual(frame["count"], 130)  # the embedded broker's new epoch is an entry, too
            self.assertEqual([entry.get("subject") for entry in frame["entries"] if entry.get("subject")][-1], missed[-1])
            self.assertEqual(len(frame["entries"]) + sum(each["limit"] - each["first"] for each in skipped), frame["count"])
            after = self.publish()
            self.assertEqual(subjects(reader.next("entries")), after)
        with Reader(self.server, "topics=entries", since="0=0,reference=0") as reader:
            self.assertEqual(reader.next("entries")["count"], sum(self.server.cut().values()))

    def test_bad_requests_are_told_why(self):
        for query, headers, status, says in [("topics=views,nope", {}, 400, "nope"), ("topic=views", {}, 400, "topics"),
                                             ("", {"Last-Event-ID": "12"}, 400, "Last-Event-ID"), ("", {"Last-Event-ID": "0=999999999,reference=0"}, 416, "another ledger"),
                                             ("last_event_id=7=1", {}, 416, "another ledger")]:
            answer = self.server.request("GET", f"/v1/stream?{query}", headers=headers)
            self.assertEqual(answer.status, status, answer.body)
            self.assertIn(says, answer.json()["detail"])

    def test_a_client_that_does_not_read_costs_itself_and_is_told(self):
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", self.server.port))
        slow.settimeout(20 * harness.PATIENCE)
        slow.sendall(b"GET /v1/stream?topics=entries HTTP/1.1\r\nHost: localhost\r\n\r\n")
        skips = self.metric("bukubesar_stream_skips_total")
        with Reader(self.server, "topics=entries") as quick:
            quick.next("cut")
            took, rounds, text = [], 45, b""
            for _ in range(rounds):
                start = time.monotonic()
                wanted = self.publish(20)
                while wanted[-1] not in subjects(quick.next("entries")):
                    pass
                took.append(time.monotonic() - start)
            took.sort()
            print(f"beside a client that does not read: {rounds} frames, the slowest seen after {took[-1] * 1000:.0f} ms, nine in ten after {took[-5] * 1000:.0f}")
            self.assertLess(took[-5], 2.0 * harness.PATIENCE)
            self.assertLess(took[-1], 10.0 * harness.PATIENCE)
            last = wanted[-1].encode()
        while last not in text:  # it reads again: what is there, then where it missed something, then the newest
            piece = slow.recv(65536)
            self.assertNotEqual(piece, b"")
            text += piece
        slow.close()
        self.assertIn(b"event: skipped", text)
        self.assertGreater(self.metric("bukubesar_stream_skips_total"), skips)

    def test_a_thousand_clients_are_told_at_once(self):
        # Those of other tests have their places until the server has seen that they are gone.
        harness.wait_until("nobody to follow", lambda: self.metric("bukubesar_stream_clients") == 0)
        sockets = [socket.create_connection(("127.0.0.1", self.server.port), timeout=20 * harness.PATIENCE) for _ in range(CLIENTS)]
        try:
            for each in sockets:
                each.sendall(b"GET /v1/stream?topics=entries,views HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.read_until(sockets, b"event: cut")
            self.assertEqual(self.metric("bukubesar_stream_clients"), CLIENTS)
            if CLIENTS == 1000:
                self.assertEqual(self.server.get("/v1/stream").status, 429)
            frames = self.metric("bukubesar_stream_frames_total")
            start = time.monotonic()
            wanted = self.publish()
            stored = time.monotonic()
            self.read_until(sockets, wanted[0].encode())
            print(f"{CLIENTS} clients: stored after {(stored - start) * 1000:.0f} ms, told all after {(time.monotonic() - start) * 1000:.0f} ms")
            self.assertLess(time.monotonic() - start, 5 * harness.PATIENCE)
            self.assertLessEqual(self.metric("bukubesar_stream_frames_total") - frames, 2, "a frame is rendered once, not for each client")
        finally:
            for each in sockets:
                each.close()
        harness.wait_until("the server to notice that they are gone", lambda: self.metric("bukubesar_stream_clients") == 0)

    def read_until(self, sockets: list, wanted: bytes):
        """Until each of them has received it."""
        end = time.monotonic() + 30 * harness.PATIENCE
        with selectors.DefaultSelector() as selector:
            texts = {each: b"" for each in sockets}
            for each in sockets:
                selector.register(each, selectors.EVENT_READ)
            while texts:
                self.assertLess(time.monotonic(), end, f"{len(texts)} clients did not receive {wanted!r}")
                for key, _ in selector.select(1):
                    piece = key.fileobj.recv(65536)
                    self.assertNotEqual(piece, b"", "the server ended an answer")
                    texts[key.fileobj] += piece
                    if wanted in texts[key.fileobj]:
                        selector.unregister(key.fileobj)
                        del texts[key.fileobj]

    def metric(self, name: str) -> int:
        for line in self.server.get("/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return int(float(line.split()[1]))
        raise AssertionError(f"no metric {name}")


if __name__ == "__main__":
    unittest.main()
