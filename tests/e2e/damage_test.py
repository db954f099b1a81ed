"""Damage to a data directory: `verify` names the place, `serve` refuses and says why, or every answer is what it was. Never a silently
different answer, never a crash that does not name the thing.

Each file is tried with flipped bytes, cut short, deleted, and swapped with another; RocksDB's log is cut at each record's border, which
RocksDB does not notice and the heads file must (I9). Whatever `verify` is content with is served, and answered as before.

BUKUBESAR_SEED=N repeats a run. BUKUBESAR_DAMAGE_PLACES=N tries N bytes of each file (default 12), BUKUBESAR_LONG=1 every byte.
"""

import collections
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import threading

import harness

SEED = int(os.environ.get("BUKUBESAR_SEED", "20230615"))
EVERY_BYTE = os.environ.get("BUKUBESAR_LONG", "") == "1"
PLACES_PER_FILE = int(os.environ.get("BUKUBESAR_DAMAGE_PLACES", "12"))
SWAPS = 12
WORKERS = os.cpu_count() or 2
# What a message that names a place has in it, beside the file's own name.
PLACE = re.compile(r"\b(\d+|reference):\d+\b|tree level|\bhead\b|\bcheckpoint|cut note|offsets|segment|RocksDB|heads|definition|signing key"
                   r"|ledger store|shorter than|MANIFEST|CURRENT|\.sst|\.log")
TILES = ("000", "001", "002.p/240")  # of the 760 leaves of the sound ledger; each start with a record before it adds one beyond
LOG_BLOCK = 32 * 1024
LOG_HEADER = 7


def log_borders(content: bytes) -> list:
    """Ends of the records in a RocksDB log file: blocks of 32 KiB, each record crc u32, length u16, type u8, data."""
    borders, at = [], 0
    while at + LOG_HEADER <= len(content):
        room = LOG_BLOCK - at % LOG_BLOCK
        if room < LOG_HEADER:
            at += room
            continue
        length, kind = int.from_bytes(content[at + 4:at + 6], "little"), content[at + 6]
        if kind not in (1, 2, 3, 4):
            break
        at += LOG_HEADER + length
        if kind in (1, 4):  # whole, or the last part of one
            borders.append(at)
    return borders


class Damage:
    """One way to damage a directory: a text, and what to write where (None: delete)."""

    def __init__(self, says: str, files: dict):
        self.says, self.files = says, files


def big_document(number: int, amount: int, lines: int, kind: str) -> dict:
    """An order of many lines, each a cell of its own: segments fill up with few events."""
    event = harness.purchase_event(number, kind=kind, amount=amount * lines, event_id=f"big-{number}-{amount}")
    event["data"]["document"]["lines"] = [{"line": str(at), "commodity": f"k{at}", "amount": harness.rupiah(amount)} for at in range(lines)]
    return event


def fill(server: harness.Server):
    """Two runs of the server: what the first one left in RocksDB's log stands in tables after the second one's start."""
    server.start()
    assert server.post_events([harness.purchase_event(number) for number in range(300)]).status == 200
    assert server.post_events([harness.purchase_event(number) for number in range(20)]).status == 200  # duplicates
    assert server.post_events([{"specversion": "1.0", "id": str(number)} for number in range(20)]).status == 200  # rejected
    for amount in range(1, 40):  # 2,000 rows each: more than a segment holds
        answer = server.post_events([big_document(9000, amount, 2000, "ordered" if amount == 1 else "amended")])
        assert answer.status == 200, answer.body[:500]
        assert answer.json()["results"][0]["verdict"] == "accepted", answer.body[:500]
    wait_signed(server)
    assert server.stop() == 0
    server.start()
    for first in range(300, 700, 40):
        assert server.post_events([harness.purchase_event(number, stage="completed") for number in range(first, first + 40)]).status == 200
    wait_signed(server)
    assert server.stop() == 0


def wait_signed(server: harness.Server):
    def signed():
        partition = server.get_json("/v1/status")["partitions"][0]
        return partition["checkpoint"] and partition["checkpoint"]["size"] == partition["size"]
    harness.wait_until("the newest head to be signed", signed)


