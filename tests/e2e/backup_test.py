"""Backups of a running server, and what becomes of them: incremental, whole, restored after damage, refused where they are damaged
themselves or where the ledger is known to have been longer (I9)."""

import json
import pathlib
import random
import shutil
import stat
import threading

import harness

SEED = 20230615


def purchases(first: int, count: int) -> list:
    return [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(first, first + count)]


def send(server: harness.Server, events: list):
    answer = server.post_events(events)
    assert answer.status == 200 and all(each["verdict"] == "accepted" for each in answer.json()["results"]), answer.body[:500]


def total(server: harness.Server) -> dict:
    cut = harness.cut_text(server.committed())
    return server.get_json("/v1/totals", by="region", min_cut=cut)["total"]


def entries(server: harness.Server) -> list:
    return server.get_json("/v1/entries/0", limit=1000)["entries"]


def backup(server: harness.Server, directory: pathlib.Path, *flags: str) -> dict:
    return json.loads(server.run("--url", server.url, "--format", "json", "backup", str(directory), *flags).stdout)


def damage(data: pathlib.Path, rng: random.Random):
    """Sixteen bytes in the middle of each table file."""
    tables = sorted((data / "ledger").glob("*.sst"))
    assert tables
    for table in tables:
        content = bytearray(table.read_bytes())
        at = len(content) // 2
        content[at:at + 16] = rng.randbytes(16)
        table.write_bytes(content)


def a_running_server_is_copied_and_comes_back(work: pathlib.Path):
    backups, rng = work / "backups", random.Random(SEED)
    with harness.Server(work / "data") as server:
        server.start()
        send(server, purchases(0, 300))
        first = backup(server, backups)
        assert first["cut"]["0"] == 300 and first["number"] == 1 and not first["with_key"], first
        send(server, purchases(300, 300))
        kept, sums = entries(server)[:600], total(server)
        second = backup(server, backups)
        assert second["cut"]["0"] == 600 and second["files_copied"] < second["files"] and second["bytes_copied"] < second["bytes"], second
        again = backup(server, backups)
        # Nothing happened in between: no table is copied again.
        assert again["bytes_copied"] < second["bytes_copied"], (again, second)
        assert not (server.data / "frozen").exists()
        send(server, purchases(600, 100))
        assert server.stop() == 0
        assert "signing.key" not in json.loads((backups / "backups/00000002.json").read_text().splitlines()[0])["files"].__str__()
        damage(server.data, rng)
        assert server.run("verify", check=False).returncode in (1, 5)

        restored = harness.Server(work / "restored")
        done = restored.run("restore", str(backups), str(restored.data), "--number", "2")
        assert "0=600" in done.stdout and "verify" in done.stdout, done.stdout
        assert not (restored.data / "signing.key").exists()
        restored.verify()
        shutil.copy(server.data / "signing.key", restored.data)
        with restored:
            restored.start()
            assert entries(restored)[:600] == kept and total(restored) == sums
            send(restored, purchases(600, 50))
            assert restored.stop() == 0
            restored.verify()

        # The damaged disk still says how far it had come, and the embedded broker has nothing to read again: no reads, no signing, and why.
        behind = harness.Server(work / "behind")
        told = behind.run("restore", str(backups), str(behind.data), "--reach", str(server.data / "ledger.heads"))
        assert "0=700" in told.stdout and "neither answer nor sign" in told.stdout, told.stdout
        with behind:
            behind.start(ready_seconds=0)
            harness.wait_until("the refusal", lambda: "the embedded broker keeps no history to read again" in behind.log())
            harness.wait_until("an answer", lambda: answers(behind))
            answer = behind.get("/v1/totals", by="region")
            assert answer.status == 503 and b"shorter" in answer.body, answer.body
            assert behind.get("/readyz").status == 503


def read_payloads(server: harness.Server, count: int):
    for sequence in range(count):
        assert server.get(f"/payload/0/{sequence}").status == 200


def reads_lines(directory: pathlib.Path) -> list:
    return [line for file in sorted((directory / "reads").glob("*.jsonl")) for line in file.read_bytes().splitlines(keepends=True)]


def the_log_of_reads_comes_back(work: pathlib.Path):
    """As far as it was written: from a running server while others read, and whole, with its head, from a stopped one."""
    backups = work / "backups_of_reads"
    with harness.Server(work / "read") as server:
        server.start()
        send(server, purchases(0, 40))
        read_payloads(server, 20)
        server.run("--url", server.url, "reads", "--head")  # what is shown is durable
        stop = threading.Event()
        busy = threading.Thread(target=lambda: [read_payloads(server, 20) for _ in iter(stop.is_set, True)])
        busy.start()
        try:
            backup(server, backups)
        finally:
            stop.set()
            busy.join()
        assert server.stop() == 0
        everything = reads_lines(server.data)
        assert server.run("backup", str(backups)).returncode == 0
    for number, at_least in ((1, 20), (2, len(everything))):
        restored = harness.Server(work / f"read{number}")
        restored.run("restore", str(backups), str(restored.data), "--number", str(number))
        lines = reads_lines(restored.data)
        assert at_least <= len(lines) and lines == everything[:len(lines)], (number, len(lines))
        assert json.loads(restored.run("--format", "json", "verify").stdout)["reads"] == len(lines)
    (log,) = (restored.data / "reads").glob("*.jsonl")
    for damaged, what in ((lines[:5] + lines[6:], ":6"), (lines[:-1], "missing at the end")):
        log.write_bytes(b"".join(damaged))
        found = restored.run("verify", check=False)
        assert found.returncode == 1 and what in found.stdout, found.stdout
    log.write_bytes(b"".join(lines))
    a_damaged_log_of_reads_is_refused(work, server, backups, lines)
    shutil.copy(server.data / "signing.key", restored.data)
    with restored:  # and the chain goes on
        restored.start()
        read_payloads(restored, 1)
        assert restored.stop() == 0
        assert len(reads_lines(restored.data)) == len(lines) + 1
        restored.verify()


