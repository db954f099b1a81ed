"""A full disk under a real broker: intake stops and says so, reads go on, the broker keeps what comes, and intake resumes by itself when
there is room; then every record that the broker has is an entry, once (I1, I3, I4, I8).

The disk is a switch between server and files (tests/faults/file_shim.cc). Rounds of full and free: BUKUBESAR_DISK_ROUNDS (default 4).
"""

import os
import pathlib

import file_shim
import harness
import kafka_hand
from kafka_hand import PURCHASES, keyed, wait_size, wait_source

ROUNDS = int(os.environ.get("BUKUBESAR_DISK_ROUNDS", "4"))
EACH = 1_000  # events before a disk is full, and after it


class Sender:
    """What was acknowledged by the broker: purchases of their own, of one rupiah more each."""

    def __init__(self, hand: kafka_hand.Hand):
        self.hand, self.amounts = hand, {}

    def send(self):
        events = [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(len(self.amounts), len(self.amounts) + EACH)]
        self.hand.produce(PURCHASES, keyed(events))
        self.amounts |= {event["id"]: 1_000 + len(self.amounts) + index for index, event in enumerate(events)}


def check_full(server: harness.Server, before: int, sent: int):
    """Reads go on with what there was; a commit that was under way may be in it or not."""
    wait_source(server, "waiting_for_disk", 30)
    warnings = " ".join(server.get_json("/v1/status")["warnings"])
    assert "waits" in warnings and "No space left" in warnings, warnings
    cut = server.cut()
    assert before <= cut["0"] <= sent, (before, cut, sent)
    total = server.get_json("/v1/totals", min_cut=f"0={cut['0']}")["total"]
    assert before <= total["packages"] <= sent, (before, total, sent)
    assert server.get(f"/v1/entries/0/{before - 1}").status == 200 and server.get("/readyz").status == 200


def run(work: pathlib.Path, kafka: harness.Kafka):
    full = work / "full"
    hand = kafka_hand.Hand(kafka.bootstrap)
    sender = Sender(hand)
    with harness.Server(work / "data", kafka=kafka.bootstrap) as server:
        server.key_new()
        server.environment = file_shim.environment(server.data, full=full)
        server.start()
        for _ in range(ROUNDS):
            sender.send()
            before = len(sender.amounts)
            wait_size(server, before)
            full.touch()
            sender.send()
            check_full(server, before, len(sender.amounts))
            full.unlink()
            wait_size(server, len(sender.amounts))
            wait_source(server, "streaming")
        check(server, hand, sender)
        assert server.stop() == 0
        server.verify()
        server.environment = {}
        server.start()
        check(server, hand, sender)
        assert server.stop() == 0
    print(f"counts: full_disks={ROUNDS} events={len(sender.amounts)}")


def check(server: harness.Server, hand: kafka_hand.Hand, sender: Sender):
    kafka_hand.check_equal(server, hand.read(PURCHASES))
    kafka_hand.check_total(server, sender.amounts)
    assert server.get_json("/v1/status")["partitions"][0]["gap_offsets"] == 0


def main():
    file_shim.need_library()
    with harness.workspace("full") as work, harness.Kafka(work / "kafka") as kafka:
        run(work, kafka)


if __name__ == "__main__":
    main()
