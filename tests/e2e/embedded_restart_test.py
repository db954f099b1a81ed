"""The embedded broker's offsets begin again at each start; the ledger does not: ids stay accepted once, for ever (I4)."""

import harness


def stops_right_after_the_start(server: harness.Server):
    """From the moment that it says that it is ready a signal is the designed stop, which drains and signs."""
    for _ in range(10):
        before = len(server.log())
        server.start(ready_seconds=0)
        server.wait_ready(pause=0)
        assert server.stop() == 0
        said = server.log()[before:]
        assert "while starting" not in said and said.rstrip().endswith("stopped"), said
    server.verify()


def main():
    with harness.workspace("embedded") as work, harness.Server(work / "data") as server:
        server.start()
        events = [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(300)]
        first = server.post_events(events).json()["results"]
        assert [result["verdict"] for result in first] == ["accepted"] * 300, first[:3]
        server.kill()

        server.start()
        again = server.post_events(events).json()["results"]
        for before, after in zip(first, again):
            assert after["verdict"] == "duplicate" and after["reason"] == "same", after
            assert after["duplicate_of"] == before["sequence"], (before, after)
        changed = harness.purchase_event(7, amount=5, stage="completed", event_id=events[7]["id"])
        answer = server.post_events([changed]).json()["results"][0]
        assert (answer["verdict"], answer["reason"], answer["duplicate_of"]) == ("duplicate", "different", first[7]["sequence"]), answer

        statements = [entry for entry in server.get_json("/v1/entries/0", limit=1000)["entries"] if entry["kind"] == "source_statement"]
        assert len(statements) == 1 and statements[0]["sequence"] == 300, statements
        minimum = harness.cut_text(server.committed())
        total = server.get_json("/v1/totals", by="region", min_cut=minimum)["total"]
        assert total["packages"] == 300 and total["strict"] == harness.rupiah(sum(1_000 + n for n in range(300))), total

        assert server.stop() == 0
        server.verify()
        server.start()  # a third epoch, after a clean stop
        assert server.get_json("/v1/totals", by="region")["total"] == total
        assert server.stop() == 0
        server.verify()
        stops_right_after_the_start(server)


if __name__ == "__main__":
    main()
