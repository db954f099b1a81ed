"""A node whose Kafka history is gone starts from a peer: everything under the signed head, the first thing that does not fit named and
refused, cut off and resumed, erased payloads too; then it goes on from Kafka to the same root."""

import http.server
import json
import random
import subprocess
import threading
import urllib.request

import harness
import kafka_hand
from kafka_hand import keyed, wait_size

AUTHORITY = "/feed/inspectorate"


def purchases(first: int, count: int) -> list:
    return [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(first, first + count)]


class Liar:
    """A peer between: passes everything on, but for what `change` makes of one path's answer; ends after `answers_max`."""

    def __init__(self, server: harness.Server, change=lambda path, body: body, answers_max: int = 1 << 30):
        outer, self.answers, self.port = self, 0, harness.free_port()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answers += 1
                if outer.answers > answers_max:
                    self.send_error(500, "no more")
                    return
                with urllib.request.urlopen(server.url + self.path, timeout=60) as answer:
                    body = change(self.path, answer.read())
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)

    def __enter__(self):
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.port}"

    def __exit__(self, *_):
        self.listener.shutdown()
        self.listener.server_close()


def root_of(server: harness.Server, size: int) -> str:
    return next(each["root"] for each in server.request("POST", "/v1/sign").json()["checkpoints"] if each["size"] == size)


def flip(where: str, at: int = 40):
    def change(path: str, body: bytes) -> bytes:
        if where not in path:
            return body
        changed = bytearray(body)
        changed[at] ^= 1
        return bytes(changed)
    return change


def main():
    rng = random.Random(7)
    with harness.workspace("clone") as work, harness.Kafka(work / "kafka") as kafka:
        hand = kafka_hand.Hand(kafka.bootstrap)
        server = harness.Server(work / "data", kafka=kafka.bootstrap)
        with server:
            server.start()
            assert server.stop() == 0
            with open(server.data / "definition.jsonl", "a") as definition:
                definition.write(json.dumps({"authority": {"source": AUTHORITY}}, separators=(",", ":")) + "\n")
            server.start()
            events = purchases(0, 700)
            hand.produce(kafka_hand.PURCHASES, keyed(events))
            wait_size(server, 700)
            document = work / "document.json"
            document.write_text(json.dumps(events[3]["data"]["document"]))
            server.run("--url", server.url, "redact", "0/3", "--source", AUTHORITY, "--ground", "law", "--authority", "office", "--replacement",
                       str(document), "--send")
            server.request("POST", "/v1/sign")
            keys = [part for line in server.get("/log/vkeys").body.decode().split() for part in ("--vkey", line)]

            def clone(url: str, name: str, *flags: str):
                command = [harness.BINARY, "--format", "json", "clone", url, str(work / name), *(flags or keys)]
                return subprocess.run(command, capture_output=True, text=True, timeout=120, env=harness.ENVIRONMENT)

            # Each lie is named where it is first met, and what was stored before it stays under the signed head.
            for change, code, told in [(flip("/log/0/tile/entries/001"), 2, "0:256: the entry"),
                                       (flip("/log/0/tile/1/000"), 2, "partition 0: the tiles"),
                                       (flip("/log/0/checkpoint", 60), 2, "kalsel/0"),
                                       (flip("/v1/payloads/0?first=512"), 2, "0:512: the payload")]:
                with Liar(server, change) as url:
                    refused = clone(url, f"lied_to_{rng.randrange(1 << 30)}")
                assert refused.returncode == code and told in refused.stderr, (told, refused.returncode, refused.stderr)
            refused = clone(server.url, "no_key", *keys[2:])
            assert refused.returncode == 2 and "no --vkey is of kalsel/0" in refused.stderr, refused.stderr

            # Cut off, and gone on with.
            with Liar(server, answers_max=9) as url:
                cut_off = clone(url, "copy")
            assert cut_off.returncode == 1 and "HTTP 500" in cut_off.stderr, (cut_off.returncode, cut_off.stderr)
            done = clone(server.url, "copy")
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout)
            assert told["cut"]["0"] == 700 and 0 < told["entries"] < 256 and not told["embedded"], told
            assert clone(server.url, "copy").returncode == 0  # nothing left to do

            # Built from Kafka again while that has everything still: the payload comes, and goes when the redaction is read; one root.
            rebuilt = harness.Server(work / "rebuilt", kafka=kafka.bootstrap)
            rebuilt.data.mkdir()
            (rebuilt.data / "definition.jsonl").write_bytes((server.data / "definition.jsonl").read_bytes())
            with rebuilt:
                rebuilt.start()
                wait_size(rebuilt, 700)
                harness.wait_until("the erasure", lambda: [each["state"] for each in rebuilt.get_json("/v1/redactions")["redactions"]] == ["done"])
                assert rebuilt.get("/payload/0/3").status == 410
                assert root_of(rebuilt, 700) == root_of(server, 700)
                assert rebuilt.stop() == 0
                rebuilt.verify()

            # From Kafka on, where the history is gone.
            hand.delete_records(kafka_hand.PURCHASES, 699)
            hand.produce(kafka_hand.PURCHASES, keyed(purchases(700, 50)))
            wait_size(server, 750)
            copy = harness.Server(work / "copy", kafka=kafka.bootstrap)
            copy.run("verify")
            with copy:
                copy.start()
                wait_size(copy, 750)
                ours, theirs = ([root_of(node, 750), node.get_json("/v1/totals", by="region", min_cut="0=750")["total"]] for node in (copy, server))
                assert ours == theirs, (ours, theirs)
                assert copy.get("/payload/0/3").status == 410 and copy.get("/payload/0/4").status == 200
                assert copy.get_json("/v1/redactions")["redactions"][0]["state"] == "done"
                assert copy.stop() == 0
                copy.verify()

            # Another ledger's directory is refused.
            other = harness.Server(work / "other")
            with other:
                other.start()
                assert other.stop() == 0
            refused = clone(server.url, "other")
            assert refused.returncode == 2 and "definition.jsonl" in refused.stderr, refused.stderr


if __name__ == "__main__":
    main()
