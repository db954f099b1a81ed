"""Power loss at any moment: everything that was acknowledged before it is there after it (I8), whatever the disk made of what was not synced.

One run of the server is recorded, call by call (tests/faults/file_shim.cc); in two of its starts a sync fails once, in another one a payload
is erased. Then, for points of that record, the directory is made as a power loss at that point may leave it, unsynced writes and names
dropped, torn or reordered (file_shim.py), and the server is started on it.
Points: BUKUBESAR_POWER_LOSSES (default 60, with BUKUBESAR_LONG=1 all: 0); seed: BUKUBESAR_SEED.
"""

import dataclasses
import errno
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

import file_shim
import harness
import oracle
import redaction_test

LONG = bool(os.environ.get("BUKUBESAR_LONG"))
LOSSES = int(os.environ.get("BUKUBESAR_POWER_LOSSES", "0" if LONG else "60"))
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
# Of the recorded run, kill -9 between them. Each: one of these syncs fails once (call|kind of file, which of them).
STARTS = (
    (), (), (),
    (("fdatasync|ledger/######.log", (2, 6)),),
    (("fdatasync|ledger/MANIFEST-######", (1, 2)), ("fsync|ledger.heads.new", (1, 3)), ("fsync|segments/#/######.seg.new", (1, 2))),
)
ERASING = 2  # the start in which a payload is erased


@dataclasses.dataclass
class Erasure(oracle.Erasure):
    """Of a purchase's document, which another one takes the place of. Where the record was when it was sent, taken and done."""
    times: tuple = ()

    def run(self, server: harness.Server, record: pathlib.Path, stated: oracle.Sent):
        self.entry = f"0/{stated.receipt['sequence']}"
        other = record.with_name("other.json")
        other.write_text(json.dumps({**stated.event["data"]["document"], "plan": "erased"}))
        self.event = json.loads(server.run("redact", self.entry, "--source", redaction_test.AUTHORITY, "--ground", "UU 27/2022 pasal 8",
                                           "--authority", "PPID Tabalong, 4/2024", "--replacement", str(other)).stdout)
        begun = record.stat().st_size
        self.ask(server)
        assert self.sent
        taken = record.stat().st_size
        harness.wait_until("the erasure", lambda: self.state(server)["state"] == "done")
        self.times = (begun, taken, record.stat().st_size)

    def holds(self, server: harness.Server, moment: int):
        _, taken, done = self.times
        if taken <= moment:
            dataclasses.replace(self, done=done <= moment).check(server)
            shown = server.get_json(f"/v1/entries/{self.entry}")
            assert shown["kept"] == "erased" and shown["event"]["document"]["plan"] == "erased", shown


def define_authority(server: harness.Server, record: pathlib.Path):
    """As an operator appends it between two starts; the record has that too."""
    append = "import os, sys; file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND); os.write(file, sys.argv[2].encode()); os.fsync(file)"
    line = json.dumps({"authority": {"source": redaction_test.AUTHORITY}}, separators=(",", ":")) + "\n"
    subprocess.run([sys.executable, "-c", append, str(server.data / "definition.jsonl"), line], check=True,
                   env={**os.environ, **file_shim.environment(server.data, record=record)})


def start_with(server: harness.Server, record, failing, rng: random.Random):
    """Where the sync that fails is one of the start's own, the start ends with a message, and the next one does not meet it."""
    fault = {"fault": f"{failing[0]}|{rng.choice(failing[1])}|{errno.EIO}"} if failing else {}
    server.environment = file_shim.environment(server.data, record=record, **fault)
    try:
        server.start()
    except AssertionError:
        if not failing or server.process.poll() not in (1, 4, 5):
            raise
        server.environment = file_shim.environment(server.data, record=record)
        server.start()


def record_run(work, rng: random.Random):
    """Runs the server and returns the disk before, the calls, what it was sent, as
    [(record size when sent, when answered or None, event)], [(record size, checkpoint)], and what was erased."""
    record = work / "record"
    know, sent, signed = oracle.Oracle(), [], []
    erasure = Erasure(redaction_test.marker(rng))
    with harness.Server(work / "data") as server:
        server.key_new()
        disk = file_shim.Disk(server.data)
        for start, failing in enumerate(STARTS):
            if start == ERASING:
                define_authority(server, record)
            start_with(server, record, rng.choice(failing) if failing else None, rng)
            one = know.begin_round()
            end = time.monotonic() + 1.6  # a signing or two
            while time.monotonic() < end or len(one.acknowledged()) < 500:
                assert time.monotonic() < end + 120, "it does not take events again"
                batch = [know.new_event(one, rng.randrange(1_000, 50_000_000), cells=150 if start in (1, 4) else 1) for _ in range(rng.choice([1, 2, 30, 200]))]
                if start == ERASING and len(one.sent) == len(batch):
                    batch[0].event["data"]["document"]["plan"] = erasure.secret
                before = record.stat().st_size
                refused = know.send(server, batch) != 200
                after = record.stat().st_size
                sent += [(before, after if each.receipt else None, each) for each in batch]
                time.sleep(0.05 * refused)  # until the store was opened again
            if start == ERASING:
                erasure.run(server, record, one.sent[0])
            seen = set(know.signed)
            know.note_checkpoint(server)
            signed += [(record.stat().st_size, new) for new in set(know.signed) - seen]
            if start + 1 < len(STARTS):
                server.kill()
                file_shim.mend_record(record)
        assert server.stop() == 0
    return disk, file_shim.read_record(record), sent, signed, know, erasure


