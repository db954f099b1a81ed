"""The auditor's questions over HTTP and from the command line: why a figure is what it is, what changed between two reports, what happened
entry by entry; as of any cut; and a prefix replayed into a fresh directory."""

import collections
import csv
import decimal
import io
import json
import os
import pathlib
import pty
import random
import select
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

MONEY = ["committed", "strict", "broad", "stage_unknown", "paid"]


def fact(table: str, code: str, number: int, **data) -> dict:
    return {"specversion": "1.0", "type": f"id.bukubesar.reference.{table}.v1", "source": "/feed/reference", "id": f"fact-{number}",
            "subject": f"{table}/{code}", "datacontenttype": "application/json", "data": {"salt": f"{number:032x}", **data}}


def some_events(seed: int, first: int, count: int) -> list:
    """Orders, payments, stage moves, amendments and cancellations of `count` purchases in random order."""
    rng = random.Random(seed)
    streams = []
    for number in range(first, first + count):
        region, scale = rng.choice(["63.09", "63.71", "63.03"]), rng.choice(["micro", "small", "medium", "large"])
        common = {"region": region, "scale": scale, "vendor": f"v-{rng.randrange(4)}", "institution": rng.choice(["D262", "D300"])}
        stream = [harness.purchase_event(number, amount=rng.randrange(1, 90) * 100_000, **common)]
        for step in range(rng.randrange(4)):
            kind = rng.choice(["advanced", "paid", "amended", "cancelled"])
            stage = rng.choice(["shipping", "delivered", "completed"])
            stream.append(harness.purchase_event(number, kind=kind, stage=stage, amount=rng.randrange(1, 90) * 50_000, event_id=f"{number}-{step}",
                                                 time_=f"2023-{rng.randrange(5, 12):02}-11T09:12:00+08:00", **common))
        streams.append(stream)
    mixed = []
    while streams:
        stream = rng.choice(streams)
        mixed.append(stream.pop(0))
        if not stream:
            streams.remove(stream)
    return mixed


def read_until(master: int, wanted: bytes) -> bytes:
    """What a program writes to its terminal, up to what is waited for."""
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([master], [], [], 30)
        if not ready:
            raise AssertionError(f"waited in vain for {wanted!r} in {seen!r}")
        seen += os.read(master, 4096)
    return seen


