"""What a client of the server remembers: every receipt, and what it sent without hearing of it. It stands outside the process.

Events are sent in rounds; each round has an institution of its own, so that its totals can be compared with sums made here.
"""

import base64
import dataclasses
import hashlib
import http.client
import threading
import time

import harness
import redaction_test


# What a client meets when the process ends under it.
GONE = (OSError, http.client.HTTPException)


@dataclasses.dataclass
class Sent:
    event: dict
    amount: int
    receipt: dict | None = None  # nothing: not answered, so it may be stored or not


@dataclasses.dataclass
class Round:
    number: int
    sent: list = dataclasses.field(default_factory=list)

    @property
    def institution(self) -> str:
        return f"R{self.number:06d}"

    def acknowledged(self) -> list:
        return [each for each in self.sent if each.receipt]

    def pending(self) -> list:
        return [each for each in self.sent if not each.receipt]


class Tree:
    """RFC 6962 over the leaves that were seen, so that any later answer can be compared with any earlier one."""

    def __init__(self):
        self.stack: list = []  # (height, hash), left to right
        self.size = 0

    def append(self, entry: bytes):
        height, value = 0, hashlib.sha256(b"\0" + entry).digest()
        while self.stack and self.stack[-1][0] == height:
            value = hashlib.sha256(b"\1" + self.stack.pop()[1] + value).digest()
            height += 1
        self.stack.append((height, value))
        self.size += 1

    def root(self) -> bytes:
        if not self.stack:
            return hashlib.sha256(b"").digest()
        value = self.stack[-1][1]
        for _, left in reversed(self.stack[:-1]):
            value = hashlib.sha256(b"\1" + left + value).digest()
        return value


