"""Damage to a data directory: `verify` names the place, `serve` refuses and says why, or every answer is what it was. Never a silently
different answer, never a crash that does not name the thing.

Each file is tried with flipped bytes, cut short, deleted, and swapped with another; RocksDB's log is cut at each record's border, which
RocksDB does not notice and the heads file must (I9). Whatever `verify` is content with is served, and answered as before; of what it names
each SERVED_EACH-th is served too: an answer is what it was, or is refused.

There are two directories. Of the larger one N bytes of each file are flipped, BUKUBESAR_DAMAGE_PLACES=N (default 8; 100 with
BUKUBESAR_LONG=1). Of the small one, a few events and one segment in tens of KB, P per cent of the bytes of each file,
BUKUBESAR_DAMAGE_PERCENT=P (default 1; every byte with BUKUBESAR_LONG=1). RocksDB's copies of its options are larger than all the rest and
it reads none that an earlier run left: they are sampled. BUKUBESAR_SEED=N repeats a run.
"""

import collections
import contextlib
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
import redaction_test

SEED = int(os.environ.get("BUKUBESAR_SEED", "20230615"))
LONG = bool(os.environ.get("BUKUBESAR_LONG"))
PLACES = int(os.environ.get("BUKUBESAR_DAMAGE_PLACES", "100" if LONG else "8"))
PERCENT = int(os.environ.get("BUKUBESAR_DAMAGE_PERCENT", "100" if LONG else "1"))
SWAPS = 12  # of files of one kind, and of any; with BUKUBESAR_LONG=1 all there are
SERVED_EACH = 5 if LONG else 20
WORKERS = os.cpu_count() or 2
# What a message that names a place has in it, beside the file's own name.
PLACE = re.compile(r"\b(\d+|reference):\d+\b|tree level|\bhead\b|\bcheckpoint|cut note|offsets|segment|RocksDB|heads|definition|signing key"
                   r"|ledger store|row that names the ledger|^reads\b|shorter than|MANIFEST|CURRENT|\.sst|\.log", re.MULTILINE)
TABLE_OF_FINDINGS = re.compile(r"^place +what$", re.MULTILINE)
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
    """One way to damage a directory: a text, and what to write where (None: delete). The bytes are made when they are asked for: there are
    more damages than there is memory for."""

    def __init__(self, says: str, names: tuple, make):
        self.says, self.names, self.make = says, names, make

    def is_named_in(self, text: str) -> bool:
        return any(pathlib.Path(name).name in text for name in self.names)


def big_document(number: int, amount: int, lines: int, kind: str) -> dict:
    """An order of many lines, each a cell of its own: segments fill up with few events."""
    event = harness.purchase_event(number, kind=kind, amount=amount * lines, event_id=f"big-{number}-{amount}")
    event["data"]["document"]["lines"] = [{"line": str(at), "commodity": f"k{at}", "amount": harness.rupiah(amount)} for at in range(lines)]
    return event


def fill_larger(server: harness.Server):
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
    read_payload_and_stop(server)


def fill_small(server: harness.Server):
    """The same with few bytes: one order of many lines, and each of its steps is as many rows of a segment. A fact, and an erasure."""
    server.start()
    events = [big_document(9000, 1, 2000, "ordered"), *(harness.purchase_event(number) for number in range(3))]
    for step in range(34):
        moved = harness.purchase_event(9000, kind="advanced", stage=("completed", "contracted")[step % 2], event_id=f"step-{step}")
        events.append(moved)
    for batch in (events, events[1:2]):
        assert server.post_events(batch).status == 200
    rejected = server.post_events([{"specversion": "1.0", "id": "rejected"}]).json()["results"][0]
    wait_signed(server)
    assert server.stop() == 0
    redaction_test.define_authority(server)
    server.start()
    state_a_fact(server)
    assert json.loads(redaction_test.redact(server, f"0/{rejected['sequence']}", "--secret-file", str(server.data.parent / "secret")).stdout)["state"] == "done"
    assert server.post_events([harness.purchase_event(number, stage="completed") for number in range(3, 5)]).status == 200
    read_payload_and_stop(server)