class History(unittest.TestCase):
    def test_the_auditors_questions(self):
        with harness.workspace("history") as work, harness.Server(work / "data") as server:
            self.server, self.work = server, work
            server.start()
            server.post_events(some_events(1, 0, 40))
            server.post_events([fact("vendor", "v-1", 1, valid_from="2020-01", scale="large")])
            events = some_events(2, 40, 10)
            server.post_events(events[:5])
            server.post_events(events[:2])  # duplicates
            server.request("POST", "/v1/events", b"{}", {"Content-Type": "application/cloudevents+json"})
            self.first = harness.cut_text(self.server.caught_up())
            server.post_events(some_events(3, 60, 25) + events[5:])
            server.post_events([fact("vendor", "v-1", 2, valid_from="2020-01", scale="micro"), fact("institution", "D300", 3, valid_from="2020-01", region="63.09")])
            self.second = harness.cut_text(self.server.caught_up())
            self.explains()
            self.pages_by_command()
            self.differs()
            self.as_of_all_reads()
            self.replays()
            self.steps_on_a_terminal()
            self.refuses()
            self.replays_into_a_fresh_directory()
            self.assertEqual(server.stop(), 0)

    def command(self, *arguments, check: bool = True) -> str:
        return self.server.run("--url", self.server.url, *arguments, check=check)

    def explain_all(self, **query) -> tuple:
        purchases, cursor, figure = [], None, None
        while True:
            page = self.server.get_json("/v1/explain", limit=7, **query, **({"cursor": cursor} if cursor else {}))
            figure = figure or page["figure"]
            purchases += page["purchases"]
            cursor = page["next_cursor"]
            if not cursor:
                return figure, purchases

    def sums_to(self, figure: dict, purchases: list):
        for name in MONEY + ["packages"]:
            if figure[name] is None:
                continue
            self.assertEqual(sum(decimal.Decimal(each["adds"][name]) for each in purchases), decimal.Decimal(figure[name]), name)
            for each in purchases:
                transfers = [t for event in each["events"] for t in event["transfers"]]
                self.assertEqual(sum(decimal.Decimal(t["adds"][name]) for t in transfers), decimal.Decimal(each["adds"][name]), name)

    def explains(self):
        for query in ({"by": "region"}, {"by": "district,umkm", "fiscal_year": "2023"}, {"by": "stage"}, {"by": "vendor", "as_of": self.first},
                      {"by": "institution", "from": "2023-06-01", "until": "2023-08-31"}, {"by": "catalogue_kind"}):
            totals = self.server.get_json("/v1/totals", **query)
            self.assertTrue(totals["rows"])
            for row in totals["rows"]:
                figure, purchases = self.explain_all(**query, row=",".join(row[name] for name in query["by"].split(",")))
                self.assertEqual({name: figure[name] for name in MONEY + ["packages", "vendors"]}, {name: row[name] for name in MONEY + ["packages", "vendors"]})
                self.sums_to(figure, purchases)
                self.assertEqual(len({vendor for each in purchases for vendor in each["vendors"]}), row["vendors"])
        event = purchases[0]["events"][0]
        self.assertIn("c2sp.org/tlog-proof", self.server.get(event["proof"]).body.decode() if self.server.request("POST", "/v1/sign").status == 200 else "")
        self.assertEqual(self.server.get_json(purchases[0]["history"])["id"], purchases[0]["id"])

    def pages_by_command(self):
        done = self.command("explain", "totals --by district --region 63 row 63.09", "--all")
        self.assertIn("they come to the figure exactly", done.stdout)
        page = json.loads(self.command("--format", "json", "explain", "totals --by district row 63.09", "--limit", "3", "--measure", "strict").stdout)
        self.assertTrue(all(each["adds"]["strict"] != "0.00" for each in page["purchases"]))
        rows = list(csv.DictReader(io.StringIO(self.command("--format", "csv", "explain", "bukubesar totals --stage completed", "--all").stdout)))
        total = self.server.get_json("/v1/totals", stage="completed")["total"]
        self.assertEqual(sum(decimal.Decimal(row["committed"]) for row in rows), decimal.Decimal(total["committed"]))

    def differs(self):
        for query in ({"by": "district,scale"}, {"by": "vendor"}, {}):
            answer = self.server.get_json("/v1/difference", from_as_of=self.first, to_as_of=self.second, **query)
            before, after = (self.server.get_json("/v1/totals", as_of=cut, **query) for cut in (self.first, self.second))
            names = answer["by"]
            if names:
                old, new = ({tuple(row[name] for name in names): row for row in totals["rows"]} for totals in (before, after))
                changed = {key for key in old.keys() | new.keys() if {m: old.get(key, {}).get(m) for m in MONEY} != {m: new.get(key, {}).get(m) for m in MONEY}}
                self.assertLessEqual(changed, {tuple(row[name] for name in names) for row in answer["rows"]})
            for row in answer["rows"] + [answer["total"]]:
                for name in MONEY + ["packages", "vendors"]:
                    change = decimal.Decimal(row["change"][name])
                    self.assertEqual(sum(decimal.Decimal(part[name]) for part in row["parts"].values()), change)
                    self.assertEqual(decimal.Decimal(row["after"][name]) - decimal.Decimal(row["before"][name]), change)
                for part in row["parts"].values():
                    purchases = self.server.get_json(part["explain"] + "&limit=1000")["purchases"]
                    self.assertEqual(sum(decimal.Decimal(each["adds"]["committed"]) for each in purchases), decimal.Decimal(part["committed"]))
            if names == ["district", "scale"]:
                kinds = {kind for row in answer["rows"] for kind in row["parts"]}
                self.assertLessEqual({"new_purchases", "reclassified_vendors", "late_facts"}, kinds)
        text = self.command("diff", self.first, self.second, "--by", "umkm").stdout
        self.assertIn("+ reclassified_vendors", text)
        text = self.command("diff", self.first, self.second, "--by", "umkm", "--explain", "reclassified_vendors", "--row", "umk_k").stdout
        self.assertIn("they come to the figure exactly", text)
        self.assertIn("reference/1", text)
        self.assertIn("new_purchases", self.command("--format", "csv", "diff", self.first, self.second).stdout)

    def as_of_all_reads(self):
        get = self.server.get_json
        sizes = dict(part.split("=") for part in self.first.split(","))
        for path in ("/v1/totals", "/v1/views/umkm", "/v1/purchases", "/v1/findings", "/v1/entries/0", "/v1/explain"):
            self.assertEqual(harness.cut_text(get(path, as_of=self.first)["cut"]), self.first, path)
        entries = get("/v1/entries/0", as_of=self.first, order="newest", limit=1)["entries"]
        self.assertEqual(entries[0]["sequence"], int(sizes["0"]) - 1)
        both = get("/v1/totals", by="event_month,ledger_month")
        self.assertEqual(sum(decimal.Decimal(row["committed"]) for row in both["rows"]), decimal.Decimal(both["total"]["committed"]))
        self.assertGreater(len({row["event_month"] for row in both["rows"]}), 1)
        self.assertNotIn("unknown", {row["ledger_month"] for row in both["rows"]})

    def ndjson(self, *arguments) -> list:
        return [json.loads(line) for line in self.command("--format", "json", "replay", *arguments).stdout.splitlines()]

    def replays(self):
        everything = self.ndjson()
        sizes = dict(part.split("=") for part in self.second.split(","))
        count = collections.Counter(entry["partition"] for entry in everything)
        self.assertEqual({partition: str(number) for partition, number in count.items()}, sizes)
        self.assertEqual([each["ledger_time"] for each in everything], sorted(each["ledger_time"] for each in everything))
        place = [(each["partition"], each["sequence"]) for each in everything]
        back = [(each["partition"], each["sequence"]) for each in self.ndjson("--reverse")]
        self.assertEqual(place, back[::-1])
        self.assertEqual(back[:5], [(each["partition"], each["sequence"]) for each in self.ndjson("--reverse", "--limit", "5")])
        after_first = self.ndjson("--from", self.first)
        self.assertEqual(len(after_first), len(everything) - sum(int(size) for size in (part.split("=")[1] for part in self.first.split(","))))
        self.assertEqual({each["verdict"] for each in everything}, {"accepted", "duplicate", "rejected"})
        balances = {}
        for entry in everything:
            if entry["after"]:
                balances[entry["subject"]] = entry["after"]
        for purchase in self.server.get_json("/v1/purchases", limit=1000)["purchases"]:
            self.assertEqual((balances[purchase["id"]]["stage"], balances[purchase["id"]]["value"]), (purchase["stage"], purchase["value"]))
        some = self.ndjson("--where", "region=63.09,63.71,type=paid,verdict=accepted")
        want = [each for each in everything if each["verdict"] == "accepted" and each["type"] == "purchase.paid" and each["after"]["region"] in ("63.09", "63.71")]
        self.assertTrue(some)
        self.assertEqual([(each["partition"], each["sequence"]) for each in some], [(each["partition"], each["sequence"]) for each in want])
        subject = some[0]["subject"]
        self.assertEqual({each["subject"] for each in self.ndjson("--purchase", subject)}, {subject})
        table = self.command("replay", "--purchase", subject).stdout
        self.assertIn("value after", table)
        rows = list(csv.DictReader(io.StringIO(self.command("--format", "csv", "replay", "--where", "verdict=accepted").stdout)))
        self.assertEqual(sum(1 for row in rows if row["from"]), sum(len(each["transfers"]) for each in everything))

    def steps_on_a_terminal(self):
        everything = [f"{each['partition']}/{each['sequence']}  " for each in self.ndjson()]
        master, slave = pty.openpty()
        process = subprocess.Popen(self.server.command("--url", self.server.url, "replay"), stdin=slave, stdout=slave, stderr=slave, env=harness.ENVIRONMENT)
        os.close(slave)
        try:
            read_until(master, everything[0].encode())
            for keys, wanted in ((b"n", 1), (b"n", 2), (b"p", 1), (b">", -1), (b"p", -2), (b"<", 0), (b"\x1b[B", 1)):
                os.write(master, keys)
                read_until(master, everything[wanted].encode())
            os.write(master, b"j0/10\n")
            read_until(master, b"\n0/10  ")
            os.write(master, b"p")
            read_until(master, everything[everything.index("0/10  ") - 1].encode())
            os.write(master, b"q")
            self.assertEqual(process.wait(30), 0)
        finally:
            process.kill()
            process.wait()
            os.close(master)

    def refuses(self):
        beyond = "0=99999,reference=0"
        for arguments, code, words in ((("explain", "totals --by district row 11.01"), 3, "no such row"), (("explain", "entries"), 2, "begins with totals"),
                                       (("explain", f"totals --as-of {beyond}"), 6, "beyond the ledger"), (("diff", beyond), 6, "beyond the ledger"),
                                       (("diff", self.second, self.first), 2, "not within the later one"),
                                       (("replay", "--where", "nonsense=1", "--no-steps"), 2, "unknown parameter 'nonsense'"),
                                       (("replay", "--into", str(self.work / "data")), 2, "not an empty directory")):
            done = self.command(*arguments, check=False)
            self.assertEqual(done.returncode, code, f"{arguments}: {done.stderr}")
            self.assertIn(words, done.stderr, arguments)

    def replays_into_a_fresh_directory(self):
        done = self.command("replay", "--to", self.first, "--into", str(self.work / "prefix"))
        self.assertIn("root, views and findings are the same", done.stdout)
        report = json.loads(self.command("--format", "json", "replay", "--into", str(self.work / "all")).stdout)
        self.assertTrue(report["same"])
        self.assertIn("findings", {each["what"] for each in report["compared"]})
        self.assertGreater(sum(1 for each in report["compared"] if each["what"].startswith("view ")), 10)
        self.server.run("--data", str(self.work / "all"), "verify")


if __name__ == "__main__":
    unittest.main()
