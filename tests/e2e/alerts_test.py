"""Alerts for people: what fires is a function of the cut; each firing is posted once, signed, whatever the webhook does meanwhile."""

import hashlib
import hmac
import http.server
import json
import pathlib
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

SECRET = b"a secret of the test"


class Webhook:
    """Answers as it is told: hang, refuse or take; remembers what it took."""

    def __init__(self, mode: str):
        self.mode, self.taken, self.attempts = mode, [], 0
        self.released = threading.Event()
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body, mode = self.rfile.read(int(self.headers["Content-Length"])), hook.mode
                hook.attempts += 1
                if mode == "hang":
                    hook.released.wait(30)
                    return
                if mode == "take":
                    hook.taken.append((dict(self.headers), body))
                self.send_response(204 if mode == "take" else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?from=bukubesar"

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Alerts(unittest.TestCase):
    def webhook(self, mode: str = "hang") -> Webhook:
        hook = Webhook(mode)
        self.addCleanup(hook.close)
        return hook

    def rules(self, work: pathlib.Path, hook: Webhook):
        """A webhook that hangs has a short time; one that takes has all it needs, or it is posted to again and takes twice."""
        data = work / "data"
        data.mkdir(exist_ok=True)
        (work / "secret").write_bytes(SECRET + b"\n")
        (work / "secret").chmod(0o600)
        rules = json.loads("\n".join(line.split("//")[0] for line in (harness.ROOT / "config/alerts.json").read_text(encoding="utf-8").splitlines()))
        rules |= {"interval_ms": 50, "webhook": {"url": hook.url, "secret_file": str(work / "secret"), "timeout_ms": 300 if hook.mode == "hang" else 30_000}}
        (data / "alerts.json").write_text(json.dumps(rules), encoding="utf-8")

    def post(self, server: harness.Server, events: list) -> str:
        answer = server.post_events(events)
        self.assertEqual({each["verdict"] for each in answer.json()["results"]}, {"accepted"}, answer.body[:300])
        return harness.cut_text(server.caught_up())

    def firing(self, server: harness.Server, **query) -> dict:
        return {(one["alert"], one["key"]): one for one in server.get_json("/v1/alerts", **query)["firing"]}

    def test_each_firing_is_delivered_once(self):
        hook = self.webhook()
        with harness.workspace("alerts") as work, harness.Server(work / "data", settings={"log.level": "trace"}) as server:
            self.rules(work, hook)
            server.start()
            quiet = self.post(server, [harness.purchase_event(1, amount=10**9, scale="small")])
            low = self.post(server, [harness.purchase_event(2, amount=9 * 10**9, scale="large", vendor="v-2")])
            share = ("umkk_share_low", "63.09")
            first = harness.wait_until("the share to fire", lambda: self.firing(server).get(share))
            self.assertIn("10.00 %", first["detail"]["en"])
            self.assertIn("10,00 % dari Rp 10.000.000.000,00", first["detail"]["id"])
            self.assertEqual((first["kind"], first["about"], first["values"]["share"]), ("share_below", {"district": "63.09"}, "10.00"))
            # A webhook that hangs costs nobody else.
            harness.wait_until("an attempt", lambda: hook.attempts > 0)
            begin = time.monotonic()
            for _ in range(20):
                server.get_json("/v1/totals", by="region")
            self.assertLess(time.monotonic() - begin, 10 * harness.PATIENCE)
            self.assertIs(self.firing(server)[share]["delivered"], False)
            metrics = server.get("/metrics").body.decode()
            self.assertIn('bukubesar_alerts_firing{severity="warning"} 1', metrics)
            self.assertIn("bukubesar_alerts_undelivered 1", metrics)
            split = self.post(server, [harness.purchase_event(10 + n, amount=150_000_000, scale="small", vendor="v-9") for n in range(3)])
            harness.wait_until("the split to fire", lambda: ("splitting", "D262 v-9 2023-05") in self.firing(server))
            # As of a cut, whenever one asks.
            self.assertEqual(self.firing(server, as_of=quiet), {})
            self.assertEqual(set(self.firing(server, as_of=low)), {share})
            self.assertEqual(set(self.firing(server, as_of=split)), {share, ("splitting", "D262 v-9 2023-05")})
            hook.mode = "refuse"
            hook.released.set()
            before = hook.attempts
            harness.wait_until("a refusal", lambda: hook.attempts > before)
            self.assertEqual(server.stop(), 0)
            hook.mode = "take"
            self.rules(work, hook)
            server.start()  # nothing of it is forgotten
            harness.wait_until("both to be delivered", lambda: len(hook.taken) >= 2)
            harness.wait_until("that to be known", lambda: all(one["delivered"] for one in self.firing(server).values()))
            self.assertEqual(self.firing(server)[share]["id"], first["id"])
            self.delivered_as_promised(hook, server)
            self.ends(server, share)
            self.assertEqual(server.stop(), 0)
            server.start()
            attempts = hook.attempts
            self.post(server, [harness.purchase_event(50, amount=5)])
            harness.wait_until("a look", lambda: server.get_json("/v1/alerts")["cut"].get("0") == server.committed()["0"])
            self.assertEqual((hook.attempts, len(hook.taken)), (attempts, 2), "a firing was posted again")
            self.tells_nobody(server)
            self.assertEqual(server.stop(), 0)
            server.verify()

    def tells_nobody(self, server: harness.Server):
        """The secret that firings are signed with, whatever became of them."""
        shown = [server.get(path).body for path in ("/v1/status", "/v1/alerts", "/metrics")]
        kept = [path.read_bytes() for path in (server.log_path, server.data / "alerts.jsonl")]
        for each in shown + kept:
            self.assertTrue(each)
            self.assertNotIn(SECRET, each)

    def delivered_as_promised(self, hook: Webhook, server: harness.Server):
        ids = set()
        for headers, body in hook.taken:
            want = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
            self.assertEqual(headers["Bukubesar-Signature"], f"sha256={want}")
            said = json.loads(body)
            self.assertEqual(headers["Bukubesar-Firing"], said["id"])
            self.assertTrue(said["title"]["id"] and said["title"]["en"] and said["severity"])
            self.assertTrue(said["detail"]["id"] != said["detail"]["en"] and said["values"] and said["kind"], said)
            ids.add(said["id"])
        self.assertEqual(ids, {one["id"] for one in self.firing(server).values()})
        self.assertEqual(len(hook.taken), 2)

    def ends(self, server: harness.Server, share: tuple):
        self.post(server, [harness.purchase_event(30, amount=9 * 10**9, scale="small", vendor="v-3")])
        harness.wait_until("the share to end", lambda: share not in self.firing(server))
        lines = [json.loads(line) for line in (server.data / "alerts.jsonl").read_text(encoding="utf-8").splitlines()]
        self.assertEqual([line["what"] for line in lines if line["alert"] == share[0]], ["began", "delivered", "ended"])
        self.assertIn("umkk_share_low", server.log())

    def test_a_restart_ends_nothing_and_posts_nothing_again(self):
        """Also where the standing views take longer to build than the first look is away."""
        hook = self.webhook("take")
        with harness.workspace("alerts") as work, harness.Server(work / "data") as server:
            self.rules(work, hook)
            server.start()
            server.run("--url", server.url, "demo", "--rate", "0", "--purchases", "3000", "--until", "2023-04-01", timeout=120)

            def settled() -> bool:
                alerts, file = server.get_json("/v1/alerts"), server.data / "alerts.jsonl"  # the file comes with what fires first
                whole_lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
                lines = [json.loads(line) for line in whole_lines]
                said = {what: {line["id"] for line in lines if line["what"] == what} for what in ("began", "delivered")}
                # What has ended since is posted, too.
                return alerts["cut"] == server.committed() and bool(alerts["firing"]) and said["began"] == said["delivered"]
            harness.wait_until("the webhook to have all", settled)
            before = (server.data / "alerts.jsonl").read_text(encoding="utf-8")
            for _ in range(3):
                self.assertEqual(server.stop(), 0)
                server.start()
                self.assertTrue(server.get_json("/v1/alerts")["firing"], "what fired stands from the start on")
                harness.wait_until("a look at figures", lambda: server.get_json("/v1/alerts")["cut"] == server.committed())
            self.assertEqual((server.data / "alerts.jsonl").read_text(encoding="utf-8"), before)
            self.assertEqual(len(hook.taken), len({headers["Bukubesar-Firing"] for headers, _ in hook.taken}))

    def test_a_new_webhook_is_not_told_what_began_before_there_was_one(self):
        hook = self.webhook("take")
        with harness.workspace("alerts") as work, harness.Server(work / "data") as server:
            self.rules(work, hook)
            file = server.data / "alerts.json"
            with_webhook = json.loads(file.read_text(encoding="utf-8"))
            file.write_text(json.dumps(with_webhook | {"webhook": {"url": "", "secret_file": ""}}), encoding="utf-8")
            server.start()
            self.post(server, [harness.purchase_event(1, amount=9 * 10**9, scale="large")])
            harness.wait_until("the share to fire", lambda: self.firing(server))
            self.assertEqual(server.get_json("/v1/alerts")["pending"], 0)
            self.assertEqual(server.stop(), 0)
            file.write_text(json.dumps(with_webhook), encoding="utf-8")
            server.start()
            self.post(server, [harness.purchase_event(10 + n, amount=150_000_000, scale="small", vendor="v-9") for n in range(3)])
            harness.wait_until("the split to be delivered", lambda: len(hook.taken) >= 1)
            self.assertEqual([json.loads(body)["alert"] for _, body in hook.taken], ["splitting"])
            harness.wait_until("that to be noted, and no more to wait", lambda: server.get_json("/v1/alerts")["pending"] == 0)
            self.assertEqual(len(hook.taken), 1)

    def test_what_is_wrong_in_the_file_is_named(self):
        for content, what in [("{", "no JSON object"), ('{"alerts": [{"name": "x", "kind": "nope"}]}', "'x': kind: 'nope' is none of"),
                              ('{"alerts": [{"name": "x", "kind": "stalled", "severity": "info", "title": {"id": "a", "en": "b"}}]}', "'x': by: is missing"),
                              ('{"webhook": {"url": "http://127.0.0.1:1/"}}', "without a secret_file"), ('{"alert": []}', "unknown member 'alert'")]:
            with harness.workspace("alerts") as work, harness.Server(work / "data") as server:
                server.data.mkdir()
                (server.data / "alerts.json").write_text(content, encoding="utf-8")
                server.start(0)
                self.assertEqual(server.process.wait(60), 2, server.log())
                self.assertIn(what, server.log())


if __name__ == "__main__":
    unittest.main()
