"""The auditor's questions to a large ledger: figures as of an earlier cut, the first page behind a figure, proofs.

Nothing that is timed as "cold" was asked before: each question is at a cut of its own, so no cache answers it. "Shown" is what an auditor
does: he has asked for the table, and then asks what makes up one row of it.
"""

import random
import time

import harness  # bench/run has put it on the path
from measure import cpu_seconds
from proof_client import PIPELINED, ask_all

# What is grouped by, and how large a row of it is among the load's purchases: a tenth, a hundredth of a hundredth, one or two purchases.
ROWS = {"large": "district", "small": "vendor", "tiny": "vendor,commodity"}
# Questions whose answers differ in what costs: filters, groups by the thousand, rows taken apart by stage, packages counted one by one.
AS_OF = {
    "": {"by": "region,scale"},
    "_one_district": {"by": "order_month,scale", "region": "63.05"},
    "_by_vendor": {"by": "vendor"},
    "_by_stage": {"by": "stage,district"},
    "_by_commodity": {"by": "commodity,district"},
}
EARLIER = (0.35, 0.65, 0.999)  # parts of the ledger: an as-of cut stands anywhere in it


def quantile_of(values: list, q: float) -> float:
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


class Desk:
    def __init__(self, line, tiny: bool):
        self.line, self.server, self.tiny = line, line.server, tiny
        self.rng = random.Random(5)
        self.size = self.server.cut()["0"]
        self.used: set = set()

    def measure(self):
        self.line.note("transfers", self.server.get_json("/v1/status")["projections"]["transfers"], "rows")
        self.as_of_totals()
        for name, by in ROWS.items():
            self.explain_shown(name, by)
        self.explain_cold()
        self.proofs()

    def cut(self, part: float) -> str:
        """A cut near that part of the ledger that was not asked for before."""
        sequence = int(self.size * part)
        while sequence in self.used:
            sequence -= 1
        self.used.add(sequence)
        return f"0={sequence},reference=0"

    def timed(self, path: str, **query) -> tuple[float, dict]:
        start = time.monotonic()
        answer = self.server.get_json(path, **query)
        return time.monotonic() - start, answer

    def as_of_totals(self):
        slowest = 0.0
        for name, question in AS_OF.items():
            count = 1 if self.tiny else 5
            cpu = cpu_seconds(self.server.process.pid)
            times = [self.timed("/v1/totals", as_of=self.cut(0.999), **question)[0] for _ in range(count)]
            cpu = (cpu_seconds(self.server.process.pid) - cpu) / count
            median = quantile_of(times, 0.5)
            slowest = max(slowest, median)
            self.line.note("as_of_totals_seconds" + name, median, f"s, {' '.join(question.values())}, nearly the whole history")
            self.line.note("as_of_totals_cpu_seconds" + name, cpu, "s of our process, all threads")
        self.line.note("as_of_totals_seconds_slowest_question", slowest, "s, median of the slowest of these questions")

    def pages(self, questions: list) -> list:
        times = []
        for question in questions:
            seconds, page = self.timed("/v1/explain", limit=20, **question)
            assert page["purchases"] and page["figure"], question
            times.append(seconds * 1000)
        return times

    def note_pages(self, name: str, times: list):
        for q in (50, 99):
            self.line.note(f"explain_first_page_p{q}_ms_{name}", quantile_of(times, q / 100), f"ms, {len(times)} rows")

    def explain_shown(self, name: str, by: str):
        count = 5 if self.tiny else 200
        for when in ("live", "as_of"):
            times = []
            for part in EARLIER if when == "as_of" else (None,):
                at = {"as_of": self.cut(part)} if part else {}
                _, table = self.timed("/v1/totals", by=by, **at)
                rows = table["rows"]
                chosen = [self.rng.choice(rows) for _ in range(count // (len(EARLIER) if part else 1) or 1)]
                times += self.pages([{"by": by, "row": ",".join(row[d] for d in by.split(",")), **at} for row in chosen])
            self.note_pages(f"{name}_{when}", times)

    def explain_cold(self):
        """The same where nobody has asked for the table at that cut: the figure itself must be summed first."""
        for name, by in ROWS.items():
            if "," in by:
                continue
            table = self.server.get_json("/v1/totals", by=by, as_of=self.cut(0.3))
            rows = [self.rng.choice(table["rows"])[by] for _ in range(2 if self.tiny else 20)]
            self.note_pages(f"{name}_cold", self.pages([{"by": by, "row": row, "as_of": self.cut(self.rng.uniform(0.35, 0.999))} for row in rows]))

    def proofs(self):
        count = 200 if self.tiny else 10_000
        size = harness.wait_until("a signed head", lambda: max(self.server.signed_size("/log/0/checkpoint"), 0))
        for name, connections, pipelined in (("", 1, 1), ("_4_clients", 4, 1), ("_pipelined", 2, PIPELINED)):
            cpu = cpu_seconds(self.server.process.pid)
            took, _ = ask_all("127.0.0.1", self.server.port, [self.rng.randrange(size) for _ in range(count)], connections, pipelined)
            self.line.note("proofs_per_s" + name, count / took, "proofs/s with their payloads, random entries")
            self.line.note("proofs_cpu_us" + name, (cpu_seconds(self.server.process.pid) - cpu) / count * 1e6, "us of our process for each")
