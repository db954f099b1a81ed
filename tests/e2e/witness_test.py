"""A witness on real Kafka: it rebuilds the ledger, cosigns what is the same, and refuses a ledger whose record of Kafka's history is not Kafka's.

The history is changed where a forger would change it: one digit of an old record in the broker's own log file, its checksum put right, the last
record left alone, so that the ledger itself has no reason to look back.
"""

import json
import pathlib
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import certificates  # noqa: E402
import foreign_test  # noqa: E402
import harness  # noqa: E402

NAME = "inspektorat.test/bukubesar"
EVENTS = 300


def crc32c(data: bytes) -> int:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    crc = 0xFFFFFFFF
    for each in data:
        crc = crc >> 8 ^ table[(crc ^ each) & 0xFF]
    return crc ^ 0xFFFFFFFF


def forge(log: pathlib.Path, old: bytes, new: bytes):
    """Changes the first batch that holds `old`, as Kafka's message format v2 has it."""
    data = bytearray(log.read_bytes())
    at = 0
    while at < len(data):
        length = struct.unpack_from(">i", data, at + 8)[0]
        batch = bytes(data[at + 21:at + 12 + length])
        assert crc32c(batch) == struct.unpack_from(">I", data, at + 17)[0], "not the format that this test knows"
        if old in batch:
            batch = batch.replace(old, new, 1)
            data[at + 21:at + 12 + length] = batch
            struct.pack_into(">I", data, at + 17, crc32c(batch))
            log.write_bytes(data)
            return
        at += 12 + length
    raise AssertionError(f"{old!r} stands in no batch of {log}")


def produce(kafka: harness.Kafka, first: int, count: int):
    """Not by the server: its producer compresses, and the forger would have to as well."""
    events = [harness.purchase_event(number, amount=1_000_000 + number) for number in range(first, first + count)]
    kafka.produce("bukubesar.purchases", [(event["subject"], json.dumps(event, separators=(",", ":"))) for event in events])


