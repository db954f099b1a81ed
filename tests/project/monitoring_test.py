"""Rules, alerts and dashboards: promtool is content, each alert fires where it should, and every metric they name is in /metrics."""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

PROMETHEUS, GRAFANA = harness.ROOT / "ops/prometheus", harness.ROOT / "ops/grafana"
# What a node has only where it is a witness, shows a certificate, knows its lag, or its scrub has begun; server/metrics.cc makes them.
ELSEWHERE = {"bukubesar_witness_refused", "bukubesar_http_certificate_expires_seconds", "bukubesar_source_lag_records",
             "bukubesar_scrub_sequence_next", "bukubesar_scrub_sequence_limit"}


def promtool(*arguments, **more) -> subprocess.CompletedProcess:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, **more)


def expressions() -> list:
    """(where, PromQL) of every rule and panel."""
    text = (PROMETHEUS / "bukubesar.rules.yml").read_text(encoding="utf-8")
    found = [("rules", json.loads(quoted)) for quoted in re.findall(r"^ +expr: (\".*\")$", text, re.MULTILINE)]
    for file in sorted(GRAFANA.glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            found += [(f"{file.name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
    return found


class Monitoring(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if shutil.which("promtool") is None:
            print("promtool is missing: ops/install test")
            sys.exit(77)

    def test_rules_are_right_and_fire(self):
        done = promtool("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "bukubesar.rules.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = promtool("check", "config", PROMETHEUS / "prometheus.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        done = promtool("test", "rules", PROMETHEUS / "bukubesar.test.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_alert_is_tested_and_has_its_page(self):
        rules = (PROMETHEUS / "bukubesar.rules.yml").read_text(encoding="utf-8")
        tests = (PROMETHEUS / "bukubesar.test.yml").read_text(encoding="utf-8")
        headings = set(re.findall(r"^### (\w+)$", (harness.ROOT / "ops/RUNBOOK.md").read_text(encoding="utf-8"), re.MULTILINE))
        alerts = re.findall(r"- alert: (\w+)\n(.*?)(?=\n      - alert|\Z)", rules, re.DOTALL)
        self.assertGreater(len(alerts), 10)
        for name, text in alerts:
            self.assertRegex(text, r"severity: (critical|warning|info)")
            self.assertIn(f"name: {name} fires", tests)
            self.assertIn(f"name: {name} is silent", tests)
            self.assertIn(name, headings)
            self.assertIn(f"RUNBOOK.md#{name.lower()}", text)
        self.assertEqual({name for name in headings if name.startswith("Bukubesar")}, {name for name, _ in alerts})

    def test_dashboards_are_what_provisioning_reads(self):
        for file in GRAFANA.glob("*.json"):
            board = json.loads(file.read_text(encoding="utf-8"))
            self.assertIsNone(board["id"])
            self.assertRegex(board["uid"], r"^bukubesar-")
            self.assertNotIn("__inputs", board)
            self.assertIn("datasource", [each["type"] for each in board["templating"]["list"]])
            self.assertEqual(len({panel["id"] for panel in board["panels"]}), len(board["panels"]))
            for panel in board["panels"]:
                self.assertEqual(panel["datasource"]["uid"], "${datasource}", panel["title"])
                self.assertTrue(panel["description"] and panel["fieldConfig"]["defaults"]["unit"], panel["title"])

    def test_every_metric_is_there(self):
        with harness.workspace("monitoring") as work, harness.Server(work / "data") as server:
            server.start()
            server.post_events([harness.purchase_event(number) for number in range(5)])
            server.get("/v1/totals", min_cut=f"0={server.committed()['0']}")
            token = server.run("token", "new", "grafana", "--role", "read").stdout
            with_token = {"Authorization": "Bearer " + re.search(r"bkb_\S+", token)[0]}
            harness.wait_until("the token to count", lambda: server.request("GET", "/v1/cut", headers=with_token).status == 200)
            harness.wait_until("a signing", lambda: b"bukubesar_signings_total" in server.get("/metrics").body)
            text = server.get("/metrics").body.decode()
            there = set(re.findall(r"^(bukubesar_\w+)", text, re.MULTILINE))
            all_ = expressions()
            self.assertGreater(len(all_), 30)
            for where, expression in all_:
                for name in re.findall(r"\bbukubesar_\w+", expression):
                    if name in ELSEWHERE:
                        self.assertIn(f'"{name}"', (harness.ROOT / "server/metrics.cc").read_text(encoding="utf-8"), where)
                    else:
                        self.assertIn(name, there, where)
            rules = {"groups": [{"name": "panels", "rules": [
                {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m").replace("$instance", ".*")}
                for number, (_, expression) in enumerate(all_)]}]}
            file = work / "panels.yml"  # JSON is YAML
            file.write_text(json.dumps(rules), encoding="utf-8")
            done = promtool("check", "rules", file)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
