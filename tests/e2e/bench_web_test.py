"""bench/web works: tiny, so that it never rots. It measures nothing here."""

import json
import subprocess
import sys

import harness
import postgres

if __name__ == "__main__":
    if postgres.BINARIES is None:
        print("PostgreSQL is missing: ops/install bench")
        sys.exit(77)
    with harness.workspace("bench_web_tiny") as work:
        subprocess.run([sys.executable, harness.ROOT / "bench/web", "--tiny", "--out", work / "figures.json"], check=True)
        figures = json.loads((work / "figures.json").read_text())["figures"]
        assert figures["totals_per_s_idle"] > 0 and figures["stream_frames_per_s"] > 0 and figures["sink_transfers"] > 0, figures
