"""Other people's software accepts our log, over HTTP and from an exported directory, and our proof files; and refuses copies with one byte
changed. tests/foreign/main.go has what is asked: Go's sumdb/note and sumdb/tlog, Tessera's fsck, torchwood.
"""

import base64
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

EVENTS = 600  # two full bundles and a partial one
SEED = int(os.environ.get("BUKUBESAR_SEED", "20230615"))


def build_foreign() -> str:
    """The Go program; ends the test with 77 where there is no Go, or its modules cannot be had."""
    binary = pathlib.Path(os.environ.get("BUKUBESAR_BUILD", harness.ROOT / "build/release")) / "foreign"
    for _ in range(3):  # its modules come from elsewhere
        done = subprocess.run([harness.ROOT / "ops/go", "build", "-C", harness.ROOT / "tests/foreign", "-o", binary, "."], capture_output=True, text=True,
                              timeout=900, check=False)
        not_had = re.search(r"dial tcp|TLS handshake timeout|https://\S+: (unexpected EOF|50[234] )", done.stderr)
        if not not_had:
            break
    if done.returncode == 77 or not_had:
        print(f"skipped: {done.stderr.strip()}")
        sys.exit(77)
    assert done.returncode == 0, done.stderr
    return str(binary)


def changed(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def carries_meaning(text: bytes, at: int) -> bool:
    """Go's base64 ignores the unused bits of the last character before the padding: no change there is a change."""
    return text[at] not in b"=\n" and text[at + 1:at + 2] not in (b"=", b"")


class Foreign(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.foreign = build_foreign()
        cls.random = random.Random(SEED)
        print(f"seed {SEED}")
        cls.work = pathlib.Path(cls.enterClassContext(harness.workspace("foreign")))
        cls.server = cls.enterClassContext(harness.Server(cls.work / "data"))
        cls.server.start()
        for first in range(0, EVENTS, 200):
            answer = cls.server.post_events([harness.purchase_event(number) for number in range(first, first + 200)])
            assert answer.status == 200, answer.body[:500]
            # A checkpoint in between, for consistency.
            cls.wait_signed(first + 200)
        cls.vkeys = dict(line.split("+", 1) for line in cls.server.get("/log/vkeys").body.decode().splitlines())
        cls.vkeys = {origin: f"{origin}+{rest}" for origin, rest in cls.vkeys.items()}
        cls.mirror = cls.work / "mirror"
        cls.server.run("--url", cls.server.url, "export", "tlog", str(cls.mirror))

    @classmethod
    def wait_signed(cls, size: int):
        harness.wait_until(f"a checkpoint of {size} entries", lambda: cls.server.get(f"/log/0/checkpoint/{size}").status == 200)

    def ask(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([self.foreign, *map(str, arguments)], capture_output=True, text=True, timeout=180, check=False)

    def accept(self, *arguments):
        done = self.ask(*arguments)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr}")
        self.assertIn("accepted", done.stdout)

    def refuse(self, what: str, *arguments):
        done = self.ask(*arguments)
        self.assertEqual(done.returncode, 1, f"{what} was not refused: {arguments}: {done.stdout}{done.stderr}")
        self.assertIn("refused: ", done.stderr)

    def prove(self, name: str, *arguments) -> pathlib.Path:
        path = self.work / name
        self.server.run("--url", self.server.url, "prove", *arguments, "-o", str(path))
        return path

    def test_the_log_over_http(self):
        for partition in ("0", "reference"):
            self.accept("log", f"{self.server.url}/log/{partition}", self.vkeys[f"kalsel/{partition}"])
        self.refuse("another key", "log", f"{self.server.url}/log/0", self.vkeys["kalsel/reference"])

    def test_the_log_as_files(self):
        for partition in ("0", "reference"):
            self.accept("log", self.mirror / "log" / partition, (self.mirror / "log" / partition / "vkey").read_text().strip())
        self.assertEqual((self.mirror / "log/0/vkey").read_text().strip(), self.vkeys["kalsel/0"])

    def test_an_export_goes_on_where_it_was_and_is_the_same_from_the_directory(self):
        again = self.server.run("--url", self.server.url, "--format", "json", "export", "tlog", str(self.mirror))
        self.assertIn('"files_written":0', again.stdout)
        offline = self.work / "offline"
        self.server.run("export", "tlog", str(offline), "--offline")
        done = subprocess.run(["diff", "-r", self.mirror, offline], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_an_export_that_was_changed_is_not_called_whole(self):
        copy = self.work / "changed-export"
        shutil.copytree(self.mirror, copy)
        bundle = copy / "log/0/tile/entries/000"
        bundle.write_bytes(changed(bundle.read_bytes(), 100))
        done = self.server.run("--url", self.server.url, "export", "tlog", str(copy), check=False)
        self.assertEqual(done.returncode, 5, done.stderr)

    def test_copies_of_the_log_with_one_byte_changed(self):
        copy = self.work / "copy"
        log = self.mirror / "log/0"
        vkey = self.vkeys["kalsel/0"]
        files = sorted(path.relative_to(log) for path in (log / "tile").rglob("*") if path.is_file())
        self.assertEqual(len(files), 7, "three bundles, three tiles of leaves, one above")
        for name in [*files, pathlib.Path("checkpoint")]:
            data = (log / name).read_bytes()
            positions = [at for at in range(len(data)) if name.name != "checkpoint" or carries_meaning(data, at)]
            for at in self.random.sample(positions, 6):
                shutil.rmtree(copy, ignore_errors=True)
                shutil.copytree(log, copy)
                (copy / name).write_bytes(changed(data, at))
                self.refuse(f"{name} with byte {at} changed", "log", copy, vkey)
        for name in ("tile/entries/000", "tile/entries/002.p/88"):
            shutil.rmtree(copy)
            shutil.copytree(log, copy)
            data = (log / name).read_bytes()
            (copy / name).write_bytes(data + data[:90])
            self.refuse(f"{name} with an entry too many", "log", copy, vkey)

    def refuse_changes(self, what: str, path: pathlib.Path, count: int = 40):
        data = path.read_bytes()
        copy = path.with_suffix(".changed")
        positions = [at for at in range(len(data)) if carries_meaning(data, at)]
        for at in self.random.sample(positions, min(count, len(positions))):
            copy.write_bytes(changed(data, at))
            yield copy, f"{what} with byte {at} changed"

    def test_proofs(self):
        for sequence in (0, 255, 256, EVENTS - 1):
            path = self.prove(f"{sequence}.proof", f"0/{sequence}")
            self.accept("proof", path, self.vkeys["kalsel/0"])
            self.refuse("another key", "proof", path, self.vkeys["kalsel/reference"])
        for copy, what in self.refuse_changes("a proof", self.work / "256.proof"):
            self.refuse(what, "proof", copy, self.vkeys["kalsel/0"])

    def test_a_proof_out_of_an_evidence_pack(self):
        pack, proof = self.work / "pack.zip", self.work / "from-pack.proof"
        self.server.run("--url", self.server.url, "evidence", "--report", "totals?by=region", "--as-of", f"checkpoint:0/{EVENTS}", str(pack))
        for sequence in (0, 255, 300, EVENTS - 1):
            self.server.run("evidence", "prove", str(pack), f"0/{sequence}", "-o", str(proof))
            self.accept("proof", proof, self.vkeys["kalsel/0"])

    def test_a_proof_by_event_id_is_that_of_its_entry(self):
        event = harness.purchase_event(7)
        by_id = self.prove("by-id.proof", event["id"], "--source", event["source"], "--checkpoint", str(EVENTS))
        place = self.server.get_json("/v1/events", id=event["id"])["entries"][0]
        by_place = self.prove("by-place.proof", f"{place['partition']}/{place['sequence']}", "--checkpoint", str(EVENTS))
        self.assertEqual(by_id.read_bytes(), by_place.read_bytes())
        self.assertIn(event["subject"].encode(), base64.b64decode(by_id.read_text().splitlines()[1][6:]))

    def test_consistency_between_any_two_checkpoints(self):
        rows = self.server.get_json("/v1/checkpoints/0")["checkpoints"]
        sizes = sorted(row["size"] for row in rows)
        self.assertGreaterEqual(len(sizes), 3)
        for older in sizes:
            for newer in sizes:
                if older <= newer:
                    self.accept("consistency", self.prove("consistency.proof", "--consistency", str(older), str(newer)), self.vkeys["kalsel/0"])
        path = self.prove("consistency.proof", "--consistency", "200", str(EVENTS))
        for copy, what in self.refuse_changes("a consistency proof", path):
            self.refuse(what, "consistency", copy, self.vkeys["kalsel/0"])
        # From a checkpoint that somebody kept.
        kept = self.work / "kept.checkpoint"
        kept.write_bytes(self.server.get("/log/0/checkpoint/200").body)
        self.assertEqual(self.prove("kept.proof", "--consistency", str(kept), str(EVENTS)).read_bytes(), path.read_bytes())

    def test_the_benchmark_of_proofs_works(self):
        done = subprocess.run([harness.ROOT / "bench/proofs", "--url", self.server.url, "--count", "200", "--pid", str(self.server.process.pid)],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"200 proofs of {EVENTS} entries", done.stdout)

    def test_cut_notes(self):
        path = self.prove("cut.note", "--cut")
        self.accept("note", path, self.vkeys["kalsel/cut"])
        for copy, what in self.refuse_changes("a cut note", path, 10):
            self.refuse(what, "note", copy, self.vkeys["kalsel/cut"])

    def check(self, path, *keys) -> subprocess.CompletedProcess:
        return self.server.run("check", str(path), *[part for key in keys for part in ("--key", str(key))], check=False)

    def test_our_own_check_says_what_it_checked_and_why_not(self):
        proof = self.prove("own.proof", "0/300")
        keys = self.mirror / "vkeys"
        done = self.check(proof, keys)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("signed by kalsel/0", "entry 300 of kalsel/0 is in the tree of", "verdict accepted", "is the one that the entry names", "it holds"):
            self.assertIn(words, done.stdout)
        other = self.server.run("--set", "signing.key_file=" + str(self.work / "other.key"), "key", "new").stdout
        other_key = next(line.split()[-1] for line in other.splitlines() if line.startswith("kalsel/0"))
        cases = [(7, self.check(proof, self.vkeys["kalsel/reference"]), "it is about kalsel/0; the keys given are for kalsel/reference"),
                 (8, self.check(proof, other_key), "signed by another key of the name kalsel/0"),
                 (2, self.check(proof), "--key is missing"), (2, self.check(proof, "nonsense"), "neither a verifier key nor a file"),
                 (3, self.check(self.work / "not-there", keys), "not-there"),
                 (9, self.check(harness.ROOT / "README.md", keys), "is no proof")]
        for copy, what in self.refuse_changes("a proof", proof, 12):
            done = self.check(copy, keys)
            self.assertIn(done.returncode, (7, 8, 9), f"{what}: {done.stdout}")
        for code, done, words in cases:
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)

    def test_what_cannot_be_proved_is_named(self):
        sizes = [each["size"] for each in self.server.get_json("/v1/checkpoints/0", limit=1000)["checkpoints"]]
        never = next(size for size in range(max(sizes), min(sizes), -1) if size not in sizes)
        before = max(size for size in sizes if size < never)
        for code, arguments, words in [(6, [f"0/{EVENTS}"], f"the partition has {EVENTS} entries"), (3, ["7/0"], "partition '7'"),
                                       (3, ["no-such-event"], "no-such-event"), (3, ["x", "--source", "/feed/none"], "/feed/none"),
                                       (3, ["0/1", "--checkpoint", str(never)], f"the last one before it has size {before}"),
                                       (6, ["0/1", "--checkpoint", str(EVENTS + 1)], "beyond the end"),
                                       (3, ["0/1", "--cosigned"], "cosignature"), (2, [], "--cut"), (2, ["0/1", "--cut"], "name one of"),
                                       (2, ["--consistency", "400", "200"], "above the newer one")]:
            for how in (["--url", self.server.url, "prove"], ["prove", "--offline"]):
                done = self.server.run(*how, *arguments, check=False)
                self.assertEqual(done.returncode, code, f"{how} {arguments}: {done.stderr}")
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
