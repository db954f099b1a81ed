"""Every file system call fails once: no acknowledged event is missing, no wrong total is shown, a message names what failed, nothing aborts.

A run of three starts is traced (tests/faults/file_shim.cc): which calls on which files, how often; events, a signing, a kill, an erasure,
stops. Then each of them fails in a run of its own, in each way it can: EIO, ENOSPC, half a write; the run goes on as far as it can, and the
server is started again without faults. Such runs mostly wait: WORKERS at once.
Faults: BUKUBESAR_FILE_FAULTS (default 40, with BUKUBESAR_LONG=1 all: 0); seed: BUKUBESAR_SEED.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import errno
import json
import multiprocessing
import os
import pathlib
import random
import re
import signal
import time

import file_shim
import harness
import oracle
import redaction_test

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
FAULTS = int(os.environ.get("BUKUBESAR_FILE_FAULTS", "0" if LONG else "40"))  # 0: all
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
WORKERS = (os.cpu_count() or 2) + 1
MESSAGE = re.compile(r" (warning|error|critical) |^bukubesar: ")
ERRNO = re.compile("|".join(os.strerror(number) for number in (errno.EIO, errno.ENOSPC)))
FAILED = re.compile("unable to|fail|cannot|could not", re.IGNORECASE)
# Calls that may fail without a word: (call, kinds of files) → why nobody has to know.
NEED_NO_MESSAGE = {
    ("fallocate", r"ledger/.*"): "RocksDB asks for room ahead of its writes; where it gets none, the write itself asks",
    **{(call, r"ledger"): "who looks for files to remove, or adds up sizes, looks again; a start and an erasure, which need the list, say so"
       for call in ("opendir", "readdir")},
    ("close", r".*"): "it has closed, and nothing rests on what it says: what has to be on the disk was synced before",
    ("ftruncate", r"ledger/(MANIFEST-#+|#+\.(log|sst))"): "RocksDB gives room back that it asked for ahead, as it closes a file",
}
TRIES = 3  # for a fault that was not met: no two runs are the same
NEEDS_ROOM = {"open", "write", "mkdir", "fallocate", "rename", "fsync", "fdatasync"}


@dataclasses.dataclass
class Erasure(oracle.Erasure):
    """Of a rejected record, the last thing that a run does."""
    traced: range = range(0)  # the lines of its start's trace that are its own

    def begin(self, server: harness.Server):
        bad = harness.purchase_event(1, event_id="bad")
        bad["data"] = {"salt": "no hex", "note": self.secret}
        result = server.post_events([bad], timeout=20).json().get("results", [{}])[0]
        if "sequence" not in result:
            return
        assert result["verdict"] == "rejected", result
        self.entry = f"0/{result['sequence']}"
        self.event = json.loads(server.run("redact", self.entry, "--source", redaction_test.AUTHORITY, "--ground", "UU 27/2022 pasal 8",
                                           "--authority", "PPID Tabalong, 4/2024").stdout)
        self.ask(server)

    def run(self, server: harness.Server, patience: float):
        """As far as it gets: until it is done, or the server says why it is not."""
        self.begin(server)

        def settled():
            state = self.state(server)
            self.done = state["state"] == "done"
            return self.done or ERRNO.search(state["why"] or "")
        if self.sent:
            with contextlib.suppress(AssertionError):  # the fault may have struck what works on it
                harness.wait_until("the erasure", settled, patience)


# A first start, for the definition; events of many rows, a signing, a kill; events, an erasure, a stop.
STARTS = ("define", "kill", "erase")


def run(server: harness.Server, know: oracle.Oracle, erasure: Erasure, rng: random.Random, environments: dict, trace: pathlib.Path | None = None) -> str:
    """Whatever still works; environments: of each start. Returns how it ended."""
    one = know.begin_round()
    for step in STARTS:
        server.environment = environments.get(step, {})
        try:
            server.start(ready_seconds=0)
            server.wait_ready_or_gone()
            for _ in range({"define": 0, "kill": 5, "erase": 2}[step]):  # a full segment, and its rest after the kill
                batch = [know.new_event(one, rng.randrange(1_000, 50_000_000), cells=160) for _ in range(100)]
                know.send(server, batch, timeout=20)
                check_bounds(server, know)
            if step == "kill":
                time.sleep(1.3)  # the signer's second
            know.note_checkpoint(server)
            if step == "erase":
                before = lines_of(trace)
                erasure.run(server, patience=60 if trace else 5)
                erasure.traced = range(before, lines_of(trace))
                check_bounds(server, know)
        except oracle.GONE:
            pass
        if server.process.poll() is None and step == "kill":
            kill_when_said(server)
        elif server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
        code = server.process.returncode
        if code not in (0, -signal.SIGKILL) or (code == -signal.SIGKILL and step != "kill"):
            return str(code)
        if step == "define":
            redaction_test.define_authority(server)
    return "stopped"


def kill_when_said(server: harness.Server):
    """What was struck a moment ago has not been logged yet. Nothing strikes a process that is stopped."""
    server.process.send_signal(signal.SIGSTOP)
    fired = pathlib.Path(server.environment.get("FILE_SHIM_FIRED", "/nowhere"))
    if fired.exists() and time.time() < fired.stat().st_mtime + 1:
        server.process.send_signal(signal.SIGCONT)
        harness.wait_until("the fault to be logged", lambda: time.time() > fired.stat().st_mtime + 1)
    server.kill()


def lines_of(trace: pathlib.Path | None) -> int:
    return trace.read_bytes().count(b"\n") if trace else 0


def check_bounds(server: harness.Server, know: oracle.Oracle):
    """No wrong total: at all that is committed, between acknowledged and sent; or no total, and why."""
    least = [(len(acknowledged), sum(each.amount for each in acknowledged)) for acknowledged in (one.acknowledged() for one in know.rounds)]
    cut = server.get("/v1/cut")
    assert cut.status == 200 or explained(cut), (cut.status, cut.body[:500])
    for one, (packages, amount) in zip(know.rounds, least if cut.status == 200 else []):
        minimum = harness.cut_text(cut.json()["committed"])
        answer = server.get("/v1/totals", by="institution", institution=one.institution, min_cut=minimum)
        if answer.status != 200:
            assert explained(answer), (answer.status, answer.body[:500])
            continue
        row = next((row for row in answer.json()["rows"] if row["institution"] == one.institution), {"packages": 0, "strict": "0.00"})
        assert packages <= row["packages"] <= len(one.sent), (row, packages, len(one.sent))
        assert amount <= int(row["strict"].split(".")[0]) <= sum(each.amount for each in one.sent), (row, amount)


def explained(answer: harness.Answer) -> bool:
    """An answer without what was asked for says what is wrong; that the log says more is not enough."""
    detail = answer.json().get("detail", "")
    return answer.status in (500, 503, 504) and len(detail) > 20 and "its log says more" not in detail


def faults_of(traces: dict, erasure: range, rng: random.Random) -> list:
    """(start, call, class, nth, action) for every call that the traced run had; `erasure`: the lines that are its own."""
    met: collections.Counter = collections.Counter()
    faults = []
    for start, trace in traces.items():
        for number, line in enumerate(trace.read_text().splitlines()):
            call, path_class = line.split(" ", 1)
            met[start, line] += 1
            of_erasure = start == "erase" and number in erasure
            actions = [str(errno.EIO)] + ([str(errno.ENOSPC)] if call in NEEDS_ROOM else []) + (["short"] if call == "write" else [])
            faults += [((start, call, path_class, met[start, line], action), of_erasure) for action in actions]
    rng.shuffle(faults)
    # One of each kind first, whatever the start, those of the erasure apart: a short run meets as many kinds as it has faults.
    first: dict = {}
    for fault, of_erasure in faults:
        first.setdefault((fault[1:3], of_erasure), fault)
    chosen = list(dict.fromkeys([*first.values(), *(fault for fault, _ in faults)]))
    return chosen[:FAULTS] if FAULTS else chosen


def earlier(fault: tuple, tried: int) -> tuple:
    """How often a call recurs depends on time: one that was not met is tried at an earlier time."""
    start, call, path_class, nth, action = fault
    return start, call, path_class, max(1, nth * (TRIES - tried) // TRIES), action


def try_fault(work: pathlib.Path, port: int, fault: tuple, rng: random.Random) -> tuple:
    """What is to be counted of it, and why nothing was said where nothing had to be."""
    start, call, path_class, nth, action = fault
    counts: collections.Counter = collections.Counter()
    silent = ""
    fired = work / "fired"
    know, erasure = oracle.Oracle(), Erasure(redaction_test.marker(rng))
    with harness.Server(work / "data", settings={"signing.interval_ms": 1000}) as server:
        server.port = port
        server.key_new()
        environment = file_shim.environment(server.data, fault=f"{call}|{path_class}|{nth}|{action}", fired=fired)
        ending = run(server, know, erasure, rng, {start: environment})
        assert ending in ("stopped", "1", "4", "5"), f"ended with {ending}"  # an exit code with a message, never a signal
        if not fired.exists():
            return collections.Counter(not_met=1), silent
        log = server.log_path.read_bytes()[int(fired.read_text()):].decode(errors="replace")
        if action != "short" and not said(log, server.data, path_class):
            why = next((why for (which, files), why in NEED_NO_MESSAGE.items() if which == call and re.fullmatch(files, path_class)), None)
            assert why, f"no message says that {call} of {path_class} failed; the log since then:\n{log}"
            counts["without_a_message"] += 1
            silent = f"{call} {path_class}: {why}"
        server.environment = {}
        server.start()
        acknowledged = [each for one in know.rounds for each in one.acknowledged()]
        know.check_receipts(server, acknowledged[:3] + acknowledged[-3:])
        for one in know.rounds:
            know.check_round(server, one)
        know.check_all(server)
        if erasure.event:
            erasure.check(server)
        assert server.stop() == 0, server.log()[-2000:]
        server.verify()
        counts["struck"] += 1
        counts["ended_early"] += ending != "stopped"
    return counts, silent


class Worker:
    """A process that tries one fault after another, all at one port, which no other worker's server has."""

    @classmethod
    def begin(cls, ports: multiprocessing.Queue):
        cls.port = ports.get()

    @classmethod
    def work_off(cls, place: pathlib.Path, fault: tuple) -> tuple:
        for number in range(TRIES):
            place.mkdir()
            tried = earlier(fault, number)
            try:
                found = try_fault(place, cls.port, tried, random.Random(f"{SEED} {fault} {number}"))
            except BaseException:
                print(f"as {tried}", flush=True)
                raise
            harness.shutil.rmtree(place)
            if not found[0]["not_met"]:
                found[0]["struck_earlier"] += tried != fault
                break
        return found


