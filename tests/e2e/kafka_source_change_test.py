"""`bukubesar source change` on a real Kafka: a topic that was made again, and records that retention took before they were read. The line
that it prints, appended on both nodes, is an entry of its own, and both go on to the same roots."""

import json

import harness
import kafka_hand
from kafka_hand import keyed, wait_size


def purchases(first: int, count: int) -> list:
    return [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(first, first + count)]


def append(server: harness.Server, line: str):
    with open(server.data / "definition.jsonl", "a") as definition:
        definition.write(line + "\n")


def change(server: harness.Server, *flags: str, check: bool = True):
    return server.run("source", "change", "--partition", "0", "--decided-by", "Diskominfo Tabalong", *flags, check=check)


def why_stopped(server: harness.Server) -> str:
    def stopped():
        return next((each["why"] for each in server.get_json("/v1/status")["sources"] if each["partition"] == "0" and each["state"] == "stopped"), None)
    return harness.wait_until("the intake to stop", stopped)


def signed(server: harness.Server) -> tuple:
    checkpoint = next(each for each in server.request("POST", "/v1/sign").json()["checkpoints"] if each["partition"] == "0")
    return checkpoint["size"], checkpoint["root"]


def statements(server: harness.Server) -> list:
    return [each for each in server.get_json("/v1/entries/0", limit=1000)["entries"] if each["kind"] == "source_statement"]


def go_on(nodes: list, line: str, epoch: int, size: int):
    for node in nodes:
        append(node, line)
        node.start()
        wait_size(node, size)
        last = statements(node)[-1]
        assert last["epoch"] == epoch, last
        stated = node.get_json(f"/v1/entries/0/{last['sequence']}")["statement"]
        assert stated == line, (stated, line)
    assert signed(nodes[0]) == signed(nodes[1]) and signed(nodes[0])[0] == size


def main():
    with harness.workspace("source_change") as work, harness.Kafka(work / "kafka") as kafka:
        hand = kafka_hand.Hand(kafka.bootstrap)
        first = harness.Server(work / "first", kafka=kafka.bootstrap)
        second = harness.Server(work / "second", kafka=kafka.bootstrap)
        with first, second:
            first.start()
            (second.data).mkdir()
            (second.data / "definition.jsonl").write_text((first.data / "definition.jsonl").read_text())
            second.start()
            hand.produce(kafka_hand.PURCHASES, keyed(purchases(0, 100)))
            for node in (first, second):
                wait_size(node, 100)

            # The topic is made again while both are down.
            for node in (first, second):
                assert node.stop() == 0
            hand.recreate_topic(kafka_hand.PURCHASES, keyed(purchases(100, 50)))
            first.start()
            assert "recreated or truncated" in why_stopped(first)
            assert first.stop() == 0
            refused = change(first, "--partition", "7", "--reason", "x", check=False)
            assert refused.returncode == 2, refused
            printed = change(first, "--reason", "topic made again")
            line = printed.stdout.strip()
            stated = json.loads(line)["source"]
            assert (stated["epoch"], stated["size"], stated["first_offset"], stated["reason"]) == (1, 100, 0, "topic made again"), stated
            go_on([first, second], line, 1, 151)
            again = change(first, "--reason", "x", "--append", check=False)  # while it runs
            assert again.returncode == 2 and "in use" in again.stderr, again.stderr

            # Retention takes what was never read.
            for node in (first, second):
                assert node.stop() == 0
            hand.produce(kafka_hand.PURCHASES, keyed(purchases(150, 50)))
            hand.delete_records(kafka_hand.PURCHASES, 80)
            first.start()
            why = why_stopped(first)
            assert "80" in why or "49" in why, why
            assert first.stop() == 0
            line = change(first, "--reason", "retention took offsets 50 to 79").stdout.strip()
            stated = json.loads(line)["source"]
            assert (stated["epoch"], stated["size"], stated["first_offset"]) == (2, 151, 80), stated
            go_on([first, second], line, 2, 172)
            completeness = first.get_json("/v1/completeness")
            assert len(statements(first)) == 2, completeness
            for node in (first, second):
                assert node.stop() == 0
                node.verify()


if __name__ == "__main__":
    main()
