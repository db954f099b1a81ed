"""bench/run --peer works, tiny: the peers build and run, their views equal ours, and one wrong row would be noticed."""

import copy
import json
import subprocess
import sys

import harness

sys.path.insert(0, str(harness.ROOT / "bench"))
import peers  # noqa: E402


def a_wrong_row_is_noticed():
    ours = {"scales": {("small",): [2, 500, 0, 500, 0, 0], ("large",): [0, 0, 0, 0, 0, 0]}}
    report = {"views": {"scales": [[["small"], [2, 500, 0, 500, 0, 0]]]}}
    assert peers.differences(ours, report) == []  # a row of zeros is no row
    wrong = copy.deepcopy(report)
    wrong["views"]["scales"][0][1][5] = 1
    more = {"views": {"scales": [*report["views"]["scales"], [["medium"], [1, 0, 0, 0, 0, 0]]]}}
    for other in (wrong, more, {"views": {}}):
        assert len(peers.differences(ours, other)) == 1, other


if __name__ == "__main__":
    a_wrong_row_is_noticed()
    with harness.workspace("bench_peer") as work:
        subprocess.run([sys.executable, harness.ROOT / "bench/run", "--tiny", "--peer", "--only-backlog",
                        "--out", work / "figures.json"], check=True)
        figures = json.loads((work / "figures.json").read_text())["figures"]
        for name in peers.PEERS:
            assert figures[f"{name}_events_per_s"] > 0, figures
            assert all(figures[f"ratio_{what}_to_{name}"] > 0 for what in ("events_per_s", "cpu", "disk")), figures
