"""README.md's commands work as they stand there: each `sh` block that follows a `<!-- tested -->` mark is run against a real server."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

ROOT = harness.ROOT
README_URL = "http://127.0.0.1:8080"


def tested_blocks(text: str) -> list:
    return re.findall(r"<!-- tested -->\n+```sh\n(.*?)```", text, re.DOTALL)


def commands(block: str) -> list:
    """One command a line; a line that ends in a backslash goes on."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")]


class Readme(unittest.TestCase):
    def test_the_first_look_is_the_same_in_the_readme_and_in_ops_run(self):
        lines = re.findall(r"^ *(curl .*)$", (ROOT / "ops/first-look").read_text(), re.MULTILINE)
        self.assertEqual(len(lines), 5)
        readme = (ROOT / "README.md").read_text()
        for line in lines:
            self.assertIn(line, readme)

    def test_every_tested_command_works(self):
        blocks = tested_blocks((ROOT / "README.md").read_text())
        self.assertGreaterEqual(len(blocks), 2)
        with harness.workspace("readme") as work, harness.Server(work / "data") as server:
            server.start()
            server.run("--url", server.url, "demo", "--rate", "0")
            # What the README's reader has by running from the project's root with defaults, this server has by environment.
            environment = {**os.environ, "BUKUBESAR_URL": server.url, "BUKUBESAR_DATA_DIR": str(server.data)}
            for command in [each for block in blocks for each in commands(block)]:
                line = command.replace(README_URL, server.url).replace("build/release/bukubesar", harness.BINARY)
                line = line.replace("curl -s ", "curl -fsS ")
                done = subprocess.run(["bash", "-o", "pipefail", "-ec", line], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120,
                                      check=False)
                self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
                self.assertNotEqual(done.stdout.strip(), "", command)
                if "until=2023-06-15" in line:
                    answer = json.loads(done.stdout)
                    self.assertEqual(answer["total"]["broad"], "1200000000000.00")
                    self.assertEqual([row["broad"] for row in answer["rows"] if row["district"] == "63.09"], ["23000000000.00"])
            self.assertEqual(server.stop(), 0)

    def test_blocks_are_found(self):
        self.assertEqual(tested_blocks("x\n<!-- tested -->\n```sh\na\nb \\\n c\n```\n```sh\nno\n```\n"), ["a\nb \\\n c\n"])
        self.assertEqual(commands("a\n# no\nb \\\n c\n"), ["a", "b   c"])


if __name__ == "__main__":
    unittest.main()