def try_all(work: pathlib.Path, faults: list) -> tuple:
    counts: collections.Counter = collections.Counter()
    silent: set = set()
    ports: multiprocessing.Queue = multiprocessing.Queue()
    for port in {harness.free_port() for _ in range(10 * WORKERS)}:
        ports.put(port)
    with concurrent.futures.ProcessPoolExecutor(WORKERS, initializer=Worker.begin, initargs=(ports,)) as pool:
        tried = {pool.submit(Worker.work_off, work / f"fault{number}", fault): fault for number, fault in enumerate(faults, 1)}
        for number, each in enumerate(concurrent.futures.as_completed(tried), 1):
            try:
                more, why = each.result()
            except BaseException:
                print(f"seed {SEED}: fault {tried[each]}", flush=True)
                pool.shutdown(cancel_futures=True)
                raise
            counts += more
            silent |= {why} - {""}
            if number % 50 == 0:
                print(f"  {number} of {len(faults)}", flush=True)
    return counts, silent


def said(log: str, data: pathlib.Path, path_class: str) -> bool:
    """Of what was logged since the fault, a warning or an error has what the system said, or names the file and that something failed."""
    path = re.compile(re.escape(str(data) + ("" if path_class == "." else "/" + path_class)).replace("\\#", r"\d") + r"(?![\w/])")
    return any(MESSAGE.search(line) and (ERRNO.search(line) or (path.search(line) and FAILED.search(line))) for line in log.splitlines())


