"""kill -9 at every named crash point and at random moments, start-up and stop included: nothing acknowledged is lost, nothing is doubled,
no total differs from the sum made here, every checkpoint that was ever seen is a prefix of what is there now (I1, I2, I4, I6, I8, I9), and
an erasure that was asked for gets done.

The crash points are those that the program itself lists; one that no round reaches fails the test.
Rounds: BUKUBESAR_KILL_ROUNDS (default 200, 1,000 with BUKUBESAR_LONG=1); seed: BUKUBESAR_SEED.
Each life of at most ROUNDS_OF_A_LIFE rounds begins with an empty directory.
"""

import collections
import os
import random
import signal
import subprocess
import threading
import time

import harness
import oracle
import redaction_test

ROUNDS = int(os.environ.get("BUKUBESAR_KILL_ROUNDS", "1000" if os.environ.get("BUKUBESAR_LONG") else "200"))
SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
ROUNDS_OF_A_LIFE = 70
RANDOM_MOMENT = ""
# RocksDB's own writes, which a start meets some times, and then an erasure: rounds whose nth time is the erasure's.
IN_AN_ERASURE = [("table_written", nth) for nth in (7, 8, 9, 10)] + [("manifest_written", nth) for nth in (12, 16, 20, 24)]
# Whether a round erases something, beside those of an erasure's own points.
ERASES_AT = {"table_written": 1.0, "manifest_written": 1.0, RANDOM_MOMENT: 0.15}
UNCHECKED_MAX = 3
TRIES = 3  # more, for a point that its round did not meet


def crash_points() -> list:
    done = subprocess.run([harness.BINARY, "config", "check"], capture_output=True, text=True, env={**harness.ENVIRONMENT, "BUKUBESAR_CRASH_POINT": "?"})
    assert done.returncode == 2 and "there are " in done.stderr, (done.returncode, done.stderr)
    return done.stderr.split("there are ")[1].strip().split(", ")


def plan(rng: random.Random, points: list) -> list:
    """(point, nth) for each round: every point once, those in an erasure, then half points and half random moments, mixed."""
    rounds = [(point, 1) for point in points] + IN_AN_ERASURE
    while len(rounds) < ROUNDS:
        point = rng.choice(points) if rng.random() < 0.5 else RANDOM_MOMENT
        rounds.append((point, 1 + int(rng.expovariate(0.5))))
    rng.shuffle(rounds)
    return rounds


