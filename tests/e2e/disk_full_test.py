"""A full disk: intake stops and says so, reads go on, and intake resumes by itself when there is room (I8); then everything adds up.

The disk is a small tmpfs where mounting is allowed, and always a switch between server and files (tests/faults/file_shim.cc).
Rounds of full and free for the switch: BUKUBESAR_DISK_ROUNDS (default 4).
"""

import os
import pathlib
import random
import subprocess
import time

import file_shim
import harness
import oracle

ROUNDS = int(os.environ.get("BUKUBESAR_DISK_ROUNDS", "4"))
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))


def waits(server: harness.Server) -> bool:
    return all(source["state"] == "waiting_for_disk" for source in server.get_json("/v1/status")["sources"])


def streams(server: harness.Server) -> bool:
    return all(source["state"] == "streaming" for source in server.get_json("/v1/status")["sources"])


def post_until_refused(server: harness.Server, know: oracle.Oracle, one: oracle.Round, rng: random.Random, seconds: float = 60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        batch = [know.new_event(one, rng.randrange(1_000, 50_000_000)) for _ in range(500)]
        if know.send(server, batch) == 503:
            return
    raise AssertionError("a full disk refused nothing")


def check_full(server: harness.Server, know: oracle.Oracle, one: oracle.Round):
    harness.wait_until("the intake to say that it waits", lambda: waits(server), 30)
    answer = server.post_events([harness.purchase_event(999_999_999)])
    assert answer.status == 503 and b"disk" in answer.body, (answer.status, answer.body[:300])
    warnings = " ".join(server.get_json("/v1/status")["warnings"])
    assert "waits" in warnings and "No space left" in warnings, warnings
    # Reads go on: totals at everything committed, entries, the log.
    acknowledged = one.acknowledged()
    row = oracle.totals(server, one.institution)
    assert len(acknowledged) <= row[0] <= len(one.sent), (row, len(acknowledged), len(one.sent))
    know.check_receipts(server, acknowledged[:2] + acknowledged[-2:])
    assert server.get("/readyz").status == 200


def by_switch(work: pathlib.Path, rng: random.Random) -> tuple:
    """How many full disks, how many events."""
    full = work / "full"
    know = oracle.Oracle()
    with harness.Server(work / "switch") as server:
        server.key_new()
        server.environment = file_shim.environment(server.data, full=full)
        server.start()
        for number in range(ROUNDS):
            one = know.begin_round()
            know.send(server, [know.new_event(one, 1_000) for _ in range(100)])
            full.touch()
            if number % 2:
                time.sleep(1.5)  # the signer meets it before a commit does
            post_until_refused(server, know, one, rng)
            check_full(server, know, one)
            full.unlink()
            harness.wait_until("the intake to go on", lambda: streams(server), 60)
            know.check_round(server, one)
        finish(server, know)
    return ROUNDS, sum(len(one.sent) for one in know.rounds)


def finish(server: harness.Server, know: oracle.Oracle):
    harness.wait_until("a signing", lambda: not any("signing fails" in each for each in server.get_json("/v1/status")["warnings"]), 30)
    know.note_checkpoint(server)
    know.check_all(server)
    assert server.stop() == 0, server.log()[-3000:]
    server.verify()
    server.environment = {}
    server.start()
    know.check_all(server)
    assert server.stop() == 0


def by_tmpfs(work: pathlib.Path, rng: random.Random) -> tuple:
    """The same on a disk that is really full. Nothing where mounting is not allowed."""
    disk = work / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], capture_output=True).returncode != 0:
        print("no mount here: the switch alone was tried")
        return 0, 0
    know = oracle.Oracle()
    try:
        with harness.Server(disk / "data") as server:
            server.log_path = work / "tmpfs.log"  # its log is not what fills the disk
            server.start()
            one = know.begin_round()
            know.send(server, [know.new_event(one, 1_000) for _ in range(1000)])
            ballast = disk / "ballast"
            with open(ballast, "wb") as file:
                try:
                    while True:
                        file.write(bytes(1 << 16))
                        file.flush()
                except OSError:
                    pass
            post_until_refused(server, know, one, rng)
            check_full(server, know, one)
            ballast.unlink()
            harness.wait_until("the intake to go on", lambda: streams(server), 60)
            know.check_round(server, one)
            finish(server, know)
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return 1, sum(len(one.sent) for one in know.rounds)


def main():
    file_shim.need_library()
    rng = random.Random(SEED)
    print(f"seed {SEED}", flush=True)
    with harness.workspace("full") as work:
        done = by_tmpfs(work, rng), by_switch(work, rng)
    print(f"counts: full_disks={sum(disks for disks, _ in done)} events={sum(events for _, events in done)}")


if __name__ == "__main__":
    main()
