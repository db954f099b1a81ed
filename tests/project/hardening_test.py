"""The release build and the systemd unit are as hard as docs/SECURITY.md says: read out of the binary, how its sources were compiled, the unit,
and a run's system calls."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402

BUILD = pathlib.Path(harness.BINARY).parent
UNIT = ROOT / "ops/systemd/bukubesar.service"
# What the unit leaves open, and needs: HTTP and Kafka come over the network, RocksDB's threads lower their own disk priority, and addresses to
# allow are the operator's to know.
LEFT_OPEN = {"SystemCallFilter=~@resources", "RootDirectory=/RootImage=", "RestrictAddressFamilies=~AF_UNIX",
             "RestrictAddressFamilies=~AF_(INET|INET6)", "PrivateNetwork=", "DeviceAllow=", "IPAddressDeny="}
EXPOSURE_MAX = 1.3  # of 10, as systemd-analyze counts


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def readelf(*options: str) -> str:
    return output("readelf", "-W", *options, harness.BINARY)


class Binary(unittest.TestCase):
    def test_it_loads_anywhere_and_cannot_be_rewritten(self):
        dynamic = dict(re.findall(r"\((\w+)\)\s+(.*)", readelf("-d")))
        self.assertIn("PIE", dynamic["FLAGS_1"].split())
        self.assertIn("NOW", dynamic["FLAGS_1"].split(), "the table of functions is filled in before main(), and read-only then")
        self.assertEqual({"TEXTREL", "RPATH", "RUNPATH"} & set(dynamic), set())
        segments = readelf("-l")
        self.assertRegex(segments, r"\bGNU_RELRO\b")
        stack, = re.findall(r"GNU_STACK\s+(?:0x\w+\s+){5}([RWE ]+?)\s+0x", segments)
        self.assertEqual(stack.strip(), "RW")
        for flags in re.findall(r"LOAD\s+(?:0x\w+\s+){5}([RWE ]+?)\s+0x", segments):
            self.assertFalse({"W", "E"} <= set(flags), f"a segment with {flags}")

    def test_buffers_are_guarded(self):
        symbols = set(re.findall(r" UND (\w+)@", readelf("--dyn-syms")))
        self.assertGreater(len(symbols), 100)
        self.assertTrue("__stack_chk_fail" in symbols, "-fstack-protector-strong")
        self.assertTrue({name for name in symbols if re.fullmatch(r"__\w+_chk", name)}, "_FORTIFY_SOURCE: no checked form of a function is used")

    def test_each_translation_unit_was_compiled_so(self):
        compiled = re.findall(r"DW_AT_producer\s.*?: (GNU C\+\+.*)\n(?:.*\n)*?.*DW_AT_name\s.*?: (\S+)\n",
                              readelf("--debug-dump=info", "--dwarf-depth=1"))
        self.assertGreater(len(compiled), 30, "the debug information names each translation unit, eight sources in most")
        for producer, name in compiled:
            for flag in ("-O2", "-fPIE", "-fstack-protector-strong", "-fstack-clash-protection"):
                self.assertIn(flag, producer.split(), name)
        # Macros do not stand there.
        commands = {each["file"]: each["command"].split() for each in json.loads((BUILD / "compile_commands.json").read_text())}
        for _, name in compiled:
            fortified = [flag for flag in commands[os.path.normpath(BUILD / name)] if re.match(r"-[DU]_FORTIFY_SOURCE", flag)]
            self.assertEqual(fortified[-1:], ["-D_FORTIFY_SOURCE=2"], name)


class Unit(unittest.TestCase):
    def setUp(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is missing: ops/install test")

    def test_the_sandbox_leaves_open_what_is_needed_alone(self):
        found = json.loads(output("systemd-analyze", "security", "--offline=yes", "--json=short", str(UNIT)))
        self.assertGreater(len(found), 60)
        # Where a setting's value is a matter of degree, "set" is false beside an exposure of zero.
        opened = {each["name"] for each in found if not each["set"] and float(each["exposure"] or 0) > 0}
        self.assertEqual(opened, LEFT_OPEN)
        overall = subprocess.run(["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE_MAX * 10:.0f}", str(UNIT)],
                                 capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(overall.returncode, 0, overall.stdout.splitlines()[-1:])

    def test_its_settings_are_known(self):
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(UNIT)], capture_output=True, text=True, timeout=60, check=False)
        said = [line for line in done.stderr.splitlines() if "is not executable" not in line and UNIT.name in line]
        self.assertEqual(said, [])

    def test_a_run_needs_no_system_call_that_the_filter_kills_for(self):
        if shutil.which("strace") is None:
            self.skipTest("strace is missing: ops/install test")
        allowed = self.allowed_calls()
        self.assertIn("read", allowed)
        self.assertNotIn("mount", allowed)
        with harness.workspace("hardening") as work:
            trace = work / "trace"
            prefix = ["strace", "-f", "-qq", "-c", "-S", "name", "-U", "name", "-o", str(trace)]
            with harness.Server(work / "data", prefix=prefix) as server:
                server.start()
                pid = int(output("pgrep", "-P", str(server.process.pid)).split()[0])
                self.assertEqual(server.post_events([harness.purchase_event(number) for number in range(50)]).status, 200)
                server.get_json("/v1/totals", by="region")
                server.get_json("/v1/completeness")
                os.kill(pid, 15)
                self.assertEqual(server.process.wait(60), 0)
            used = {line.strip() for line in trace.read_text().splitlines()} - {""}
        calls = {name for name in used if re.fullmatch(r"[a-z_0-9]+", name)} - {"syscall", "total"}
        self.assertTrue({"accept", "fdatasync", "write"} <= calls, f"the trace has the run: {sorted(calls)}")
        self.assertEqual(calls - allowed, set())

    def allowed_calls(self) -> set:
        """As the unit's lines of SystemCallFilter say, sets taken apart."""
        allowed: set = set()
        for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
            calls = {call for name in line.lstrip("~").split() for call in self.calls_of(name)}
            allowed = allowed - calls if line.startswith("~") else allowed | calls
        return allowed

    def calls_of(self, name: str) -> set:
        if not name.startswith("@"):
            return {name}
        lines = [line.strip() for line in output("systemd-analyze", "syscall-filter", "--no-pager", name).splitlines()[1:]]
        return {call for line in lines if line and not line.startswith("#") for call in self.calls_of(line)}


if __name__ == "__main__":
    unittest.main()