def answers(server: harness.Server) -> dict:
    """What may not differ silently. A start adds source statements alone, so the root is asked where the sound ledger ended."""
    status = server.get_json("/v1/status")
    harness.wait_until("the projections", lambda: server.get_json("/v1/cut")["cut"]["0"] >= status["partitions"][0]["size"])
    entry = server.get_json("/v1/entries/0/400")
    return {"totals": server.get_json("/v1/totals", by="region,scale,stage")["rows"],
            "total": server.get_json("/v1/totals")["total"],
            "verdicts": {name: count for name, count in status["partitions"][0]["verdicts"].items() if name != "statements"},
            "entry": [entry["payload_hash"], entry["leaf"]],
            "payload": hashlib.sha256(server.get("/payload/0/400").body).hexdigest(),
            "tree": [hashlib.sha256(server.get(f"/log/0/tile/0/{tile}").body).hexdigest() for tile in TILES],
            "purchase": server.get_json("/v1/purchases/e-katalog-6/P00009000")["value"]}


class Bench:
    """One worker's copy of the directory."""

    def __init__(self, work: pathlib.Path, sound: pathlib.Path, number: int):
        self.sound, self.data = sound, work / f"bench{number}"
        self.server = harness.Server(self.data)
        self.reset()

    def reset(self):
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.sound, self.data)

    def apply(self, damage: Damage):
        for name, content in damage.files.items():
            if content is None:
                (self.data / name).unlink()
            else:
                (self.data / name).write_bytes(content)

    def undo(self, damage: Damage):
        for name in damage.files:
            shutil.copy2(self.sound / name, self.data / name)

    def judge(self, damage: Damage, want: dict) -> str:
        """What became of it: a word for the statistics. AssertionError where the promise is broken."""
        self.apply(damage)
        done = self.server.run("verify", check=False)
        said = done.stdout + done.stderr
        names = [pathlib.Path(name).name for name in damage.files]
        if done.returncode < 0:
            assert any(name in said for name in names), f"{damage.says}: verify ended by signal {-done.returncode}, and names nothing\n{said}"
            outcome = "ended, named"
        elif done.returncode != 0:
            assert PLACE.search(said) or any(name in said for name in names), f"{damage.says}: verify names no place\n{said}"
            outcome = "verify names it"
        else:
            outcome = self.serve(damage, want)
            self.reset()
            return outcome
        self.undo(damage)
        return outcome

    def serve(self, damage: Damage, want: dict) -> str:
        """`verify` was content: then answers are what they were, or there are none."""
        log_before = len(self.server.log())
        self.server.port = harness.free_port()
        self.server.start(ready_seconds=0)
        try:
            def settled():
                if self.server.process.poll() is not None:
                    return "ended"
                try:
                    answer = self.server.get("/readyz")
                except OSError:
                    return None
                return "ready" if answer.status == 200 else "shorter" if b"shorter" in answer.body else None
            state = harness.wait_until(f"{damage.says}: serve to settle", settled)
            said = self.server.log()[log_before:]
            if state == "ended":
                assert self.server.process.returncode > 0 and said.strip(), f"{damage.says}: serve ended with {self.server.process.returncode}\n{said}"
                return "serve refuses"
            if state == "shorter":
                return "serve waits for Kafka (I9)"
            got = answers(self.server)
            for name, value in want.items():
                assert got[name] == value, f"{damage.says}: {name} is silently different\nwant {str(value)[:500]}\ngot  {str(got[name])[:500]}"
            return "no answer depends on it"
        finally:
            self.server.stop()


def flips(files: dict, rng: random.Random):
    for name, content in files.items():
        places = range(len(content)) if EVERY_BYTE else sorted(rng.sample(range(len(content)), min(PLACES_PER_FILE, len(content))))
        for place in places:
            damaged = bytearray(content)
            damaged[place] ^= 1 << rng.randrange(8)
            yield Damage(f"{name} byte {place} of {len(content)} flipped", {name: bytes(damaged)})