class Campaign:
    def __init__(self, rng: random.Random, work):
        self.rng, self.work = rng, work
        self.reached: collections.Counter = collections.Counter()
        self.kills = self.events = self.doubtful = self.verified = self.erased = self.kills_in_an_erasure = 0

    def begin_life(self, number: int):
        self.oracle = oracle.Oracle()
        self.unchecked: list = []
        self.erasures: list = []
        self.erasures_unchecked: list = []
        self.was_ready = False
        self.server = harness.Server(self.work / f"life{number}", settings={"signing.interval_ms": 1000})

    def end_life(self):
        self.check_and_stop()
        self.server.start()
        self.oracle.check_all(self.server)
        for each in self.erasures:
            each.check(self.server)
        assert self.server.stop() == 0
        self.verify()
        self.events += sum(len(one.sent) for one in self.oracle.rounds)
        self.erased += len(self.erasures)

    def died(self):
        """The process is gone, by its own crash point or by us."""
        self.server.process.wait(30)
        assert self.server.process.returncode in (-signal.SIGKILL, 0), f"ended with {self.server.process.returncode}:\n{self.server.log()[-3000:]}"

    def check(self):
        self.was_ready = True
        while self.unchecked:
            self.oracle.check_round(self.server, self.unchecked[0])
            self.unchecked.pop(0)
        self.oracle.note_checkpoint(self.server)

    def check_and_stop(self):
        self.server.environment = {}
        self.server.start()
        self.check()
        while self.erasures_unchecked:
            self.erasures_unchecked.pop().check(self.server)
        assert self.server.stop() == 0, self.server.log()[-3000:]
        self.verify()

    def verify(self, all_segments: bool = True):
        self.server.verify(all_segments)
        self.verified += 1

    def round(self, point: str, nth: int, patience: float = 1):
        self.server.environment = {"BUKUBESAR_CRASH_POINT": f"{point}:{nth}"} if point else {}
        one = self.oracle.begin_round()
        erases = (point.startswith("redaction") or self.rng.random() < ERASES_AT.get(point, 0)) and self.define_authority()
        asked = False
        self.server.start(ready_seconds=0)
        killer = None
        if not point:
            killer = threading.Timer(self.rng.uniform(0.0, 1.2), self.server.kill)
            killer.start()
        sender = None
        try:
            self.server.wait_ready_or_gone()
            self.check()
            sender = oracle.Sender(self.oracle, self.server, one, self.rng, cells=200 if point.startswith("segment") else 1)
            sender.start()
            if erases:
                asked = self.erase_a_fact(len(self.oracle.rounds))
            self.wait_gone(patience * (0.2 if point.startswith("stop") else 3.0 if point.startswith(("checkpoint", "segment", "heads", "file", "redaction")) else 1.2))
        except oracle.GONE:
            pass
        stopped_by_us = self.end(killer, sender)
        self.died()
        if point and not stopped_by_us and self.server.process.returncode == -signal.SIGKILL:
            self.reached[point] += 1
            # Little else is written then: the point was the erasure's.
            self.kills_in_an_erasure += asked
        self.kills += self.server.process.returncode == -signal.SIGKILL
        self.doubtful += len(one.pending())
        self.unchecked.append(one)
        if self.was_ready and self.rng.random() < 0.3:
            self.verify(all_segments=False)  # of what a crash left, before any start has put it in order

    def define_authority(self) -> bool:
        """An authority may erase; an operator appends it between two starts. Before the first start there is nothing to append to."""
        definition = self.server.data / "definition.jsonl"
        if definition.exists() and redaction_test.AUTHORITY not in definition.read_text():
            redaction_test.define_authority(self.server)
        return definition.exists()

    def erase_a_fact(self, number: int) -> bool:
        """A fact of no purchase, and then its erasure: no figure knows of either. Whether the erasure was taken."""
        def event(kind: str, subject: str, data: dict) -> dict:
            return {"specversion": "1.0", "type": f"id.bukubesar.{kind}.v1", "source": redaction_test.AUTHORITY, "id": f"{kind}-{number}",
                    "subject": subject, "data": {"salt": "ab" * 16, **data}}
        secret = redaction_test.marker(self.rng)
        fact = self.server.post_events([event("reference.commodity", f"commodity/k-{number}", {"valid_from": "2023-01", "name": secret})])
        result = fact.json().get("results", [{}])[0]
        if "sequence" not in result:
            return False  # on a busy machine it is told to come again
        entry = f"reference/{result['sequence']}"
        erasure = oracle.Erasure(secret, entry, event("ledger.redacted", entry, {"ground": "law", "authority": "office"}))
        self.erasures.append(erasure)
        self.erasures_unchecked.append(erasure)
        erasure.ask(self.server)
        return erasure.sent

    def round_with_a_start_before(self, point: str):
        """For a point that its round did not meet: some are met only where the epoch before had records, or take long on a busy machine."""
        self.check_and_stop()
        self.server.start()
        one = self.oracle.begin_round()
        self.oracle.send(self.server, [self.oracle.new_event(one, 1_000) for _ in range(5)])
        self.server.kill()
        self.kills += 1
        self.unchecked.append(one)
        self.round(point, 1, patience=4)

    def end(self, killer, sender) -> bool:
        """Ends what still runs. True where the point was not reached and we killed the process."""
        ours = False
        if killer:
            killer.join()
        elif self.server.process.poll() is None:
            self.server.process.send_signal(signal.SIGTERM)  # points of a stop
            try:
                self.server.process.wait(20)
            except subprocess.TimeoutExpired:
                ours = True
                self.server.kill()
        if sender:
            sender.finish()
        return ours

    def wait_gone(self, seconds: float):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.server.process.poll() is None:
            time.sleep(0.01)


def main():
    points = crash_points()
    rng = random.Random(SEED)
    rounds = plan(rng, points)
    print(f"seed {SEED}, {len(rounds)} rounds, {len(points)} crash points", flush=True)
    with harness.workspace("crash") as work:
        campaign = Campaign(rng, work)
        try:
            for number, (point, nth) in enumerate(rounds):
                if number % ROUNDS_OF_A_LIFE == 0:
                    if number:
                        campaign.end_life()
                    campaign.begin_life(number)
                campaign.round(point, nth)
                if len(campaign.unchecked) > UNCHECKED_MAX or campaign.erasures_unchecked:
                    campaign.check_and_stop()
            for point in [each for each in points if not campaign.reached[each]] * TRIES:
                if not campaign.reached[point]:
                    campaign.round_with_a_start_before(point)
            campaign.end_life()
        except BaseException:
            campaign.server.kill()
            print(f"seed {SEED}: round {number}, {point}:{nth}\n{campaign.server.log()[-6000:]}", flush=True)
            raise
    print("; ".join(f"{point} {campaign.reached[point]}" for point in points))
    never = [point for point in points if not campaign.reached[point]]
    assert not never, f"seed {SEED}: crash points that no round reached: {', '.join(never)}"
    assert campaign.kills_in_an_erasure, f"seed {SEED}: no kill struck inside an erasure"
    print(f"counts: kill_rounds={len(rounds)} kills={campaign.kills} kills_in_an_erasure={campaign.kills_in_an_erasure} crash_points={len(points)} events={campaign.events} "
          f"unanswered_events={campaign.doubtful} verified={campaign.verified} erasures={campaign.erased}")


if __name__ == "__main__":
    main()
