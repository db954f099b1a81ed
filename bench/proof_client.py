"""A client that asks for proofs on keep-alive connections and does next to nothing with them, so that the server is what is measured."""

import socket
import threading
import time

PIPELINED = 32  # requests sent before the first answer is read


def _read_answer(stream) -> int:
    """The size of the next answer's body; an answer that is no proof ends the run."""
    status = stream.readline()
    size = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    body = stream.read(size)
    if b" 200 " not in status or not body.startswith(b"c2sp.org/tlog-proof@v1\n"):
        raise RuntimeError(f"no proof: {status!r} {body[:300]!r}")
    return size


def _ask(host: str, port: int, sequences: list, pipelined: int, sizes: list):
    with socket.create_connection((host, port)) as connection, connection.makefile("rb") as stream:
        for first in range(0, len(sequences), pipelined):
            batch = sequences[first:first + pipelined]
            connection.sendall(b"".join(b"GET /v1/proofs/0/%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % each for each in batch))
            sizes.extend(_read_answer(stream) for _ in batch)


def ask_all(host: str, port: int, sequences: list, connections: int, pipelined: int) -> tuple[float, list]:
    """Proofs of these entries, over so many connections: seconds, and the size of each proof."""
    sizes: list = []
    threads = [threading.Thread(target=_ask, args=(host, port, sequences[each::connections], pipelined, sizes)) for each in range(connections)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - started
    if len(sizes) != len(sequences):
        raise SystemExit(f"{len(sizes)} of {len(sequences)} proofs came: see above")
    return took, sizes
