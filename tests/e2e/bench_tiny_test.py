"""bench/run works: tiny, with work beside it, so that it never rots. It measures nothing here."""

import json
import subprocess
import sys

import harness

if __name__ == "__main__":
    with harness.workspace("bench_tiny") as work:
        subprocess.run([sys.executable, harness.ROOT / "bench/run", "--tiny", "--beside", "--probe", "--out", work / "figures.json"], check=True)
        figures = json.loads((work / "figures.json").read_text())["figures"]
        assert figures["backlog_events_per_s"] > 0 and figures["disk_bytes_per_event"] > 0, figures
        assert 0 < figures["probe_p50_ms_at_2000_per_s"] <= figures["probe_p99_ms_at_2000_per_s"], figures
        assert figures["explain_first_page_p99_ms_small_cold"] > 0 and figures["proofs_per_s"] > 0, figures
        subprocess.run([sys.executable, harness.ROOT / "bench/run", "--tiny", "--growth", "1,2", "--views", "2", "--out", work / "growth.json"], check=True)
        figures = json.loads((work / "growth.json").read_text())["figures"]
        for size in ("0.0001M", "0.0002M"):  # a tiny million is a hundred
            assert figures[f"backlog_events_per_s_{size}_purchases"] > 0 and figures[f"memory_mib_{size}_purchases"] > 0, figures