def sums(events: list, institution: str) -> tuple:
    amounts = [each.amount for each in events if each.event["data"]["document"]["institution"] == institution]
    return (len(amounts), sum(amounts))


def check(server: harness.Server, sent: list, signed: list, know: oracle.Oracle, erasure: Erasure, moment: int):
    """What was answered or signed up to this moment is there, and nothing that was sent after it; what was erased is gone."""
    server.start()
    answered = [each for _, after, each in sent if after is not None and after <= moment]
    begun = [each for before, _, each in sent if before < moment]
    for one in know.rounds:
        least, most = sums(answered, one.institution), sums(begun, one.institution)
        row = oracle.totals(server, one.institution)
        said = f"{one.institution}: {row}, acknowledged {least}, sent {most}"
        assert least[0] <= row[0] <= most[0] and least[1] <= row[1] <= most[1], said
        assert row[0] > least[0] or row == least, said
        assert row[0] < most[0] or row == most, said
    recent = answered[-20:]
    know.check_receipts(server, recent)
    largest = max((size for at, size in signed if at <= moment), default=0)
    tree = oracle.Tree()
    for entry in oracle.leaves(server, "0", largest):
        tree.append(entry)
        if tree.size in know.signed:
            assert tree.root() == know.signed[tree.size], f"the checkpoint of {tree.size} entries has another root"
    erasure.holds(server, moment)
    assert server.stop() == 0, server.log()[-3000:]
    server.verify()


def points(calls: list, erasure: Erasure, rng: random.Random) -> list:
    """Indexes into the calls, ascending: half of them right before or after what makes something safe, a sixth in the erasure."""
    if not 0 < LOSSES <= len(calls):
        return list(range(len(calls) + 1))
    syncs = [index for index, call in enumerate(calls) if call.op in "SDRM"]
    chosen = {rng.choice(syncs) + rng.choice([0, 1]) for _ in range(LOSSES // 2)}
    of_erasure = [index for index, call in enumerate(calls, 1) if erasure.times[0] < call.end <= erasure.times[2]]
    chosen |= set(rng.sample(of_erasure, min(LOSSES // 6, len(of_erasure))))
    while len(chosen) < LOSSES:
        chosen.add(rng.randrange(len(calls) + 1))
    return sorted(chosen)


def main():
    file_shim.need_library()
    rng = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    with harness.workspace("power") as work:
        disk, calls, sent, signed, know, erasure = record_run(work, rng)
        chosen = points(calls, erasure, rng)
        print(f"{len(calls)} calls recorded, {len(sent)} events, {len(signed)} checkpoints; {len(chosen)} power losses", flush=True)
        failed = sum(call.op == "F" for call in calls)
        assert signed and len(calls) > 200 and failed, "the run was too short to say anything"
        done = 0
        erased = sum(calls[point - 1].end >= erasure.times[1] for point in chosen if point)
        for index, point in enumerate(chosen):
            while done < point:
                disk.apply(calls[done])
                done += 1
            moment = calls[point - 1].end if point else 0
            kept = rng.choice(["nothing", "nothing", "some", "some", "some", "all"])
            place = work / f"after{index}"
            server = harness.Server(place)
            try:
                disk.after_power_loss(rng, kept, place)
                check(server, sent, signed, know, erasure, moment)
            except BaseException:
                print(f"seed {SEED}: power loss after call {point} of {len(calls)}, kept {kept}; the last calls:", flush=True)
                for call in calls[max(0, point - 12):point]:
                    print(f"  {call.op} inode {call.inode} at {call.offset} {len(call.data)} bytes {call.path} {call.second}")
                print(server.log()[-4000:])
                raise
            finally:
                server.kill()
            shutil.rmtree(place)
    print(f"counts: power_losses={len(chosen)} recorded_calls={len(calls)} failed_syncs={failed} events={len(sent)} "
          f"after_an_erasure={erased}")


if __name__ == "__main__":
    main()