def a_damaged_log_of_reads_is_refused(work: pathlib.Path, server: harness.Server, backups: pathlib.Path, lines: list):
    """It was damaged before it was copied, so that the backup holds what it lists: only the log itself can tell."""
    (log,) = (server.data / "reads").glob("*.jsonl")
    for name, damaged, what in (("line", lines[:5] + [lines[5].replace(b"/payload/", b"/payloads/")] + lines[6:], f"{log.name}:7"),
                                ("end", lines[:-1], "missing at the end")):
        log.write_bytes(b"".join(damaged))
        assert server.run("backup", str(backups)).returncode == 0
        restored = harness.Server(work / f"refused_{name}")
        refused = restored.run("restore", str(backups), str(restored.data), check=False)
        assert refused.returncode == 5 and "log of reads" in refused.stderr and what in refused.stderr, refused
        assert not restored.data.exists(), "a refused restore leaves no data directory"
        restored.run("restore", str(backups), str(restored.data), "--damaged-reads")
        assert what in restored.run("verify", check=False).stdout
    log.write_bytes(b"".join(lines))


def answers(server: harness.Server) -> bool:
    try:
        return "shorter" in server.get("/readyz").body.decode()
    except OSError:
        return False


def what_is_refused(work: pathlib.Path):
    backups = work / "backups2"
    with harness.Server(work / "second") as server:
        server.start()
        send(server, purchases(0, 50))
        refused = server.request("POST", "/v1/backup")
        assert refused.status == 409 and b"backup.directory" in refused.body, refused.body
        backup(server, backups, "--with-key")
        assert server.stop() == 0
        # Of a stopped server too, and the oldest go where so many are kept.
        done = backup(server, backups, "--keep", "1")
        assert done["backups_removed"] == 1, done
        listed = json.loads(server.run("--format", "json", "backup", str(backups), "--list").stdout)
        assert [each["number"] for each in listed] == [2], listed
        backup(server, backups, "--with-key")

        elsewhere = work / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "letter.txt").write_text("not ours")
        refused = server.run("backup", str(elsewhere), check=False)
        assert refused.returncode == 2 and "letter.txt" in refused.stderr, refused.stderr
        refused = server.run("restore", str(backups), str(server.data), check=False)
        assert refused.returncode == 2 and "not empty" in refused.stderr, refused.stderr
        refused = server.run("restore", str(backups), str(work / "none"), "--number", "9", check=False)
        assert refused.returncode == 3 and "not 9" in refused.stderr, refused.stderr

        with_key = work / "with_key"
        server.run("restore", str(backups), str(with_key))
        assert stat.S_IMODE((with_key / "signing.key").stat().st_mode) == 0o600
        assert (with_key / "signing.key").read_bytes() == (server.data / "signing.key").read_bytes()

        # One byte of one content.
        files = json.loads((backups / "backups/00000003.json").read_text().splitlines()[0])["files"]
        table = next(each for each in files if each["path"].endswith(".sst"))
        content = backups / "files" / table["sha256"][:2] / table["sha256"]
        changed = bytearray(content.read_bytes())
        changed[len(changed) // 3] ^= 1
        content.write_bytes(changed)
        refused = server.run("restore", str(backups), str(work / "none"), check=False)
        assert refused.returncode == 5 and table["path"] in refused.stderr, refused.stderr
        assert not (work / "none").exists()
        manifest = backups / "backups/00000003.json"
        manifest.write_text(manifest.read_text().replace('"ledger":"kalsel"', '"ledger":"kalse1"'))
        refused = server.run("backup", str(backups), "--list", check=False)
        assert refused.returncode == 5 and "checksum" in refused.stderr, refused.stderr


def to_the_servers_own_directory(work: pathlib.Path):
    with harness.Server(work / "third", settings={"backup.directory": str(work / "own"), "backup.keep": "2"}) as server:
        server.start()
        send(server, purchases(0, 50))
        for number in (1, 2, 3):
            done = json.loads(server.run("--url", server.url, "backup").stdout)
            assert done["state"] == "done" and done["last"]["number"] == number and done["last"]["cut"]["0"] == 50, done
        listed = json.loads(server.run("--format", "json", "backup", str(work / "own"), "--list").stdout)
        assert [each["number"] for each in listed] == [2, 3], listed
        assert server.stop() == 0
    shutil.rmtree(work / "own")


def main():
    with harness.workspace("backup") as work:
        a_running_server_is_copied_and_comes_back(work)
        the_log_of_reads_comes_back(work)
        what_is_refused(work)
        to_the_servers_own_directory(work)


if __name__ == "__main__":
    main()