def tile_path(number: int) -> str:
    parts = [f"{number % 1000:03d}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(parts)


def leaves(server: harness.Server, partition: str, size: int) -> list:
    """The first `size` entries, as the log serves them."""
    found = []
    for number in range((size + 255) // 256):
        width = min(256, size - number * 256)
        answer = server.get(f"/log/{partition}/tile/entries/{tile_path(number)}" + (f".p/{width}" if width < 256 else ""))
        assert answer.status == 200, (number, width, answer.status, answer.body[:300])
        body = answer.body
        while body:
            length = int.from_bytes(body[:2], "big")
            found.append(body[2:2 + length])
            body = body[2 + length:]
    assert len(found) == size, (len(found), size)
    return found


def fingerprint(event: dict) -> str:
    return hashlib.sha256(event["source"].encode() + b"\0" + event["id"].encode()).hexdigest()[:32]


@dataclasses.dataclass
class Erasure:
    """One that an authority asks for: of a payload that holds a text which nothing else does, and how far that came."""
    secret: str
    entry: str | None = None  # where the payload is
    event: dict | None = None  # asks for the erasure
    sent: bool = False  # and was stored
    done: bool = False  # the server has said so

    def ask(self, server: harness.Server):
        self.sent = server.post_events([self.event], timeout=20).status == 200

    def state(self, server: harness.Server) -> dict:
        answer = server.get("/v1/redactions")
        each = answer.json()["redactions"] if answer.status == 200 else []
        return next((one for one in each if one["target"] == self.entry), {"state": "unknown", "why": ""})

    def check(self, server: harness.Server):
        """What the server said was erased is so; what it was asked to erase gets erased, without faults."""
        assert not self.done or server.get(f"/payload/{self.entry}").status == 410, f"{self.entry} is back"
        if not self.sent:
            harness.wait_until("the erasure to be taken", lambda: self.ask(server) or self.sent)
        harness.wait_until("the erasure", lambda: self.state(server)["state"] == "done")
        self.done = True
        answer = server.get(f"/payload/{self.entry}")
        assert answer.status == 410, (answer.status, answer.body[:300])
        self.check_files(server)

    def check_files(self, server: harness.Server):
        held = redaction_test.files_that_hold(server.data, self.secret)
        assert not held, f"what was erased from {self.entry} is in {held}"


class Oracle:
    def __init__(self):
        self.rounds: list[Round] = []
        self.signed: dict[int, bytes] = {}  # size of partition 0 -> root, of every checkpoint that was seen
        self.lock = threading.Lock()
        self.numbers = 0

    def begin_round(self) -> Round:
        self.rounds.append(Round(len(self.rounds)))
        return self.rounds[-1]

    def new_event(self, to: Round, amount: int, cells: int = 1) -> Sent:
        with self.lock:
            self.numbers += 1
            number = self.numbers
        event = harness.purchase_event(number, amount=amount, stage="completed", institution=to.institution)
        if cells > 1:  # many rows of transfers, so that segments are written
            event["data"]["document"]["lines"] = [{"line": str(line), "commodity": f"k-{line}", "amount": harness.rupiah(amount - cells + 1 if line == 0 else 1)}
                                                  for line in range(cells)]
        sent = Sent(event, amount)
        with self.lock:
            to.sent.append(sent)
        return sent

    def send(self, server: harness.Server, sent: list, timeout: float = 60.0):
        """Raises one of GONE where the server is gone; refusals leave events pending."""
        answer = server.post_events([each.event for each in sent], timeout)
        if answer.status not in (200, 503, 504):  # 504: a busy machine; what was not answered stays pending
            raise AssertionError(f"{answer.status} {answer.body[:500]!r}")
        results = answer.json().get("results", [])
        for each, result in zip(sent, results):
            if "sequence" in result:
                assert result["verdict"] in ("accepted", "duplicate"), result
                each.receipt = result
        return answer.status

    def note_checkpoint(self, server: harness.Server):
        answer = server.get("/log/0/checkpoint")
        if answer.status == 404:  # nothing is signed yet
            return
        assert answer.status == 200, (answer.status, answer.body[:300])
        lines = answer.body.decode().splitlines()
        size, root = int(lines[1]), base64.b64decode(lines[2])
        assert self.signed.setdefault(size, root) == root, f"two roots were signed for size {size}"

    def check_round(self, server: harness.Server, one: Round):
        """Totals between acknowledged and sent; after all is sent again, exactly the sums made here; receipts point to what they say."""
        acknowledged, pending = one.acknowledged(), one.pending()
        row = totals(server, one.institution)
        least, most = len(acknowledged), len(one.sent)
        assert least <= row[0] <= most, f"round {one.number}: {least} acknowledged, {most} sent, the server has {row[0]} purchases"
        assert row[1] >= sum(each.amount for each in acknowledged), f"round {one.number}: an acknowledged amount is missing: {row}"
        if pending:
            before = server.committed()["0"]
            harness.wait_until("what was pending to be taken", lambda: self.send(server, pending) == 200, 60)
            stored = sum(each.receipt["verdict"] == "duplicate" and each.receipt["duplicate_of"] < before for each in pending)
            assert row[0] == least + stored, f"round {one.number}: {row[0]} purchases, {least} acknowledged and {stored} stored without a word"
            row = totals(server, one.institution)
        assert row == (len(one.sent), sum(each.amount for each in one.sent)), f"round {one.number}: {row}, sent {len(one.sent)}"
        self.check_receipts(server, one.sent if len(one.sent) < 6 else one.sent[:2] + one.sent[-2:])

    def check_receipts(self, server: harness.Server, sent: list):
        for each in sent:
            entry = server.get_json(f"/v1/entries/0/{each.receipt['sequence']}")
            assert (entry["verdict"], entry["offset"]) == (each.receipt["verdict"], each.receipt["offset"]), (each.receipt, entry)
            assert entry["event"]["id"] == each.event["id"], (each.receipt, entry)

    def check_every_receipt(self, server: harness.Server):
        """Each that was ever given against the entry that it names."""
        open_ones = {each.receipt["sequence"]: each for one in self.rounds for each in one.acknowledged()}
        cursor = 0
        while page := server.get_json("/v1/entries/0", limit=1000, cursor=cursor)["entries"]:
            for entry in page:
                each = open_ones.pop(entry["sequence"], None)
                if each:
                    assert {name: entry[name] for name in each.receipt} == each.receipt, (each.receipt, entry)
                    assert entry["fingerprint"] == fingerprint(each.event), (each.event["id"], entry)
            cursor = page[-1]["sequence"] + 1
        assert not open_ones, f"{len(open_ones)} receipts name entries that are not there, as of {min(open_ones)}"

    def check_all(self, server: harness.Server):
        """Every round's totals once more, every receipt, and every checkpoint that was ever seen against the entries as they are now."""
        for one in self.rounds:
            assert totals(server, one.institution) == (len(one.sent), sum(each.amount for each in one.sent)), f"round {one.number}"
        self.check_every_receipt(server)
        size = server.committed()["0"]
        assert not self.signed or max(self.signed) <= size, f"signed {max(self.signed)}, now {size}"
        tree = Tree()
        for entry in leaves(server, "0", max(self.signed, default=0)):
            tree.append(entry)
            if tree.size in self.signed:
                assert tree.root() == self.signed[tree.size], f"the checkpoint of {tree.size} entries has another root now"


def totals(server: harness.Server, institution: str) -> tuple:
    """(purchases, rupiah) of one institution, at everything that is committed."""
    minimum = harness.cut_text(server.committed())
    answer = server.get_json("/v1/totals", by="institution", institution=institution, min_cut=minimum)
    rows = [row for row in answer["rows"] if row["institution"] == institution]
    if not rows:
        return (0, 0)
    return (rows[0]["packages"], int(rows[0]["strict"].split(".")[0]))


class Sender(threading.Thread):
    """Sends events of one round until the server is gone or it is told to stop."""

    def __init__(self, oracle: Oracle, server: harness.Server, to: Round, rng, cells: int = 1):
        super().__init__(daemon=True)
        self.oracle, self.server, self.to, self.rng, self.cells = oracle, server, to, rng, cells
        self.ending = threading.Event()
        self.error: BaseException | None = None

    def run(self):
        try:
            while not self.ending.is_set():
                batch = [self.oracle.new_event(self.to, self.rng.randrange(1_000, 50_000_000), self.cells) for _ in range(100 if self.cells > 1 else self.rng.choice([1, 1, 3, 20, 200]))]
                refused = self.oracle.send(self.server, batch) != 200
                # Moments matter here, not rate: leave the processor to the server.
                time.sleep(0.05 if refused else self.rng.uniform(0.0, 0.02))
        except GONE:
            pass  # killed: what was not answered stays pending
        except BaseException as error:
            self.error = error

    def finish(self):
        self.ending.set()
        self.join()
        if self.error:
            raise self.error
