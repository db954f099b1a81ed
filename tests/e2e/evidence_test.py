"""The auditor's desk: an evidence pack that gives its report again and says so when a byte is another; books that hledger accepts; and the
log of who has read what."""

import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import unittest
import zipfile
from decimal import Decimal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

DAMAGED, DIFFERS, NOT_SIGNED, OTHER_LEDGER, BEYOND, NOT_FOUND = 10, 11, 8, 7, 6, 3


def fact(table: str, code: str, number: int, **members) -> dict:
    return {"specversion": "1.0", "type": f"id.bukubesar.reference.{table}.v1", "source": "/feed/test-reference", "id": f"{table}-{code}-{number}",
            "subject": f"{table}/{code}",
            "time": "2023-01-01T00:00:00+08:00", "datacontenttype": "application/json",
            "data": {"salt": hashlib.sha256(f"{table}{code}{number}".encode()).hexdigest()[:32], "valid_from": "2023-01", **members}}


def events() -> list:
    made = []
    for number in range(60):
        region, institution = (("63.09", "D262"), ("63.71", "D300"))[number % 2]
        made.append(harness.purchase_event(number, amount=1_000_000 + number, region=region, institution=institution, vendor=f"v-{number % 7}"))
    made.append(harness.purchase_event(1, feed="/feed/another", amount=5))  # its feed does not count
    for number in range(0, 60, 3):
        made.append(harness.purchase_event(number, kind="advanced", stage="completed"))
        made.append(harness.purchase_event(number, kind="paid", amount=400_000))
    made.append(harness.purchase_event(4, kind="amended", amount=7_000_000, region="63.09", vendor="v-4"))
    made.append(harness.purchase_event(0, amount=1_000_000, vendor="v-0"))  # a duplicate
    # Alone, these would give another figure: purchase 0 decided long before that this feed does not count for D262.
    made.append(harness.purchase_event(100, feed="/feed/another", amount=9, vendor="v-99"))
    made.append(harness.purchase_event(100, amount=2_000_000, vendor="v-99"))
    timeless = harness.purchase_event(101, amount=3_000_000, vendor="v-99")
    del timeless["time"]  # it counts at its ledger time
    made.append(timeless)
    return made


REPORTS = ["totals?by=district&region=63&names=true", "totals?by=vendor,scale&region=63.71", "views/umkm?region=63.09", "totals",
           "totals?by=month&institution=D262".replace("month", "event_month") + "&from=2023-05-01&until=2023-06-30",
           "totals?by=stage,catalogue_kind&share=true&vendor=v-4", "totals?by=event_month,vendor&vendor=v-99",
           "totals?by=event_month,ledger_month&region=63", "totals?by=vendor&top=3&order=committed&share=true&names=true", "views/umkm?top=2"]