class WitnessTest(unittest.TestCase):
    def test_it_cosigns_what_is_the_same_and_refuses_what_is_not(self):
        with harness.workspace("witness") as work, harness.Kafka(work / "kafka") as kafka:
            self.work = work
            with harness.Server(work / "data", kafka=kafka.bootstrap) as ledger:
                witness = self.witness_of(ledger, work / "witness", kafka)
                witness.key_new()
                self.vkey = next(line.split()[-1] for line in witness.run("key", "show").stdout.splitlines() if line.startswith(NAME))
                ledger.start()
                produce(kafka, 0, EVENTS)
                harness.wait_until("a checkpoint", lambda: ledger.signed_size("/log/0/checkpoint") >= EVENTS)
                done = self.once(ledger, witness)
                self.assertEqual(done.returncode, 1, f"the ledger does not know this witness yet; {done.stderr}")
                self.assertIn("signing.witnesses", done.stderr)
                self.assertEqual(ledger.stop(), 0)
                ledger.settings["signing.witnesses"] = self.vkey
                ledger.start()
                self.agrees(ledger, witness)
                self.a_running_witness_follows(ledger, witness, kafka)
                self.cosignatures_are_proof(ledger)
                self.only_our_witnesses_may_cosign(ledger)
                self.assertEqual(ledger.stop(), 0)
                self.over_tls_with_a_token(ledger, witness, kafka)
                ledger.verify()
                kafka.stop()
                log, = (work / "kafka").rglob("bukubesar.purchases-0/00000000000000000000.log")
                forge(log, b'"total":"1000007.00"', b'"total":"9000007.00"')
                kafka.start()
                ledger.start()
                produce(kafka, EVENTS * 2, 5)
                self.refuses(ledger, kafka, work)
                self.assertEqual(ledger.stop(), 0)

    def witness_of(self, ledger: harness.Server, data: pathlib.Path, kafka: harness.Kafka) -> harness.Server:
        return harness.Server(data, kafka=kafka.bootstrap, settings={"witness.ledger": ledger.url, "witness.name": NAME})

    def once(self, ledger: harness.Server, witness: harness.Server, *flags) -> subprocess.CompletedProcess:
        return witness.run(*map(str, flags), "witness", "--ledger", ledger.url, "--name", NAME, "--once", check=False, timeout=180)

    def agrees(self, ledger: harness.Server, witness: harness.Server):
        harness.wait_until("a checkpoint", lambda: ledger.signed_size("/log/0/checkpoint") >= EVENTS)
        done = self.once(ledger, witness)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(ledger.signed_size("/log/0/checkpoint/cosigned"), EVENTS)
        note = ledger.get("/log/0/checkpoint").body.decode()
        self.assertEqual(note.count(f"\u2014 {NAME} "), 1, note)

    def a_running_witness_follows(self, ledger: harness.Server, witness: harness.Server, kafka: harness.Kafka):
        with witness:
            witness.start()
            produce(kafka, EVENTS, 20)
            harness.wait_until("a cosignature of what came since", lambda: ledger.signed_size("/log/0/checkpoint/cosigned") == EVENTS + 20)
            metrics = witness.get("/metrics").body.decode()
            self.assertIn('bukubesar_witness_refused{partition="0"} 0', metrics)
            self.assertEqual(witness.stop(), 0)

    def cosignatures_are_proof(self, ledger: harness.Server):
        proof = self.work / "cosigned.proof"
        ledger.run("--url", ledger.url, "prove", "0/7", "--cosigned", "-o", str(proof))
        keys = self.work / "vkeys"
        keys.write_bytes(ledger.get("/log/vkeys").body)
        self.assertIn(self.vkey, keys.read_text())
        done = ledger.run("check", str(proof), "--key", str(keys))
        self.assertIn(f"cosigned by {NAME}", done.stdout)
        log_key = next(line for line in keys.read_text().splitlines() if line.startswith("kalsel/0+"))
        foreign = foreign_test.build_foreign()
        self.assertEqual(subprocess.run([foreign, "proof", proof, log_key, self.vkey], check=False).returncode, 0)
        # Without the cosignature both refuse.
        text = proof.read_text()
        bare = self.work / "bare.proof"
        bare.write_text("".join(line for line in text.splitlines(keepends=True) if NAME not in line))
        self.assertEqual(ledger.run("check", str(bare), "--key", str(keys), check=False).returncode, 8)
        self.assertEqual(subprocess.run([foreign, "proof", bare, log_key, self.vkey], check=False, capture_output=True).returncode, 1)

    def only_our_witnesses_may_cosign(self, ledger: harness.Server):
        note = ledger.get("/log/0/checkpoint/cosigned").body
        headers = {"Content-Type": "text/plain"}
        self.assertEqual(ledger.request("POST", "/log/0/cosignature", note, headers).status, 200)
        stranger = note.replace(NAME.encode(), b"somebody.test/else")
        self.assertEqual(ledger.request("POST", "/log/0/cosignature", stranger, headers).status, 409)
        line = note.rstrip(b"\n").rsplit(b" ", 1)[1]
        broken = note.replace(line, foreign_test.changed(line, 40))
        self.assertEqual(ledger.request("POST", "/log/0/cosignature", broken, headers).status, 400)
        self.assertEqual(ledger.request("POST", "/log/0/cosignature", b"nothing", headers).status, 400)
        self.assertEqual(ledger.request("POST", "/log/reference/cosignature", note, headers).status, 416)

    def over_tls_with_a_token(self, ledger: harness.Server, witness: harness.Server, kafka: harness.Kafka):
        """The role read is enough, for the cosignature too; without it, and under a certificate of somebody else, nothing is handed in."""
        ours, others = (certificates.Authority(self.work / "certificates", name) for name in ("ours", "others"))
        certificate, key = ours.sign("ledger")
        plain = {**ledger.settings}
        ledger.settings |= {"http.tls_certificate_file": certificate, "http.tls_key_file": key, "http.tokens_required": "true"}
        ledger.ca = ours.certificate
        read, audit = self.token_file(ledger, "read"), self.token_file(ledger, "audit")
        ledger.token = read.read_text().strip()
        with ledger:
            ledger.start()
            produce(kafka, EVENTS + 20, 5)
            harness.wait_until("a checkpoint", lambda: ledger.signed_size("/log/0/checkpoint") == EVENTS + 25)
            for flags, says in (((), "certificate is not trusted"),
                                (("--ca-file", others.certificate, "--token-file", read), "certificate is not trusted"),
                                (("--ca-file", ours.certificate), "wants a token with role read"),
                                (("--ca-file", ours.certificate, "--token-file", audit), "wants a token with role read")):
                stranger = self.witness_of(ledger, self.work / "stranger", kafka)
                done = self.once(ledger, stranger, *flags)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)
            # One that has cosigned before, and lost its right: it says so and hands nothing in.
            done = self.once(ledger, witness, "--ca-file", ours.certificate, "--token-file", audit)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertEqual(ledger.signed_size("/log/0/checkpoint/cosigned"), EVENTS + 20)
            done = self.once(ledger, witness, "--ca-file", ours.certificate, "--token-file", read)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(ledger.signed_size("/log/0/checkpoint/cosigned"), EVENTS + 25)
            for secret in (read, audit):
                self.assertNotIn(secret.read_text().strip(), done.stderr + witness.log() + ledger.log())
            self.assertEqual(ledger.stop(), 0)
        ledger.settings, ledger.ca, ledger.token = plain, None, None

    def token_file(self, ledger: harness.Server, role: str) -> pathlib.Path:
        path = self.work / f"{role}.token"
        path.write_text(ledger.run("token", "new", f"witness-{role}", "--role", role).stdout)
        path.chmod(0o600)
        return path

    def refuses(self, ledger: harness.Server, kafka: harness.Kafka, work: pathlib.Path):
        harness.wait_until("a checkpoint", lambda: ledger.signed_size("/log/0/checkpoint") == EVENTS + 30)
        before = ledger.signed_size("/log/0/checkpoint/cosigned")
        witness = self.witness_of(ledger, work / "second-witness", kafka)
        done = self.once(ledger, witness)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("REFUSED partition 0: its first 330 entries have root", done.stderr)
        with witness:
            witness.start()
            self.assertIn("partition 0 stays REFUSED: its first 330 entries have root", witness.log())
            harness.wait_until("the metric", lambda: 'bukubesar_witness_refused{partition="0"} 1' in witness.get("/metrics").body.decode())
            self.assertTrue(any("REFUSED" in warning for warning in witness.get_json("/v1/status")["warnings"]))
            self.assertEqual(witness.stop(), 1)
        self.assertEqual(ledger.signed_size("/log/0/checkpoint/cosigned"), before)


if __name__ == "__main__":
    certificates.need_openssl()
    unittest.main()
