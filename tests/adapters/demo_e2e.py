"""The demo through a live server: the two published figures, after the demo was killed and the server restarted on the way."""

import json
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

CHECK = {"by": "district", "region": "63", "fiscal_year": "2023", "catalogue_kind": "local", "until": "2023-06-15"}
BAD_RECORDS = 93
SENT_AGAIN = 121  # by seed 1, on purpose


def entries(server) -> int:
    return sum(server.cut().values())


def main():
    with harness.workspace("adapters_demo") as work:
        server = harness.Server(work / "data")
        with server.start():
            # Killed on the way, three times; the server restarted once between.
            for after in (5_000, 60_000, 130_000):
                demo = subprocess.Popen(server.command("--url", server.url, "demo", "--rate", "20000"), stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
                harness.wait_until(f"{after} entries", lambda: entries(server) >= after, 120)
                demo.send_signal(signal.SIGKILL)
                demo.wait()
                if after == 60_000:
                    assert server.stop() == 0
                    server.start()
            done = server.run("--format", "json", "--url", server.url, "demo", "--rate", "0")
            report = json.loads(done.stdout)
            assert report["year_over"] and report["events_known_before"] > 100_000, report
            answer = server.get_json("/v1/totals", **CHECK)
            figures = {row["district"]: row["broad"] for row in answer["rows"]}
            assert answer["total"]["broad"] == "1200000000000.00", answer["total"]
            assert figures["63.09"] == "23000000000.00", figures
            assert len(figures) == 14, sorted(figures)
            # Nothing is missing: every purchase of the year; and little was sent twice: the facts near the three places.
            assert server.get_json("/v1/totals", by="feed")["total"]["packages"] > 30_000
            again = server.run("--format", "json", "--url", server.url, "demo", "--rate", "0")
            assert json.loads(again.stdout)["accepted"] == 0, again.stdout
            other = server.run("--url", server.url, "demo", "--seed", "2", check=False)
            assert other.returncode == 2 and "another demo" in other.stderr, (other.returncode, other.stderr)
            assert server.stop() == 0
            server.verify()
            print("Rp 1,200,000,000,000 and Rp 23,000,000,000, after three kills")

        # What an uninterrupted year has, the interrupted one has too: the same accepted events.
        whole = work / "year.ndjson"
        server.run("demo", "--rate", "0", "--out", str(whole))
        lines = whole.read_text().splitlines()
        ids = {json.loads(line)["id"] for line in lines}
        assert len(lines) - len(ids) == SENT_AGAIN, (len(lines), len(ids))
        with server.start():
            statuses = server.get_json("/v1/status")
            accepted = count_accepted(statuses)
            # Bisection passes what is earlier than the newest event unsent: none of it may be missing.
            assert accepted == len(ids), (accepted, len(ids))


def count_accepted(status: dict) -> int:
    """The sum of all partitions' accepted entries, wherever the status has them."""
    found = []

    def walk(value):
        if isinstance(value, dict):
            if "accepted" in value and isinstance(value["accepted"], int):
                found.append(value["accepted"])
            for each in value.values():
                walk(each)
        elif isinstance(value, list):
            for each in value:
                walk(each)

    walk(status)
    assert found, f"no accepted counts in the status: {status}"
    return sum(found)


main()