def main():
    file_shim.need_library()
    rng = random.Random(SEED)
    with harness.workspace("faults") as work:
        erasure, traces = Erasure(redaction_test.marker(rng)), {start: work / f"trace_{start}" for start in STARTS}
        with harness.Server(work / "data") as server:
            server.key_new()
            environments = {start: file_shim.environment(server.data, trace=trace) for start, trace in traces.items()}
            assert run(server, oracle.Oracle(), erasure, rng, environments, traces["erase"]) == "stopped", server.log()[-3000:]
            assert erasure.done and erasure.traced, "the traced run has no erasure"
        faults = faults_of(traces, erasure.traced, rng)
        print(f"seed {SEED}: {sum(map(lines_of, traces.values()))} calls traced, {len(faults)} faults", flush=True)
        counts, silent = try_all(work, faults)
    print(f"struck {counts['struck']}, {counts['struck_earlier']} of them earlier in the run, not met again {counts['not_met']}, the process ended early {counts['ended_early']}; without a message:")
    for each in sorted(silent):
        print(f"  {each}")
    assert counts["struck"] >= len(faults) * 0.95 - 1, "many faults were not met: the runs differ too much"
    print(f"counts: file_faults={counts['struck']} faults_not_met={counts['not_met']} faults_that_ended_the_process={counts['ended_early']} "
          f"faults_that_need_no_message={counts['without_a_message']}")


if __name__ == "__main__":
    main()