class Desk(unittest.TestCase):
    def run_at(self, *arguments, check=True, **more):
        return self.server.run("--url", self.server.url, *arguments, check=check, **more)

    def fails(self, code: int, words: str, *arguments):
        done = self.run_at(*arguments, check=False)
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.stdout}{done.stderr}")
        self.assertIn(words, done.stdout + done.stderr)

    def test_the_desk(self):
        with harness.workspace("evidence") as self.work, harness.Server(self.work / "data") as self.server:
            server = self.server
            server.start()
            facts = [fact("vendor", "v-4", 1, name="CV Empat", scale="micro"), fact("vendor", "v-5", 1, name="UD Lima", scale="medium"),
                     fact("region", "63", 1, name="Kalimantan Selatan"), fact("region", "63.09", 1, name="Tabalong", parent="63")]
            answer = server.post_events(facts)
            self.assertEqual([one["verdict"] for one in answer.json()["results"]], ["accepted"] * len(facts))
            server.post_events(events())
            self.cut = dict(server.committed())
            self.cut_text = harness.cut_text(self.cut)
            harness.wait_until("all to be signed", lambda: server.signed_size("/log/0/checkpoint") == self.cut["0"])
            self.keys = self.work / "vkeys"
            self.keys.write_bytes(server.get("/log/vkeys").body)
            self.packs_are_equal()
            server.post_events([harness.purchase_event(200 + number, vendor="v-4") for number in range(30)])
            self.later_entries_change_nothing()
            self.damage_is_named()
            self.bad_input_is_named()
            self.an_entry_of_a_pack_is_proved()
            self.hledger_agrees()
            self.reads_are_written_down()

    def pack(self, name: str) -> pathlib.Path:
        return self.work / f"{name}.zip"

    def check(self, path, *more, check=True):
        return subprocess.run([harness.BINARY, "evidence", "check", str(path), "--key", str(self.keys), *more], capture_output=True, text=True,
                              check=check, timeout=120, env=harness.ENVIRONMENT)

    def packs_are_equal(self):
        for number, report in enumerate(REPORTS):
            path = self.pack(f"report{number}")
            self.run_at("evidence", "--report", report, "--as-of", self.cut_text, str(path))
            said = self.check(path).stdout
            self.assertIn("EQUAL", said)
            self.assertIn("no other purchase", said)
            with zipfile.ZipFile(path) as archive:
                self.assertIsNone(archive.testzip())
                target = f"/v1/{report}{'&' if '?' in report else '?'}as_of={self.cut_text}"
                self.assertEqual(archive.read("report.json"), self.server.request("GET", target).body, report)
                entries = [json.loads(line) for line in archive.read("entries.jsonl").splitlines()]
            if "63.71" in report:  # half of the purchases, and not the facts about other vendors' regions
                self.assertLess(sum(entry["partition"] == "0" for entry in entries), self.cut["0"] - 20)
        by_command = self.pack("by_command")
        self.run_at("evidence", "--report", "totals --by district --region 63 --names", "--as-of", self.cut_text, str(by_command))
        self.assertEqual(by_command.read_bytes(), self.pack("report0").read_bytes())
        whole = self.pack("whole")
        self.run_at("evidence", "--report", REPORTS[0], "--as-of", self.cut_text, "--whole", str(whole))
        said = self.check(whole).stdout
        self.assertIn("complete: every entry", said)
        self.assertNotIn("no other purchase", said)

    def later_entries_change_nothing(self):
        again = self.pack("again")
        self.run_at("evidence", "--report", REPORTS[0], "--as-of", self.cut_text, str(again))
        self.assertEqual(again.read_bytes(), self.pack("report0").read_bytes(), "the same question at the same cut gives the same bytes")
        harness.wait_until("the new ones to be signed", lambda: self.server.signed_size("/log/0/checkpoint") == self.server.committed()["0"])
        newest = self.pack("newest")
        self.run_at("evidence", "--report", REPORTS[0], str(newest))
        self.assertIn(f"0={self.cut['0'] + 30}", self.check(newest).stdout)

    def change(self, name: str, edit, listed: bool) -> pathlib.Path:
        """A copy of a pack with one file changed; listed: with its SHA-256 made right again."""
        path = self.pack("changed")
        with zipfile.ZipFile(self.pack("report0")) as old, zipfile.ZipFile(path, "w") as new:
            files = {each: old.read(each) for each in old.namelist()}
            edited = edit(files[name])
            self.assertNotEqual(edited, files[name])
            files[name] = edited
            if listed:
                files["SHA256SUMS"] = b"".join(hashlib.sha256(content).hexdigest().encode() + b"  " + each.encode() + b"\n"
                                               for each, content in sorted(files.items()) if each != "SHA256SUMS")
            for each, content in files.items():
                new.writestr(each, content)
        return path

    def damage_is_named(self):
        with zipfile.ZipFile(self.pack("report0")) as archive:
            names = archive.namelist()
        for name in names:
            done = self.check(self.change(name, lambda text: text[:-2] + bytes([text[-2] ^ 1]) + text[-1:], listed=False), check=False)
            self.assertEqual(done.returncode, DAMAGED, f"{name}: {done.stdout}{done.stderr}")
            self.assertIn(name if name != "SHA256SUMS" else "it is missing", done.stderr)  # that list then names a file that is not there
        # One who makes the list right again is found by what the files mean.
        other_root = lambda text: text.replace(text.split(b"\n")[2], text.split(b"\n")[3])  # noqa: E731
        for name, edit, code in [("report.json", lambda text: text.replace(b'"packages":3', b'"packages":4', 1), DIFFERS),
                                 ("report.csv", lambda text: text.replace(b"63.09", b"63.08", 1), DIFFERS),
                                 ("report.html", lambda text: text.replace(b"<h1>", b"<h1>Not ", 1), DIFFERS),
                                 ("entries.jsonl", lambda text: b"\n".join(text.split(b"\n")[1:]), DAMAGED),
                                 ("entries.jsonl", lambda text: text.replace(b"1000004.00", b"9000004.00", 1), DAMAGED),
                                 ("tree/0.txt", other_root, DAMAGED),
                                 ("checkpoints/0.txt", lambda text: text.replace(b"\n\xe2", b"\n \n\xe2", 1), DAMAGED),
                                 ("pack.json", lambda text: text.replace(b"district", b"province", 1), DIFFERS)]:
            done = self.check(self.change(name, edit, listed=True), check=False)
            self.assertEqual(done.returncode, code, f"{name}: {done.stdout}{done.stderr}")
            self.assertIn({"pack.json": "report.", "entries.jsonl": "entries"}.get(name, name), done.stderr)
        # The archive itself: cut short, and bytes flipped in what is packed.
        whole = self.pack("report0").read_bytes()
        broken = self.pack("broken")
        for cut in (0, 10, len(whole) // 2, len(whole) - 1):
            broken.write_bytes(whole[:cut])
            self.assertEqual(self.check(broken, check=False).returncode, DAMAGED, cut)
        with zipfile.ZipFile(self.pack("report0")) as archive:
            for info in archive.infolist():
                at = info.header_offset + 30 + len(info.filename) + info.compress_size // 2
                broken.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
                done = self.check(broken, check=False)
                self.assertEqual(done.returncode, DAMAGED, f"{info.filename}: {done.stdout}{done.stderr}")
                self.assertIn(info.filename, done.stderr)

    def bad_input_is_named(self):
        out = str(self.pack("none"))
        self.fails(BEYOND, "lies beyond", "evidence", "--report", "totals", "--as-of", "0=99999,reference=0", out)
        self.fails(BEYOND, "lies beyond", "export", "hledger", "--as-of", "0=99999,reference=0", "-o", out)
        self.fails(NOT_FOUND, "e-katalog-6/none", "purchase", "e-katalog-6/none")
        self.fails(NOT_FOUND, "nothing", "evidence", "--report", "views/nothing", out)
        self.fails(2, "no report", "evidence", "--report", "purchases", out)
        self.fails(2, "--as-of", "evidence", "--report", "totals?as_of=0", out)
        self.fails(NOT_FOUND, "absent.zip", "evidence", "check", str(self.work / "absent.zip"), "--key", str(self.keys))
        self.fails(2, "--key", "evidence", "check", str(self.pack("report0")))
        other = harness.Server(self.work / "other", settings={"ledger.name": "lain"})
        other.key_new()
        other_keys = self.work / "other.vkeys"
        listed = json.loads(other.run("--format", "json", "key", "show").stdout)
        other_keys.write_text("".join(key["verifier_key"] + "\n" for key in listed))
        self.fails(OTHER_LEDGER, "kalsel/0", "evidence", "check", str(self.pack("report0")), "--key", str(other_keys))
        same = harness.Server(self.work / "same")
        same.key_new()
        same_keys = self.work / "same.vkeys"
        same_keys.write_text("".join(key["verifier_key"] + "\n" for key in json.loads(same.run("--format", "json", "key", "show").stdout)))
        self.fails(NOT_SIGNED, "checkpoints/0.txt", "evidence", "check", str(self.pack("report0")), "--key", str(same_keys))

    def an_entry_of_a_pack_is_proved(self):
        proof = self.work / "entry.proof"
        with zipfile.ZipFile(self.pack("report1")) as archive:
            entry = json.loads(archive.read("entries.jsonl").splitlines()[3])
        place = f"{entry['partition']}/{entry['sequence']}"
        self.run_at("evidence", "prove", str(self.pack("report1")), place, "-o", str(proof))
        self.assertIn("is the one that the entry names", self.run_at("check", str(proof), "--key", str(self.keys)).stdout)
        self.fails(NOT_FOUND, "0/99999", "evidence", "prove", str(self.pack("report1")), "0/99999")

    def hledger_agrees(self):
        if shutil.which("hledger") is None:
            raise AssertionError("hledger is missing: ops/install test")
        journal = self.work / "books.journal"
        self.run_at("export", "hledger", "--as-of", self.cut_text, "-o", str(journal))
        subprocess.run(["hledger", "-f", journal, "check", "--strict"], check=True, timeout=120)
        lines = subprocess.run(["hledger", "-f", journal, "balance", "--flat", "--no-total", "-E", "-O", "csv"], check=True, capture_output=True, text=True,
                               timeout=120).stdout.splitlines()[1:]
        balances = {}
        for line in lines:
            account, amount = (field.strip('"') for field in line.split(",", 1))
            balances[account] = Decimal(amount.split()[0])
        self.assertEqual(sum(balances.values()), 0)
        totals = self.server.get_json("/v1/totals", as_of=self.cut_text)["total"]
        broad = ("contracted", "shipping", "delivered", "addendum", "completed")
        self.assertEqual(balances["completed"], Decimal(totals["strict"]))
        self.assertEqual(sum(balances.get(account, Decimal(0)) for account in broad), Decimal(totals["broad"]))
        self.assertEqual(balances["paid"], Decimal(totals["paid"]))
        self.assertEqual(-balances["payable"], Decimal(totals["paid"]))
        for row in self.server.get_json("/v1/totals", by="stage", as_of=self.cut_text)["rows"]:
            self.assertEqual(balances[row["stage"]], Decimal(row["committed"]), row["stage"])
        self.assertGreater(balances["paid"], 0)
        broken = journal.read_text().replace("    commitment  -1000000.00 IDR", "    commitment  -1000001.00 IDR", 1)
        journal.write_text(broken)
        self.assertNotEqual(subprocess.run(["hledger", "-f", journal, "check", "--strict"], capture_output=True, check=False, timeout=120).returncode, 0)

    def reads_are_written_down(self):
        server = self.server
        server.get("/payload/0/3")
        server.get("/v1/proofs/0/4", payload="false")
        server.get("/v1/proofs/0/5", payload="true")
        server.get("/v1/rejected/0")
        server.get("/v1/totals")
        rows = json.loads(self.run_at("--format", "json", "reads", "--limit", "10000").stdout)
        newest = [row["path"].split("?")[0] for row in rows["reads"]][-3:]
        self.assertEqual(newest, ["/payload/0/3", "/v1/proofs/0/5", "/v1/rejected/0"])
        paths = {row["path"].split("?")[0] for row in rows["reads"]}
        self.assertLessEqual({"/v1/evidence/totals", "/v1/evidence/views/umkm", "/v1/journal/0"}, paths)
        self.assertEqual(rows["head"]["lines"], len(rows["reads"]))
        self.assertEqual(rows["reads"][-1]["token"], None)
        self.assertEqual(rows["reads"][-3]["cut"], f"0={self.cut['0'] + 30},reference={self.cut['reference']}")
        tokens = {}
        for role in ("read", "read,audit"):
            tokens[role] = self.work / f"{role}.token"
            text = self.run_at("token", "new", role.replace(",", "-"), "--role", role).stdout.strip()
            tokens[role].write_text(text)
            tokens[role].chmod(0o600)
            harness.wait_until("the token to be known", lambda: server.request("GET", "/v1/status", headers={"Authorization": f"Bearer {text}"}).status == 200)  # noqa: B023
        out = str(self.pack("by_token"))
        self.fails(2, "needs role audit", "--token-file", str(tokens["read"]), "evidence", "--report", "totals", out)
        self.run_at("--token-file", str(tokens["read,audit"]), "evidence", "--report", "totals", out)
        said = self.run_at("reads", "--token", "read-audit").stdout
        self.assertIn("/v1/evidence/entries/0?at=0-", said)
        self.assertNotIn("/v1/totals", said)
        head = self.run_at("reads", "--head").stdout.split()
        self.assertEqual(server.stop(), 0)
        server.verify()
        (log,) = (self.work / "data/reads").glob("*.jsonl")
        lines = log.read_bytes().splitlines(keepends=True)
        self.assertEqual([str(len(lines)), hashlib.sha256(lines[-1]).hexdigest()], head)
        for broken, place in [(lines[:6] + [lines[6].replace(b"/", b"!", 1)] + lines[7:], ":8"), (lines[:6] + lines[7:], ":7"), (lines[:-1], "missing at the end")]:
            log.write_bytes(b"".join(broken))
            found = server.run("verify", check=False)
            self.assertEqual(found.returncode, 1)
            self.assertIn(place, found.stdout)
        log.write_bytes(b"".join(lines))
        server.verify()


if __name__ == "__main__":
    unittest.main()