def state_a_fact(server: harness.Server):
    fact = {"specversion": "1.0", "type": "id.bukubesar.reference.vendor.v1", "source": "/feed/facts", "id": "v-1", "subject": "vendor/v-1",
            "data": {"salt": "ab" * 16, "valid_from": "2023-01", "name": "CV Sumber Rejeki", "scale": "micro"}}
    assert server.post_events([fact]).json()["results"][0]["verdict"] == "accepted"


def read_payload_and_stop(server: harness.Server):
    """A line in the log of reads, a head of all that is there."""
    assert server.get("/payload/0/1").status == 200
    wait_signed(server)
    assert server.stop() == 0


def wait_signed(server: harness.Server):
    def signed():
        partition = server.get_json("/v1/status")["partitions"][0]
        return partition["checkpoint"] and partition["checkpoint"]["size"] == partition["size"]
    harness.wait_until("the newest head to be signed", signed)


def redactions(server: harness.Server) -> list | None:
    answer = server.get("/v1/redactions")
    return answer.json()["redactions"] if answer.status == 200 else None


def judged_redactions(server: harness.Server, want: list) -> list | None:
    """A start judges what was asked for on a thread of its own; until then it is pending."""
    with contextlib.suppress(AssertionError):
        harness.wait_until("redactions to be judged", lambda: redactions(server) == want, 5)
    return redactions(server)


