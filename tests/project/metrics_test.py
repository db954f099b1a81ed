"""/metrics is what Prometheus expects: promtool finds nothing to complain about, and what operators need is there."""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402


class Metrics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("promtool") is None:
            print("promtool is missing: ops/install test")
            sys.exit(77)

    def test_promtool_is_content(self):
        with harness.workspace("metrics") as work, harness.Server(work / "data") as server:
            server.start()
            answer = server.post_events([harness.purchase_event(number) for number in range(20)])
            self.assertEqual(answer.status, 200, answer.body[:500])
            server.post_events([{"specversion": "0.3"}])
            server.get("/v1/totals", by="region", min_cut=f"0={server.committed()['0']}")
            server.get("/v1/nowhere")
            text = server.get("/metrics").body.decode()
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(done.stdout + done.stderr, "")
            names = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
            self.assertGreater(len(names), 15, names)
            self.assertEqual([name for name in names if not name.startswith("bukubesar_")], [])
            for part in ("offset", "lag", "verdict", "gap", "commit", "fsync", "visible", "projection", "queue", "memory", "http"):
                self.assertTrue(any(part in name for name in names), f"no metric about {part}: {sorted(names)}")
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
