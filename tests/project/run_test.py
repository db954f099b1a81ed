"""ops/run as a new user sees it: a server, the demo streaming in, five lines that work; Ctrl-C ends it cleanly; it goes on next time."""

import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

ROOT = harness.ROOT


class Run:
    """ops/run in a session of its own, as a terminal would start it."""

    def __init__(self, data: pathlib.Path, port: int, *arguments: str):
        self.port, self.out_path = port, data.parent / f"{data.name}.out"
        with open(self.out_path, "wb") as out:
            self.process = subprocess.Popen([ROOT / "ops/run", "--port", str(port), "--data", str(data), *arguments], stdout=out,
                                            stderr=subprocess.STDOUT, start_new_session=True, env={**os.environ, "BUKUBESAR_BINARY": harness.BINARY})

    def out(self) -> str:
        return self.out_path.read_text()

    def wait_listed(self):
        def listed():
            if self.process.poll() is not None:
                raise AssertionError(f"ops/run ended with {self.process.returncode}:\n{self.out()}")
            return "Ctrl-C stops it" in self.out()
        harness.wait_until("the printed list", listed, 120)

    def get(self, path: str):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return json.loads(answer.read())
        finally:
            connection.close()

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to the foreground process group."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(120)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)
        if kind is not None:
            sys.stderr.write(f"--- ops/run said ---\n{self.out()[-6000:]}\n")


class OpsRun(unittest.TestCase):
    def test_a_first_and_a_second_run(self):
        self.first_and_second_run()

    def test_the_same_on_real_kafka(self):
        self.first_and_second_run("--kafka")

    def first_and_second_run(self, *arguments: str):
        with harness.workspace("run") as work:
            data, port = work / "var", harness.free_port()
            with Run(data, port, *arguments) as run:
                run.wait_listed()
                harness.wait_until("purchases", lambda: run.get("/v1/totals?by=district&region=63")["total"]["packages"] > 0, 120)
                lines = re.findall(r"^ +(curl .*)$", run.out(), re.MULTILINE)
                self.assertEqual(len(lines), 5, run.out())
                for line in lines:
                    self.assertIn(f"http://127.0.0.1:{port}/", line)
                    done = subprocess.run(["bash", "-c", line.replace("curl -s ", "curl -fsS ")], capture_output=True, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 0, f"{line}: {done.stderr}")
                    self.assertNotEqual(done.stdout, "", line)
                cut = run.get("/v1/cut")["cut"]
                self.assertEqual(run.interrupt(), 0, run.out())
            with socket.socket() as free:
                free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                free.bind(("127.0.0.1", port))  # nothing of it is left
            with Run(data, port, *arguments) as run:
                run.wait_listed()
                again = run.get("/v1/cut")["cut"]
                for partition, size in cut.items():
                    self.assertGreaterEqual(again[partition], size)
                grown = lambda: run.get("/v1/cut")["cut"]["0"] > again["0"]  # noqa: E731
                harness.wait_until("the stream to go on", grown, 120)
                self.assertEqual(run.interrupt(), 0, run.out())
            verify = subprocess.run([harness.BINARY, "--data", str(data / "data"), "verify"], capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(verify.returncode, 0, verify.stdout + verify.stderr)

    def test_a_port_in_use_is_said_at_once(self):
        with harness.workspace("run_port") as work, socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = subprocess.run([ROOT / "ops/run", "--port", str(taken.getsockname()[1]), "--data", str(work / "var")], capture_output=True, text=True,
                                  timeout=60, check=False, env={**os.environ, "BUKUBESAR_BINARY": harness.BINARY})
            self.assertEqual(done.returncode, 1)
            self.assertIn("is in use", done.stderr)


if __name__ == "__main__":
    unittest.main()
