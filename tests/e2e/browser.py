"""Chromium for the tests: web/tests/driver.mjs in a child process, one command a line."""

import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


class BrowserError(AssertionError):
    pass


class Browser:
    """`with Browser() as browser: browser.goto(url=…)`; each command is a method with the driver's names."""

    def __enter__(self):
        if shutil.which("chromium") is None or shutil.which("node") is None:
            print("chromium or node is missing: ops/install test")
            sys.exit(77)
        subprocess.run([ROOT / "web/build", "--packages"], check=True)
        self.process = subprocess.Popen(["node", ROOT / "web/tests/driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def __getattr__(self, name):
        def command(**given):
            self.process.stdin.write(json.dumps({"do": name, **given}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            if not line:
                raise BrowserError(f"{name} {given}: the browser has ended")
            answer = json.loads(line)
            if "error" in answer:
                raise BrowserError(f"{name} {given}: {answer['error']}")
            return answer["ok"]
        return command
