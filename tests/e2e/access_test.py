"""TLS, tokens and roles, on the real binary: what is refused, what is read again without a restart, and that no secret shows anywhere."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

import certificates
import harness

ROLES = ("read", "audit", "ingest", "operate")


class Access(unittest.TestCase):
    def setUp(self):
        space = harness.workspace("access")
        self.work = space.__enter__()
        self.addCleanup(space.__exit__, None, None, None)
        self.authority = certificates.Authority(self.work / "certificates", "ours")
        self.certificate, self.key = (self.work / "server.pem", self.work / "server.key")
        self.install(*self.authority.sign("first"))
        self.secrets = []

    def install(self, certificate: pathlib.Path, key: pathlib.Path):
        """As a renewal does: first one file, then the other, each replaced whole."""
        for source, to in ((certificate, self.certificate), (key, self.key)):
            temporary = to.with_suffix(".tmp")
            shutil.copy(source, temporary)
            temporary.chmod(0o600)
            temporary.rename(to)

    def tls(self, **settings) -> dict:
        return {"http.tls_certificate_file": self.certificate, "http.tls_key_file": self.key, "log.level": "trace", **settings}

    def server(self, settings: dict, **more) -> harness.Server:
        return harness.Server(self.work / "data", settings=settings, **more)

    def token(self, server: harness.Server, name: str, *options: str) -> str:
        text = server.run("token", "new", name, *options).stdout.strip()
        self.secrets.append(text)
        return text

    def tokens_of_roles(self, server: harness.Server) -> dict:
        return {role: self.token(server, role, "--role", role) for role in ROLES}

    def refused(self, server: harness.Server, *arguments: str) -> str:
        """Why `serve` does not start."""
        done = server.run("serve", *arguments, check=False, timeout=60)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def serial(self, server: harness.Server) -> int:
        connection = server.connect()
        connection.connect()
        certificate = connection.sock.getpeercert()
        connection.close()
        return int(certificate["serialNumber"], 16)

    # ---- what does not start ----

    def test_beyond_loopback_needs_tls_and_tokens(self):
        open_address = {"http.address": "0.0.0.0"}
        self.assertIn("0.0.0.0 is not loopback: what can be reached from elsewhere needs TLS", self.refused(self.server(open_address)))
        server = self.server(self.tls(**open_address))
        self.assertIn("nobody could get in; make one with `bukubesar token new`", self.refused(server))
        self.token(server, "reader", "--role", "read")
        (self.work / "data/tokens.jsonl").chmod(0o640)
        self.assertIn("chmod 600 it", self.refused(server))
        (self.work / "data/tokens.jsonl").chmod(0o600)
        self.key.chmod(0o644)
        self.assertIn("mode 644 lets everybody at it", self.refused(server))
        self.install(self.authority.sign("a")[0], self.authority.sign("b")[1])
        self.assertIn("is not the key of", self.refused(server))
        self.certificate.write_text("nonsense")
        self.assertIn(f"http.tls_certificate_file {self.certificate}", self.refused(server))

    # ---- public reads ----

    def test_public_reads_are_reads_alone(self):
        with self.server({"http.address": "0.0.0.0", "http.insecure_public_read": "true"}) as server:
            token = self.token(server, "auditor", "--role", "read,audit,ingest,operate")
            server.start()
            answer = server.request("GET", "/v1/totals", headers={"Host": "ledger.example"})
            self.assertEqual(answer.status, 200, answer.body)
            for method, path in (("GET", "/payload/0/0"), ("GET", "/metrics"), ("POST", "/v1/events")):
                answer = server.request(method, path)
                self.assertEqual(answer.status, 401, path)
                self.assertIn("public reads alone", answer.json()["detail"])
            answer = server.request("GET", "/v1/totals", headers={"Authorization": f"Bearer {token}"})
            self.assertEqual(answer.status, 401)
            self.assertIn("travelled in clear", answer.json()["detail"])
            self.assertTrue(any("public reads without TLS" in warning for warning in server.get_json("/v1/status")["warnings"]))
            self.assertEqual(server.stop(), 0)

    # ---- the whole of it ----

    def test_tls_tokens_and_roles(self):
        with self.server(self.tls(**{"http.address": "0.0.0.0"}), ca=self.authority.certificate) as server:
            tokens = self.tokens_of_roles(server)
            writer = self.token(server, "importer", "--role", "read,ingest", "--rate", "0")
            server.start()
            self.assertEqual(server.get("/healthz").status, 200)
            self.assertEqual(server.get("/v1/totals").status, 401)
            server.token = tokens["ingest"]
            self.assertEqual(server.post_events([harness.purchase_event(1)]).status, 200)
            self.assertEqual(server.get("/v1/totals").status, 403)
            server.token = tokens["audit"]
            self.assertEqual(server.get("/payload/0/0").status, 200)
            server.token = tokens["read"]
            self.assertEqual(server.get_json("/v1/totals", min_cut="0=1")["total"]["packages"], 1)
            denied = server.get("/payload/0/0")
            self.assertEqual(denied.status, 403)
            self.assertIn("needs role audit; token read has read", denied.json()["detail"])
            self.assertIn('error="insufficient_scope", scope="audit"', denied.headers["WWW-Authenticate"])
            self.check_protocols(server)
            self.check_big_body_of_a_stranger(server)
            self.check_command_line(server, writer, tokens["read"])
            self.check_rate(server)
            self.check_revocation(server, tokens["read"])
            self.check_renewal(server, tokens["operate"])
            self.check_secrets(server, tokens)
            self.assertEqual(server.stop(), 0)
            server.verify()

    def check_protocols(self, server: harness.Server):
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises(ssl.SSLError), socket.create_connection(("127.0.0.1", server.port)) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.create_default_context(cafile=str(self.authority.certificate))
            context.minimum_version = context.maximum_version = version
            with socket.create_connection(("127.0.0.1", server.port)) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                self.assertIn(secure.version(), ("TLSv1.2", "TLSv1.3"))
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 400)
        self.assertIn(b"speaks HTTPS", answer.read())
        with socket.create_connection(("127.0.0.1", server.port)) as garbage:
            garbage.sendall(b"\x16\x03\x01\x02\x00\x01" + b"\x00" * 600)
            garbage.settimeout(30)
            while garbage.recv(4096):
                pass
        self.assertEqual(server.get("/healthz").status, 200)

    def check_big_body_of_a_stranger(self, server: harness.Server):
        """A body of 16 MiB that nobody will read is not waited for."""
        connection = server.connect(timeout=20)
        connection.putrequest("POST", "/v1/events")
        connection.putheader("Content-Length", str(16 << 20))
        connection.endheaders()
        self.assertEqual(connection.getresponse().status, 401)
        connection.close()

    def command(self, server: harness.Server, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("BUKUBESAR_")}
        return subprocess.run([harness.BINARY, *arguments], env=clean | {"BUKUBESAR_URL": server.url} | environment, capture_output=True, text=True,
                              timeout=120, check=False)

    def check_command_line(self, server: harness.Server, writer: str, reader: str):
        ca = str(self.authority.certificate)
        done = self.command(server, "--ca-file", ca, "demo", "--events", "60", "--rate", "0", BUKUBESAR_TOKEN=writer)
        self.assertEqual(done.returncode, 0, done.stderr)
        token_file = self.work / "reader.token"
        token_file.write_text(reader + "\n")
        self.assertIn("chmod 600", self.command(server, "--ca-file", ca, "--token-file", str(token_file), "totals").stderr)
        token_file.chmod(0o600)
        def events_in_totals() -> bool:
            done = self.command(server, "--ca-file", ca, "--token-file", str(token_file), "--format", "json", "totals")
            self.assertEqual(done.returncode, 0, done.stderr)
            return sum(json.loads(done.stdout)["cut"].values()) > 50
        harness.wait_until("the demo's events in totals", events_in_totals)
        done = self.command(server, "--ca-file", ca, "--token-file", str(token_file), "entries", "0", "0")
        self.assertEqual(done.returncode, 0, done.stderr)
        for what, wanted, arguments, environment in (
                ("no token", "HTTP 401: Unauthorized: this needs a token", ["--ca-file", ca, "totals"], {}),
                ("not trusted", "the server's certificate is not trusted: unable to get local issuer", ["totals"], {"BUKUBESAR_TOKEN": reader}),
                ("role", "HTTP 403: Forbidden: POST /v1/events needs role ingest", ["--ca-file", ca, "demo", "--events", "1", "--from-start"],
                 {"BUKUBESAR_TOKEN": reader}),
                ("in clear", "a token would travel in clear; use https", ["totals"],
                 {"BUKUBESAR_TOKEN": reader, "BUKUBESAR_URL": "http://192.0.2.1:1"}),
                ("argument", "--token", ["--token", "x", "totals"], {})):
            done = self.command(server, *arguments, **environment)
            self.assertEqual(done.returncode, 2, f"{what}: {done.stdout}{done.stderr}")
            self.assertIn(wanted, done.stderr, what)
            self.assertNotIn(reader, done.stderr)

    def check_rate(self, server: harness.Server):
        slow = self.token(server, "slow", "--role", "read", "--rate", "1", "--burst", "3")
        harness.wait_until("the new token to count", lambda: server.request("GET", "/v1/cut", headers={"Authorization": f"Bearer {slow}"}).status != 401, 20)
        answers = [server.request("GET", "/v1/cut", headers={"Authorization": f"Bearer {slow}"}) for _ in range(6)]
        limited = [answer for answer in answers if answer.status == 429]
        self.assertTrue(limited, [answer.status for answer in answers])
        self.assertGreaterEqual(int(limited[0].headers["Retry-After"]), 1)

    def check_revocation(self, server: harness.Server, reader: str):
        server.token = reader
        self.assertEqual(server.get("/v1/cut").status, 200)
        server.run("token", "revoke", "read")
        harness.wait_until("the token to end", lambda: server.get("/v1/cut").status == 401, 20)
        self.assertIn("the token was revoked", server.get("/v1/cut").json()["detail"])
        listed = {each["id"]: each for each in json.loads(server.run("--format", "json", "token", "list").stdout)}
        self.assertEqual(listed["read"]["state"], "revoked")
        self.assertEqual(listed["slow"]["requests_per_second"], 1)

    def metric(self, server: harness.Server, name: str) -> float:
        lines = [line for line in server.get("/metrics").body.decode().splitlines() if line.startswith(name + " ")]
        return float(lines[0].split()[-1]) if lines else 0.0

    def check_renewal(self, server: harness.Server, operator: str):
        server.token = operator
        kept = server.connect()
        kept.request("GET", "/healthz")
        self.assertEqual(kept.getresponse().read(), b"ok\n")
        before = self.serial(server)
        renewed = self.authority.sign("renewed")
        self.install(*renewed)
        harness.wait_until("the renewed certificate", lambda: self.serial(server) != before, 20)
        kept.request("GET", "/healthz")
        self.assertEqual(kept.getresponse().read(), b"ok\n", "a connection that stands goes on")
        kept.close()
        # One that cannot be used leaves what stands, and is counted; SIGHUP asks for it at once.
        failed = 'bukubesar_http_reloads_total{file="certificate",result="failed"}'
        now, failures = self.serial(server), self.metric(server, failed)
        self.certificate.write_text("nonsense")
        harness.wait_until("the failure to be counted", lambda: self.metric(server, failed) > failures, 20)
        self.assertEqual(self.serial(server), now)
        failures = self.metric(server, failed)
        server.process.send_signal(signal.SIGHUP)
        harness.wait_until("SIGHUP to be heard", lambda: self.metric(server, failed) > failures, 20)
        self.assertIn("the certificate was not read again, the one read before stays in use", server.log())
        self.install(*renewed)
        done = 'bukubesar_http_reloads_total{file="certificate",result="done"}'
        loads = self.metric(server, done)
        server.process.send_signal(signal.SIGHUP)
        harness.wait_until("the reload to be counted", lambda: self.metric(server, done) > loads, 20)

    def check_secrets(self, server: harness.Server, tokens: dict):
        server.token = tokens["operate"]
        shown = {"log": server.log(), "metrics": server.get("/metrics").body.decode(), "config": server.run("config", "show").stdout,
                 "list": server.run("token", "list").stdout, "file": (self.work / "data/tokens.jsonl").read_text(),
                 "key file": server.run("key", "show").stdout}
        late = self.token(server, "late", "--role", "read")
        harness.wait_until("the new token to count", lambda: server.request("GET", "/v1/cut", headers={"Authorization": f"Bearer {late}"}).status == 200, 20)
        server.token = late
        shown["status"] = server.get("/v1/status").body.decode()
        hidden = list(self.secrets)
        hidden += [line for line in self.key.read_text().splitlines() if not line.startswith("-----")]
        hidden += (self.work / "data/signing.key").read_text().splitlines()[-1:]
        for where, text in shown.items():
            self.assertGreater(len(text), 10, where)
            for secret in hidden:
                self.assertNotIn(secret, text, f"a secret shows in {where}")
                self.assertNotIn(secret.rsplit("_", 1)[-1], text, f"a secret shows in {where}")


if __name__ == "__main__":
    certificates.need_openssl()
    unittest.main()
