"""A real broker with SASL_SSL, client certificates and access rules: what a node says and does with the right password, a wrong one, a broker's
certificate that is not trusted, a client certificate that is right, missing or somebody else's, and a principal without rights. Nothing ends, intake waits and goes on by itself once things are right, and no secret shows."""

import pathlib
import shutil
import unittest

import certificates
import harness


class Secure(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        space = harness.workspace("kafka_secure")
        cls.work = space.__enter__()
        cls.addClassCleanup(space.__exit__, None, None, None)
        cls.kafka = harness.Kafka(cls.work / "kafka", secure=True)
        cls.addClassCleanup(cls.kafka.stop)
        cls.kafka.start()
        cls.secure = cls.work / "kafka/secure"
        cls.stranger_ca = certificates.Authority(cls.work / "other", "other").certificate

    def password_file(self, user: str) -> pathlib.Path:
        """A copy that a test may change."""
        copy = self.work / f"{self.id().rsplit('.', 1)[-1]}.password"
        shutil.copy(self.secure / f"{user}.password", copy)
        copy.chmod(0o600)
        return copy

    def server(self, name: str, password: pathlib.Path, *, user: str = "bukubesar", **settings) -> harness.Server:
        return harness.Server(self.work / name, kafka=self.kafka.bootstrap, settings={
            "broker.security_protocol": "sasl_ssl", "broker.ca_file": self.secure / "ca.pem", "broker.sasl_username": user,
            "broker.sasl_password_file": password, "broker.purchases_topic": f"bukubesar.{name}.purchases",
            "broker.reference_topic": f"bukubesar.{name}.reference", "log.level": "trace", **settings})

    def with_certificate(self, name: str, certificate: pathlib.Path | str, key: pathlib.Path | str) -> harness.Server:
        return harness.Server(self.work / name, kafka=self.kafka.certificate_bootstrap, settings={
            "broker.security_protocol": "ssl", "broker.ca_file": self.secure / "ca.pem", "broker.client_certificate_file": certificate,
            "broker.client_key_file": key, "broker.purchases_topic": f"bukubesar.{name}.purchases",
            "broker.reference_topic": f"bukubesar.{name}.reference"})

    def waits(self, server: harness.Server, says: str) -> list:
        """Intake waits for the broker, for this reason; returns the sources' status."""
        def found():
            sources = server.get_json("/v1/status")["sources"]
            return sources if all(each["state"] == "waiting_for_broker" and says in (each["why"] or "") for each in sources) else None
        return harness.wait_until(f"intake to wait because of: {says}", found, 90)

    def streams(self, server: harness.Server):
        harness.wait_until("intake to stream", lambda: all(each["state"] == "streaming" for each in server.get_json("/v1/status")["sources"]), 90)

    def contract(self, server: harness.Server) -> list:
        return [warning for warning in server.get_json("/v1/status")["warnings"] if "contract" in warning]

    def shows_no_secret(self, server: harness.Server, *more: str):
        passwords = [(self.secure / f"{user}.password").read_text().strip() for user in ("admin", "bukubesar", "stranger", "newcomer")]
        keys = [(self.secure / f"{name}.key").read_text().splitlines()[1] for name in ("bukubesar", "stranger")]
        for text in (server.log(), server.run("config", "show").stdout, *more):
            for secret in passwords + ["not the password"] + keys:
                self.assertNotIn(secret, text)

    def test_the_right_password_works_end_to_end(self):
        with self.server("right", self.password_file("bukubesar")) as server:
            server.start()
            answer = server.post_events([harness.purchase_event(number) for number in range(20)])
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual({each["verdict"] for each in answer.json()["results"]}, {"accepted"})
            status = server.get("/v1/status")
            self.assertEqual(self.contract(server), [], "its settings may be read")
            doctor = server.run("doctor", check=False).stdout
            self.assertIn("keeps it", doctor)
            self.shows_no_secret(server, status.body.decode(), server.get("/metrics").body.decode(), doctor)
            self.assertEqual(server.stop(), 0)
            server.verify()

    def test_a_changed_password_is_waited_for(self):
        password = self.password_file("bukubesar")
        right = password.read_text()
        with self.server("changed", password) as server:
            server.start()
            self.assertEqual(server.post_events([harness.purchase_event(1)]).status, 200)
            self.assertEqual(server.stop(), 0)
            password.write_text("not the password\n")
            server.start()
            sources = self.waits(server, "SASL authentication error")
            self.assertIn("check broker.sasl_username and broker.sasl_password_file", sources[0]["why"])
            self.assertEqual(server.get_json("/v1/totals")["total"]["packages"], 1, "reads go on")
            doctor = server.run("doctor", check=False)
            self.assertEqual(doctor.returncode, 1)
            self.assertIn("SASL authentication error", doctor.stdout)
            lines = [line for line in server.log().splitlines() if "intake waits for the broker" in line]
            self.assertLess(len(lines), 5, "the same reason is logged once, not at each attempt")
            self.shows_no_secret(server, server.get("/v1/status").body.decode(), doctor.stdout)
            password.write_text(right)
            self.streams(server)
            answer = harness.wait_until("the producer to be let in", lambda: self.accepted(server, 2), 90)
            self.assertEqual(answer.json()["results"][0]["verdict"], "accepted")
            self.assertEqual(server.stop(), 0)
            server.verify()

    def accepted(self, server: harness.Server, number: int):
        answer = server.post_events([harness.purchase_event(number)])
        self.assertIn(answer.status, (200, 503, 504), answer.body)
        return answer if answer.status == 200 else None

    def test_a_first_start_says_why_it_cannot_be(self):
        """Without a definition there is nothing to serve: it ends, with what to do, and the next start may succeed."""
        wrong = self.work / "wrong.password"
        wrong.write_text("not the password\n")
        wrong.chmod(0o600)
        for name, says, more in (("first_password", "SASL authentication error", {}),
                                 ("first_scram", "broker.sasl_mechanism PLAIN under sasl_ssl works", {"broker.sasl_mechanism": "SCRAM-SHA-512"}),
                                 ("first_clear", "broker.security_protocol is what this listener", {"broker.security_protocol": "plaintext",
                                                                                                   "broker.sasl_password_file": ""}),
                                 ("first_ca", "check broker.ca_file", {"broker.ca_file": self.stranger_ca})):
            with self.subTest(name), self.server(name, wrong, **more) as server:
                done = server.run("serve", check=False, timeout=120)
                self.assertEqual(done.returncode, 4, done.stderr)
                self.assertIn(says, done.stderr)
                self.assertNotIn("not the password", done.stderr)
                self.assertFalse((server.data / "definition.jsonl").exists())

    def test_files_that_others_may_read_are_refused(self):
        password = self.password_file("bukubesar")
        password.chmod(0o644)
        with self.server("readable", password) as server:
            done = server.run("serve", check=False, timeout=60)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("chmod 600 it", done.stderr)

    def test_a_certificate_that_is_not_trusted(self):
        with self.server("untrusted", self.password_file("bukubesar")) as server:
            server.start()
            self.assertEqual(server.post_events([harness.purchase_event(1)]).status, 200)
            self.assertEqual(server.stop(), 0)
            server.settings["broker.ca_file"] = self.stranger_ca
            server.start()
            self.assertIn("check broker.ca_file", self.waits(server, "certificate verify failed")[0]["why"])
            self.assertEqual(server.get_json("/v1/totals")["total"]["packages"], 1)
            self.assertEqual(server.stop(), 0)

    def test_client_certificates(self):
        """The right one is who it says, by its name; none, one of another authority and one without rights are waited for, reads go on."""
        others, others_key = certificates.Authority(self.work / "others", "others").sign("bukubesar")
        with self.with_certificate("mutual", self.secure / "bukubesar.pem", self.secure / "bukubesar.key") as server:
            server.start()
            answer = server.post_events([harness.purchase_event(number) for number in range(20)])
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual({each["verdict"] for each in answer.json()["results"]}, {"accepted"})
            doctor = server.run("doctor", check=False).stdout
            self.assertIn("keeps it", doctor)
            self.shows_no_secret(server, doctor, server.get("/v1/status").body.decode(), server.get("/metrics").body.decode())
            self.assertEqual(server.stop(), 0)
            for certificate, key, says in (("", "", "broker.client_certificate_file"),
                                           (others, others_key, "broker.client_certificate_file"),
                                           (self.secure / "stranger.pem", self.secure / "stranger.key", "authorization failed")):
                server.settings |= {"broker.client_certificate_file": certificate, "broker.client_key_file": key}
                server.start()
                self.waits(server, says)
                self.shows_no_secret(server, server.get("/v1/status").body.decode())
                self.assertEqual(server.get_json("/v1/totals")["total"]["packages"], 20, "reads go on")
                self.assertEqual(server.stop(), 0)
            server.settings |= {"broker.client_certificate_file": self.secure / "bukubesar.pem", "broker.client_key_file": self.secure / "bukubesar.key"}
            server.start()
            self.streams(server)
            self.assertEqual(self.accepted(server, 20).json()["results"][0]["verdict"], "accepted")
            self.assertEqual(server.stop(), 0)
            server.verify()

    def test_client_certificates_that_cannot_be(self):
        """Refused before a broker is asked: a key that others may read, one of another certificate."""
        readable = self.work / "readable.key"
        shutil.copy(self.secure / "bukubesar.key", readable)
        readable.chmod(0o644)
        for name, key, says in (("key_readable", readable, "chmod 600 it"), ("key_of_another", self.secure / "stranger.key", "broker.client_key_file")):
            with self.subTest(name), self.with_certificate(name, self.secure / "bukubesar.pem", key) as server:
                done = server.run("serve", check=False, timeout=60)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(says, done.stderr)

    def test_a_principal_without_rights(self):
        with self.server("rights", self.password_file("bukubesar")) as server:
            server.start()
            self.assertEqual(server.post_events([harness.purchase_event(1)]).status, 200)
            self.assertEqual(server.stop(), 0)
            server.settings |= {"broker.sasl_username": "stranger", "broker.sasl_password_file": self.password_file("stranger")}
            server.start()
            sources = self.waits(server, "authorization failed")
            self.assertIn("the broker's ACLs do not let broker.sasl_username do this", sources[0]["why"])
            answer = server.post_events([harness.purchase_event(2)])
            self.assertEqual(answer.status, 503, answer.body)
            self.assertIn("authorization failed", answer.body.decode())
            self.assertEqual(server.get_json("/v1/totals")["total"]["packages"], 1)
            # The rights come while it runs: it reads and writes, without a restart.
            self.kafka.grant("stranger", "bukubesar.rights.")
            self.streams(server)
            answer = harness.wait_until("the producer to be let", lambda: self.accepted(server, 2), 90)
            self.assertEqual(answer.json()["results"][0]["verdict"], "accepted")
            self.assertEqual(server.get_json("/v1/totals", min_cut=f"0={answer.json()['cut']['0']}")["total"]["packages"], 2)
            said = [line for line in server.log().splitlines() if "Cluster authorization failed" in line and line.split()[1] not in ("debug", "trace")]
            self.assertEqual(len(said), 1, "said once, not at each attempt")
            self.assertEqual(server.stop(), 0)
            server.verify()
        # At a first start too: topics that it may not even see.
        with self.server("no_rights", self.password_file("stranger"), user="stranger") as server:
            done = server.run("serve", check=False, timeout=120)
            self.assertIn(done.returncode, (2, 4), done.stderr)
            self.assertIn("authorization failed", done.stderr)

    def test_a_principal_that_may_not_see_the_topics_settings(self):
        """It reads and writes all the same, and whoever looks is told what nobody has checked."""
        unseen = [f"topic bukubesar.settings.{topic}" for topic in ("purchases", "reference")]
        with self.server("settings", self.password_file("bukubesar")) as server:
            server.start()
            self.assertEqual(server.post_events([harness.purchase_event(1)]).status, 200)
            self.assertEqual(self.contract(server), [])
            self.assertEqual(server.stop(), 0)
            self.kafka.grant("newcomer", "bukubesar.settings.", "Read,Write")  # who may write somewhere may be a producer: not the stranger of other tests
            server.settings |= {"broker.sasl_username": "newcomer", "broker.sasl_password_file": self.password_file("newcomer")}
            server.start()
            self.streams(server)
            self.assertEqual(server.post_events([harness.purchase_event(2)]).status, 200)
            told = self.contract(server)
            self.assertEqual(len(told), 2, told)
            for topic, warning in zip(unseen, told, strict=True):
                self.assertIn(topic, warning)
                self.assertIn("the topic contract cannot be checked", warning)
            self.assertEqual(server.stop(), 0)
            doctor = server.run("doctor", check=False)
            self.assertIn("the topic contract cannot be checked", doctor.stdout)
            server.verify()


if __name__ == "__main__":
    certificates.need_openssl()
    unittest.main()
