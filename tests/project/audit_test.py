"""docs/AUDIT.md's commands work as they stand there, one after another, against a server with the demo's year in it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

GUIDE_URL = "http://127.0.0.1:8080"


class Audit(unittest.TestCase):
    def test_every_tested_command_of_the_guide_works(self):
        blocks = re.findall(r"<!-- tested -->\n+```sh\n(.*?)```", (harness.ROOT / "docs/AUDIT.md").read_text(), re.DOTALL)
        self.assertGreaterEqual(len(blocks), 6)
        with harness.workspace("audit") as work, harness.Server(work / "data") as server:
            server.start()
            server.run("--url", server.url, "demo", "--rate", "0")
            harness.wait_until("a checkpoint of all", lambda: server.signed_size("/log/0/checkpoint") == server.committed()["0"])
            tools, desk = work / "tools", work / "desk"
            tools.mkdir()
            desk.mkdir()
            (tools / "bukubesar").symlink_to(harness.BINARY)
            self.assertIsNotNone(shutil.which("jq"), "jq is missing: ops/install test")
            environment = {**os.environ, "BUKUBESAR_URL": server.url, "PATH": f"{tools}:{os.environ['PATH']}"}
            for block in blocks:
                script = block.replace(GUIDE_URL, server.url).replace("curl -s ", "curl -fsS ")
                done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=desk, env=environment, capture_output=True, text=True, timeout=120,
                                      check=False)
                self.assertEqual(done.returncode, 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
                self.assertNotEqual(done.stdout.strip(), "", block)
                self.assertNotIn("NOT complete", done.stdout)


if __name__ == "__main__":
    unittest.main()
