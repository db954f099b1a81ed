"""A TCP proxy between a Kafka client and the broker: cuts connections in the middle of an answer, and swallows acknowledgements."""

import contextlib
import random
import select
import socket
import struct
import threading

PRODUCE, FETCH = 0, 1


class Proxy:
    """Kafka frames are a 4-byte length and as many bytes. A request has its API key at 4, its correlation id at 8, its client's id at 12
    (a 2-byte length first); an answer has its correlation id at 4."""

    def __init__(self, to_port: int, seed: int = 0):
        self.to_port, self.random = to_port, random.Random(seed)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.open: set = set()
        self.cut_fetches = 0     # so many answers to fetches are cut in the middle
        self.swallow_acks: dict = {}  # client id → so many answers to its produce requests are swallowed, with the connection
        self.cuts = 0
        self.ending = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.ending:
            with contextlib.suppress(OSError):
                client, _ = self.listener.accept()
                try:
                    broker = socket.create_connection(("127.0.0.1", self.to_port), 5)
                except OSError:
                    client.close()
                    continue
                with self.lock:
                    self.open |= {client, broker}
                threading.Thread(target=self._serve, args=(client, broker), daemon=True).start()

    def _serve(self, client, broker):
        under_way: dict = {}  # correlation id → API key and client id
        with contextlib.suppress(OSError, ConnectionError):
            while True:
                readable, _, _ = select.select([client, broker], [], [])
                if client in readable:
                    frame = self._frame(client)
                    key, _, correlation, size = struct.unpack_from(">hhih", frame, 4)
                    under_way[correlation] = (key, frame[14:14 + max(size, 0)].decode())
                    broker.sendall(frame)
                if broker in readable:
                    frame = self._frame(broker)
                    kept = self._kept(*under_way.pop(struct.unpack_from(">i", frame, 4)[0]), len(frame))
                    client.sendall(frame[:kept])
                    if kept < len(frame):
                        break
        self._close(client, broker)

    def _kept(self, key: int, client: str, size: int) -> int:
        with self.lock:
            if key == FETCH and self.cut_fetches and size > 500:  # not an empty answer
                self.cut_fetches -= 1
                self.cuts += 1
                return self.random.randrange(1, size)
            if key == PRODUCE and self.swallow_acks.get(client, 0):
                self.swallow_acks[client] -= 1
                self.cuts += 1
                return 0
        return size

    @staticmethod
    def _frame(from_socket) -> bytes:
        parts, wanted = [], 4
        while wanted:
            part = from_socket.recv(min(wanted, 1 << 20))
            if not part:
                raise ConnectionError
            parts.append(part)
            wanted -= len(part)
            if wanted == 0 and sum(map(len, parts)) == 4:
                wanted = struct.unpack(">i", b"".join(parts))[0]
        return b"".join(parts)

    def _close(self, *sockets):
        with self.lock:
            self.open -= set(sockets)
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut_all(self):
        """Every connection at once, wherever it stands."""
        with self.lock:
            now = set(self.open)
            self.cuts += len(now)
        for each in now:  # its own thread closes it
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.ending = True
        self.listener.close()
        self.cut_all()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
