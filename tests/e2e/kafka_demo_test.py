"""The demo through a real broker: the two published figures, to the rupiah, however it got there."""

import harness


def check_figures(server: harness.Server):
    minimum = harness.cut_text(server.committed())
    answer = server.get_json("/v1/totals", by="district", region="63", fiscal_year="2023", catalogue_kind="local", until="2023-06-15", min_cut=minimum)
    rows = {row["district"]: row for row in answer["rows"]}
    assert answer["total"]["broad"] == "1200000000000.00", answer["total"]
    assert rows["63.09"]["broad"] == "23000000000.00", rows["63.09"]
    return answer


def main():
    with harness.workspace("demo") as work, harness.Kafka(work / "kafka") as kafka:
        with harness.Server(work / "http", kafka=kafka.bootstrap) as server:
            server.start()
            server.run("--url", server.url, "demo", "--rate", "0")
            by_http = check_figures(server)
            assert server.stop() == 0
            server.verify()
        # A second node with the same definition, reading the same topics, has the same roots and the same answers (I5).
        with harness.Server(work / "second", kafka=kafka.bootstrap) as second:
            second.data.mkdir()
            (second.data / "definition.jsonl").write_bytes((server.data / "definition.jsonl").read_bytes())
            second.start()
            cut = by_http["cut"]
            harness.wait_until("the second node to catch up", lambda: all(second.cut().get(p, 0) >= n for p, n in cut.items()), 120)
            assert check_figures(second) == by_http
            assert second.stop() == 0
            second.verify()


if __name__ == "__main__":
    main()
