"""Every file system call fails once: no acknowledged event is missing, no wrong total is shown, a message names what failed, nothing aborts.

A run of the server is traced (tests/faults/file_shim.cc): which calls on which files, how often. Then each of them fails in a run of its own,
in each way it can: EIO, ENOSPC, half a write; the run goes on as far as it can, and the server is started again without faults.
Faults: BUKUBESAR_FILE_FAULTS (default 50, all of them with BUKUBESAR_LONG=1 unless given); seed: BUKUBESAR_SEED.
"""

import collections
import errno
import os
import pathlib
import random
import re
import signal
import time

import file_shim
import harness
import oracle

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
FAULTS = int(os.environ.get("BUKUBESAR_FILE_FAULTS", "0" if LONG else "50"))  # 0: all
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
TIMES_EACH = 6 if LONG else 3  # of one call on one kind of file: the first ones, then random ones
NEEDS_ROOM = {"open", "write", "mkdir", "fallocate", "rename", "fsync", "fdatasync"}


def run(server: harness.Server, know: oracle.Oracle, rng: random.Random) -> str:
    """Start, events of many rows, a signing, a kill, a start, a stop: whatever still works. Returns how it ended."""
    one = know.begin_round()
    for ending in ("kill", "stop"):
        try:
            server.start(ready_seconds=0)
            wait_ready(server)
            for _ in range(5):
                batch = [know.new_event(one, rng.randrange(1_000, 50_000_000), cells=160) for _ in range(100)]
                know.send(server, batch, timeout=20)
                check_bounds(server, know)
            time.sleep(1.3 if ending == "kill" else 0)  # the signer's second
            know.note_checkpoint(server)
        except oracle.GONE:
            pass
        if server.process.poll() is None and ending == "kill":
            server.kill()
        elif server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(60)
        code = server.process.returncode
        if code not in (0, -signal.SIGKILL) or (code == -signal.SIGKILL and ending == "stop"):
            return str(code)
    return "stopped"


def wait_ready(server: harness.Server):
    def ready():
        if server.process.poll() is not None:
            raise ConnectionResetError("the process ended")
        try:
            return server.get("/readyz").status == 200
        except OSError:
            return False
    harness.wait_until("the server to be ready", ready)


def check_bounds(server: harness.Server, know: oracle.Oracle):
    """No wrong total: between acknowledged and sent, where totals are answered at all."""
    for one in know.rounds:
        answer = server.get("/v1/totals", by="institution", institution=one.institution)
        if answer.status != 200:
            assert answer.status == 503 or answer.status == 500, (answer.status, answer.body[:300])
            continue
        rows = [row for row in answer.json()["rows"] if row["institution"] == one.institution]
        if rows:
            assert rows[0]["packages"] <= len(one.sent), (rows, len(one.sent))
            assert int(rows[0]["strict"].split(".")[0]) <= sum(each.amount for each in one.sent), rows


def faults_of(trace: pathlib.Path, rng: random.Random) -> list:
    """(call, class, nth, action) for every call and kind of file that the traced run had."""
    seen = collections.Counter(trace.read_text().splitlines())
    faults = []
    for line, count in sorted(seen.items()):
        call, path_class = line.split(" ", 1)
        if path_class == "lock":
            continue
        nths = sorted({1, 2, count, *(rng.randrange(1, count + 1) for _ in range(TIMES_EACH))} & set(range(1, count + 1)))
        actions = [str(errno.EIO)] + ([str(errno.ENOSPC)] if call in NEEDS_ROOM else []) + (["short"] if call == "write" else [])
        faults += [(call, path_class, nth, action) for nth in nths for action in actions]
    rng.shuffle(faults)
    if not FAULTS:
        return faults
    # One of each kind first, so that a short run meets every kind of file.
    first: dict = {}
    for fault in faults:
        first.setdefault((fault[0], fault[1]), fault)
    rest = [fault for fault in faults if fault not in first.values()]
    return (list(first.values()) + rest)[:FAULTS]


def try_fault(work: pathlib.Path, fault: tuple, rng: random.Random, counts: collections.Counter):
    call, path_class, nth, action = fault
    fired = work / "fired"
    know = oracle.Oracle()
    with harness.Server(work / "data", settings={"signing.interval_ms": 1000}) as server:
        server.key_new()
        server.environment = file_shim.environment(server.data, fault=f"{call}|{path_class}|{nth}|{action}", fired=fired)
        ending = run(server, know, rng)
        assert ending in ("stopped", "1", "4", "5"), f"ended with {ending}"  # an exit code with a message, never a signal
        if not fired.exists():
            counts["not_met"] += 1  # no two runs are the same
            return
        log = server.log()
        if action != "short" and not said(log, path_class):
            counts["without_a_message"] += 1
            counts[f"silent {call} {path_class}"] += 1
        server.environment = {}
        server.start()
        acknowledged = [each for one in know.rounds for each in one.acknowledged()]
        know.check_receipts(server, acknowledged[:3] + acknowledged[-3:])
        for one in know.rounds:
            know.check_round(server, one)
        know.check_all(server)
        assert server.stop() == 0, server.log()[-2000:]
        server.verify()
        counts["struck"] += 1
        counts["ended_early"] += ending != "stopped"


def said(log: str, path_class: str) -> bool:
    """A warning or an error names the kind of file, or what it belongs to."""
    lines = [line for line in log.splitlines() if re.search(r" (warning|error|critical) |^bukubesar: ", line)]
    last = path_class.split("/")[-1]
    words = {last.split("#")[0].strip(".-"), path_class.split("/")[0]} - {""}
    return any(word in line for line in lines for word in words)


def main():
    file_shim.need_library()
    rng = random.Random(SEED)
    counts: collections.Counter = collections.Counter()
    with harness.workspace("faults") as work:
        trace = work / "trace"
        with harness.Server(work / "data") as server:
            server.key_new()
            server.environment = file_shim.environment(server.data, trace=trace)
            assert run(server, oracle.Oracle(), rng) == "stopped", server.log()[-3000:]
        faults = faults_of(trace, rng)
        print(f"seed {SEED}: {len(trace.read_text().splitlines())} calls traced, {len(faults)} faults", flush=True)
        for number, fault in enumerate(faults):
            place = work / f"fault{number}"
            place.mkdir()
            try:
                try_fault(place, fault, rng, counts)
            except BaseException:
                print(f"seed {SEED}: fault {fault}", flush=True)
                raise
            harness.shutil.rmtree(place)
    silent = sorted(name for name in counts if name.startswith("silent "))
    print(f"struck {counts['struck']}, not met again {counts['not_met']}, the process ended early {counts['ended_early']}; without a message: {silent}")
    assert counts["struck"] >= len(faults) // 2, "most faults were not met: the runs differ too much"
    print(f"counts: file_faults={counts['struck']} faults_not_met={counts['not_met']} faults_that_ended_the_process={counts['ended_early']} "
          f"faults_without_a_message={counts['without_a_message']}")


if __name__ == "__main__":
    main()