def answers(server: harness.Server, cut: dict, patience: float = 60) -> dict:
    """What may not differ silently; None for what is refused. A start adds source statements alone, so what depends on the size is asked at
    that of the sound ledger."""
    size, middle = cut["0"], cut["0"] // 2

    def caught_up():
        answer = server.get("/v1/cut")
        return answer.status == 200 and all(answer.json()["cut"].get(partition, 0) >= least for partition, least in cut.items())
    with contextlib.suppress(AssertionError):
        harness.wait_until("the projections", caught_up, patience)
    has_all = caught_up()

    def ask(path: str, show, **query):
        answer = server.get(path, **query) if has_all or "min_cut" not in query else None  # it would wait
        return show(answer.json()) if answer and answer.status == 200 else None

    def hashed(path: str):
        answer = server.get(path)
        return hashlib.sha256(answer.body).hexdigest() if answer.status == 200 else None
    minimum, half = (harness.cut_text(at) for at in (cut, {**cut, "0": middle}))
    tiles = [f"{number:03d}" for number in range(size // 256)] + ([f"{size // 256:03d}.p/{size % 256}"] if size % 256 else [])
    return {"totals": ask("/v1/totals", lambda answer: answer["rows"], by="region,scale,stage", min_cut=minimum),
            "total": ask("/v1/totals", lambda answer: answer["total"], min_cut=minimum),
            "totals as of the middle": ask("/v1/totals", lambda answer: answer["rows"], by="region,scale,stage", as_of=half),
            "view": ask("/v1/views/regions", lambda answer: answer["rows"], min_cut=minimum),
            "findings": ask("/v1/findings", lambda answer: [answer["counts"], answer["findings"]], min_cut=minimum),
            "facts": ask("/v1/facts", lambda answer: answer["facts"], as_of=minimum),
            "redactions": redactions(server),
            "verdicts": ask("/v1/status", lambda answer: {name: count for name, count in answer["partitions"][0]["verdicts"].items()
                                                          if name != "statements"}),
            "entry": ask(f"/v1/entries/0/{middle}", lambda answer: [answer["payload_hash"], answer["leaf"]]),
            "payload": hashed(f"/payload/0/{middle}"),
            "purchase": ask("/v1/purchases/e-katalog-6/P00009000", lambda answer: answer["value"], min_cut=minimum),
            **{f"tile {tile}": hashed(f"/log/0/tile/0/{tile}") for tile in tiles}}


class Sound:
    """A whole directory: its files, and what a server on it answers."""

    def __init__(self, work: pathlib.Path, name: str, fill, erasures: int):
        self.name, self.path = name, work / f"{name}_sound"
        with harness.Server(work / name) as server:
            fill(server)
            server.verify()
            shutil.copytree(server.data, self.path)
            server.start()
            # Without the statement with which the start has begun an epoch in each partition that is not empty.
            self.cut = {each["partition"]: max(0, each["size"] - 1) for each in server.get_json("/v1/status")["partitions"]}
            harness.wait_until("redactions to be judged",
                               lambda: [each["state"] for each in server.get_json("/v1/redactions")["redactions"]] == ["done"] * erasures)
            self.answers = answers(server, self.cut)
            assert None not in self.answers.values(), self.answers
            assert server.stop() == 0
        self.files = {str(path.relative_to(self.path)): path.read_bytes() for path in sorted(self.path.rglob("*"))
                      if path.is_file() and path.parent.name != "ledger.log"}  # RocksDB's notes for people
        self.whole = {name: content for name, content in self.files.items() if content}
        assert any(name.endswith(".seg") for name in self.whole), "no segment was written: the test would not damage one"
        assert "reads/000000000000.jsonl" in self.whole, self.whole.keys()
        print(name, json.dumps({name: len(content) for name, content in self.files.items()}), flush=True)


class Bench:
    """One worker's copy of a directory."""

    def __init__(self, work: pathlib.Path, sound: Sound, number: int):
        self.sound, self.data = sound, work / f"{sound.name}{number}"
        self.server = harness.Server(self.data)
        self.reset()

    def reset(self):
        self.server.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.sound.path, self.data)

    def apply(self, damage: Damage):
        for name, content in damage.make().items():
            if content is None:
                (self.data / name).unlink()
            else:
                (self.data / name).write_bytes(content)

    def undo(self, damage: Damage):
        for name in damage.names:
            shutil.copy2(self.sound.path / name, self.data / name)

    def judge(self, damage: Damage, serves_named: bool) -> list:
        """What became of it: words for the statistics. AssertionError where the promise is broken."""
        self.apply(damage)
        done = self.server.run("verify", check=False)
        said = done.stdout + done.stderr
        if done.returncode == 0:
            outcomes = [self.serve(damage)]
        elif done.returncode < 0:
            assert damage.is_named_in(said), f"{damage.says}: verify ended by signal {-done.returncode}, and names nothing\n{said}"
            outcomes = ["ended, named"]
        else:
            # What it counted stands above the table, and has the same words.
            finding = TABLE_OF_FINDINGS.split(done.stdout)[-1] + done.stderr
            assert PLACE.search(finding) or damage.is_named_in(finding), f"{damage.says}: verify names no place\n{said}"
            outcomes = ["verify names it"]
        if done.returncode != 0 and serves_named:
            outcomes.append("named, " + self.serve(damage, is_named=True))
        if len(outcomes) > 1 or done.returncode == 0:
            self.reset()
        else:
            self.undo(damage)
        return outcomes

    def serve(self, damage: Damage, is_named: bool = False) -> str:
        """Where `verify` was content, answers are what they were, or there are none at all; where not, each of them."""
        log_before = len(self.server.log())
        self.server.port = harness.free_port()
        self.server.start(ready_seconds=0)
        try:
            state = harness.wait_until(f"{damage.says}: serve to settle", self.settled)
            said = self.server.log()[log_before:]
            if state == "ended":
                code = self.server.process.returncode
                assert said.strip() and (code > 0 or is_named and damage.is_named_in(said)), f"{damage.says}: serve ended with {code}\n{said}"
                return "serve refuses"
            if state == "shorter":
                return "serve waits for Kafka (I9)"
            got = answers(self.server, self.sound.cut, 5 if is_named else 60)
            if got["redactions"] not in (None, self.sound.answers["redactions"]):
                got["redactions"] = judged_redactions(self.server, self.sound.answers["redactions"])
            refused = [name for name, value in got.items() if value is None and is_named]
            for name, value in self.sound.answers.items():
                assert got[name] == value or name in refused, (
                    f"{damage.says}: {name} is silently different\nwant {str(value)[:500]}\ngot  {str(got[name])[:500]}")
            return "some answers refused" if refused else "no answer depends on it"
        finally:
            self.server.stop()

    def settled(self) -> str | None:
        if self.server.process.poll() is not None:
            return "ended"
        try:
            answer = self.server.get("/readyz")
        except OSError:
            return None
        return "ready" if answer.status == 200 else "shorter" if b"shorter" in answer.body else None


def flipped(content: bytes, place: int, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1 << bit
    return bytes(damaged)


def flips(files: dict, places_of, rng: random.Random):
    for name, content in files.items():
        for place in sorted(rng.sample(range(len(content)), min(places_of(name, content), len(content)))):
            bit = rng.randrange(8)
            yield Damage(f"{name} byte {place} of {len(content)}, bit {bit} flipped", (name,),
                         lambda name=name, content=content, place=place, bit=bit: {name: flipped(content, place, bit)})


def cut(name: str, content: bytes, size: int, says: str) -> Damage:
    return Damage(says, (name,), lambda: {name: content[:size]})


def cuts(files: dict):
    for name, content in files.items():
        for size in sorted({0, len(content) // 2, len(content) - 1} - {len(content)}):
            yield cut(name, content, size, f"{name} cut from {len(content)} to {size} bytes")
        if name.endswith(".log") and name.startswith("ledger/"):
            for border in log_borders(content)[:-1]:
                yield cut(name, content, border, f"{name} cut at a record's border, {border} of {len(content)}")


def deletions(files: dict):
    for name in files:
        yield Damage(f"{name} deleted", (name,), lambda name=name: {name: None})


def swaps(files: dict, rng: random.Random):
    pairs = [pair for pair in itertools.combinations(files, 2) if files[pair[0]] != files[pair[1]]]
    alike = [pair for pair in pairs if pathlib.Path(pair[0]).suffix == pathlib.Path(pair[1]).suffix]
    for a, b in pairs if LONG else rng.sample(alike, min(SWAPS, len(alike))) + rng.sample(pairs, min(SWAPS, len(pairs))):
        yield Damage(f"{a} and {b} swapped", (a, b), lambda a=a, b=b: {a: files[b], b: files[a]})


def damages_of_larger(sound: Sound, rng: random.Random):
    yield from cuts(sound.whole)
    yield from deletions(sound.files)
    yield from swaps(sound.files, rng)
    yield from flips(sound.whole, lambda name, content: PLACES, rng)


def damages_of_small(sound: Sound, rng: random.Random):
    def places(name: str, content: bytes) -> int:
        share = max(1, len(content) * PERCENT // 100)
        return share if "/OPTIONS-" not in name else min(PLACES, share) if LONG else 0
    if LONG:
        yield from cuts(sound.whole)
        yield from deletions(sound.files)
        yield from swaps(sound.files, rng)
    yield from flips(sound.whole, places, rng)


class Trial:
    """Tries damages of one directory, as many at once as there are cores."""

    def __init__(self, work: pathlib.Path, sound: Sound, damages):
        self.work, self.sound, self.damages = work, sound, damages
        self.lock = threading.Lock()
        self.tried = 0
        self.outcomes: collections.Counter = collections.Counter()
        self.broken: list = []
        self.error: BaseException | None = None

    def next(self) -> tuple | None:
        """A damage, and whether it is served where verify names it."""
        with self.lock:
            damage = None if self.error else next(self.damages, None)
            if damage is None:
                return None
            self.tried += 1
            if self.tried % 1000 == 0:
                print(f"  {self.sound.name}: {self.tried} tried, {len(self.broken)} broken; now {damage.says}", flush=True)
            return damage, self.tried % SERVED_EACH == 0

    def work_off(self, number: int):
        bench = Bench(self.work, self.sound, number)
        while next_one := self.next():
            try:
                outcomes = bench.judge(*next_one)
            except BaseException as error:
                bench.reset()
                with self.lock:
                    self.broken.append(f"{self.sound.name}: {error}")
                    self.error = self.error or (None if isinstance(error, AssertionError) else error)
            else:
                with self.lock:
                    self.outcomes.update(outcomes)

    def run(self):
        workers = [threading.Thread(target=self.work_off, args=(number,)) for number in range(WORKERS)]
        for each in workers:
            each.start()
        for each in workers:
            each.join()
        if self.error:
            raise self.error
        print(f"{self.sound.name}: {self.tried} ways to damage it")
        for outcome, count in sorted(self.outcomes.items()):
            print(f"{count:6} {outcome}", flush=True)
        return self


def check_configuration(work: pathlib.Path, rng: random.Random) -> int:
    """The configuration has no checksum: a flipped byte is another configuration, or is refused by line."""
    sound = subprocess.run([harness.BINARY, "config", "show-default"], capture_output=True, check=True, env=harness.ENVIRONMENT).stdout
    path = work / "bukubesar.json"
    tried = 0
    for place in rng.sample(range(len(sound)), max(40, len(sound) * PERCENT // 100)):
        path.write_bytes(flipped(sound, place, rng.randrange(8)))
        done = subprocess.run([harness.BINARY, "--config", str(path), "config", "check"], capture_output=True, text=True, errors="replace", timeout=60,
                              check=False, env=harness.ENVIRONMENT)
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
        places = rng.sample(range(len(sound)), max(40, len(sound) * PERCENT // 100))
        for place in places:
            path.write_bytes(flipped(sound, place, rng.randrange(8)))
            done = server.run("verify", check=False)
            said = done.stdout + done.stderr
            assert done.returncode == 1 and "definition" in said, f"definition.jsonl after one run, byte {place}: exit {done.returncode}\n{said}"
        path.unlink()
        done = server.run("verify", check=False)
        assert done.returncode == 1 and "definition.jsonl" in done.stdout + done.stderr, done
        return len(places) + 1


def check_longer_definition(work: pathlib.Path, sound: Sound):
    """No damage: until the next start has made them again, segments are those of the definition before; that is said, and they are not compared."""
    with harness.Server(work / "longer") as server:
        shutil.copytree(sound.path, server.data)
        redaction_test.define_authority(server)
        report = json.loads(server.run("--format", "json", "verify").stdout)
        assert report["ok"] and report["segments_of_another_fold"] > 0, report
        said = server.verify(all_segments=False).stdout
        assert "NOT compared" in said and "all else is well" in said, said
        server.start()
        assert server.stop() == 0
        server.verify()


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    with harness.workspace("damage") as work:
        larger, small = Sound(work, "larger", fill_larger, 0), Sound(work, "small", fill_small, 1)
        trials = [Trial(work, larger, damages_of_larger(larger, rng)).run(), Trial(work, small, damages_of_small(small, rng)).run()]
        first, configuration = check_first_run(work, rng), check_configuration(work, rng)
        check_longer_definition(work, larger)
        print(f"{first:6} of the definition after one run\n{configuration:6} of the configuration")
        tried, named = sum(trial.tried for trial in trials), sum(trial.outcomes["verify names it"] for trial in trials)
        served = sum(count for trial in trials for outcome, count in trial.outcomes.items() if outcome.startswith("named, "))
        ended = sum(trial.outcomes["ended, named"] for trial in trials)
        print(f"counts: damages={tried} damages_named={named} verify_ended_by_a_signal_and_named={ended} named_and_served={served} small_directory_damages={trials[1].tried} "
              f"small_directory_bytes={sum(map(len, small.whole.values()))} definition_flips={first} configuration_flips={configuration}")
        broken = [error for trial in trials for error in trial.broken]
        for error in broken[:50]:
            sys.stderr.write(f"BROKEN (seed {SEED}): {error}\n")
        assert not broken, f"{len(broken)} of {tried} ways break the promise"


if __name__ == "__main__":
    main()