def cuts(files: dict):
    for name, content in files.items():
        for size in sorted({0, len(content) // 2, len(content) - 1} - {len(content)}):
            yield Damage(f"{name} cut from {len(content)} to {size} bytes", {name: content[:size]})
        if name.endswith(".log") and name.startswith("ledger/"):
            for border in log_borders(content)[:-1]:
                yield Damage(f"{name} cut at a record's border, {border} of {len(content)}", {name: content[:border]})


def deletions(files: dict):
    for name in files:
        yield Damage(f"{name} deleted", {name: None})


def swaps(files: dict, rng: random.Random):
    pairs = [pair for pair in itertools.combinations(files, 2) if files[pair[0]] != files[pair[1]]]
    alike = [pair for pair in pairs if pathlib.Path(pair[0]).suffix == pathlib.Path(pair[1]).suffix]
    for a, b in rng.sample(alike, min(SWAPS, len(alike))) + rng.sample(pairs, min(SWAPS, len(pairs))):
        yield Damage(f"{a} and {b} swapped", {a: files[b], b: files[a]})


def check_configuration(work: pathlib.Path, rng: random.Random) -> int:
    """The configuration has no checksum: a flipped byte is another configuration, or is refused by line."""
    sound = subprocess.run([harness.BINARY, "config", "show-default"], capture_output=True, check=True).stdout
    path = work / "bukubesar.json"
    tried = 0
    for place in rng.sample(range(len(sound)), len(sound) if EVERY_BYTE else 40):
        damaged = bytearray(sound)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        done = subprocess.run([harness.BINARY, "--config", str(path), "config", "check"], capture_output=True, text=True, errors="replace", timeout=60, check=False)
        said = done.stdout + done.stderr
        assert done.returncode >= 0, f"configuration, byte {place}: ended by signal {-done.returncode}\n{said}"
        assert done.returncode == 0 or re.search(r"bukubesar\.json:\d+", said), f"configuration, byte {place}: names no line\n{said}"
        tried += 1
    return tried


def check_first_run(work: pathlib.Path, rng: random.Random) -> int:
    """A directory that was started once: the ledger knows the definition that it was made with, sources included."""
    with harness.Server(work / "first") as server:
        server.start()
        assert server.post_events([harness.purchase_event(number) for number in range(20)]).status == 200
        assert server.stop() == 0
        server.verify()
        path = server.data / "definition.jsonl"
        sound = path.read_bytes()
        assert b'"epoch":0' in sound, sound
        places = range(len(sound)) if EVERY_BYTE else rng.sample(range(len(sound)), 40)
        for place in places:
            damaged = bytearray(sound)
            damaged[place] ^= 1 << rng.randrange(8)
            path.write_bytes(damaged)
            done = server.run("verify", check=False)
            said = done.stdout + done.stderr
            assert done.returncode == 1 and "definition" in said, f"definition.jsonl after one run, byte {place}: exit {done.returncode}\n{said}"
        path.unlink()
        done = server.run("verify", check=False)
        assert done.returncode == 1 and "definition.jsonl" in done.stdout + done.stderr, done
        return len(places) + 1


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    with harness.workspace("damage") as work, harness.Server(work / "data") as server:
        fill(server)
        server.verify()
        sound = work / "sound"
        shutil.copytree(server.data, sound)
        server.start()
        want = answers(server)
        assert server.stop() == 0
        assert sum(1 for _ in sound.rglob("*.seg")) > 0, "no segment was written: the test would not damage one"
        files = {str(path.relative_to(sound)): path.read_bytes() for path in sorted(sound.rglob("*"))
                 if path.is_file() and path.parent.name != "ledger.log"}  # RocksDB's notes for people
        whole = {name: content for name, content in files.items() if content}
        print(json.dumps({name: len(content) for name, content in files.items()}), flush=True)
        damages = [*cuts(whole), *deletions(files), *swaps(files, rng), *flips(whole, rng)]
        benches: list = []
        own = threading.local()
        lock = threading.Lock()

        def judge(damage: Damage) -> str:
            if not hasattr(own, "bench"):
                with lock:
                    own.bench = Bench(work, sound, len(benches))
                    benches.append(own.bench)
            try:
                return own.bench.judge(damage, want)
            except BaseException:
                own.bench.server.kill()
                own.bench.reset()
                raise

        outcomes: collections.Counter = collections.Counter()
        broken = []
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for damage, future in [(damage, pool.submit(judge, damage)) for damage in damages]:
                try:
                    outcomes[future.result()] += 1
                except AssertionError as error:
                    broken.append(str(error))
        outcomes["definition after one run"] = check_first_run(work, rng)
        outcomes["configuration"] = check_configuration(work, rng)
        for outcome, count in sorted(outcomes.items()):
            print(f"{count:6} {outcome}")
        print(f"counts: damages={len(damages)} damages_named={outcomes['verify names it']} configuration_flips={outcomes['configuration']}")
        for error in broken:
            sys.stderr.write(f"BROKEN (seed {SEED}): {error}\n")
        assert not broken, f"{len(broken)} of {len(damages)} ways break the promise"


if __name__ == "__main__":
    main()
