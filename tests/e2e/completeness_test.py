"""Everything that arrived is accounted for: by partition, epoch and day; the rejected, and whether they were sent again; across a restart."""

import csv
import io
import json
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402


class Completeness(unittest.TestCase):
    def ask(self, *arguments) -> dict:
        return json.loads(self.server.run("--url", self.server.url, "--format", "json", "completeness", *arguments).stdout)

    def test_it_adds_up(self):
        with harness.workspace("completeness") as work, harness.Server(work / "data") as server:
            self.server = server
            server.start()
            self.assertEqual(self.ask()["complete"], True)
            events = [harness.purchase_event(number) for number in range(10)]
            server.post_events(events)
            server.post_events(events[:3])
            wrong_key = {"Content-Type": "application/cloudevents+json", "Bukubesar-Key": "e-katalog-6/another"}
            late = harness.purchase_event(99)
            answer = server.request("POST", "/v1/events", json.dumps(late).encode(), wrong_key)
            self.assertEqual(answer.json()["results"][0]["verdict"], "rejected")
            server.request("POST", "/v1/events", b"{}", {"Content-Type": "application/cloudevents+json"})
            self.rejected_are_listed(late, sent_again=False)
            self.assertEqual(server.stop(), 0)
            server.start()
            server.post_events([late])
            self.rejected_are_listed(late, sent_again=True)
            self.counts_add_up()
            self.assertEqual(server.stop(), 0)

    def rejected_are_listed(self, late: dict, sent_again: bool):
        rows = self.ask("--rejected")["rejected"]
        self.assertEqual([row["reason"] for row in rows][0], "key_mismatch")
        self.assertEqual(len(rows), 2)
        self.assertEqual([row["id_known"] for row in rows], [True, False])
        payload = self.server.get(rows[0]["payload"])
        self.assertIn(late["id"].encode(), payload.body)
        if sent_again:
            self.assertEqual(rows[0]["accepted"]["order"], "sent again")
            self.assertGreater(rows[0]["accepted"]["sequence"], rows[0]["sequence"])
        else:
            self.assertIsNone(rows[0]["accepted"])
        table = self.server.run("--url", self.server.url, "completeness", "--rejected").stdout
        self.assertIn("sent again" if sent_again else "not so far", table)
        self.assertIn("its id cannot be read", table)

    def counts_add_up(self):
        answer = self.ask()
        self.assertTrue(answer["complete"])
        rows = [row for row in answer["rows"] if row["partition"] == "0"]
        self.assertEqual(sum(row["accepted"] for row in rows), 11)
        self.assertEqual(sum(row["duplicate"] for row in rows), 3)
        self.assertEqual(sum(row["rejected"] for row in rows), 2)
        status = next(each for each in self.server.get_json("/v1/status")["partitions"] if each["partition"] == "0")
        self.assertEqual(sum(row["records"] for row in rows), status["records"])
        self.assertEqual(sum(row["entries"] for row in rows), status["size"])
        self.assertEqual({row["epoch"] for row in rows}, set(range(status["epoch"] + 1)))
        for row in rows:
            self.assertEqual(row["offsets"], row["records"] + row["gap_offsets"])
            self.assertEqual(row["entries"], row["accepted"] + row["duplicate"] + row["rejected"] + row["statements"])
            self.assertRegex(row["day"], r"^\d{4}-\d\d-\d\d$")
        decisions = [each for each in answer["decisions"] if each["partition"] == "0"]
        self.assertEqual([each["epoch"] for each in decisions], list(range(1, status["epoch"] + 1)))
        self.assertTrue(all(each["decided_by"] for each in decisions))
        as_csv = list(csv.DictReader(io.StringIO(self.server.run("--url", self.server.url, "--format", "csv", "completeness").stdout)))
        self.assertEqual(sum(int(row["entries"]) for row in as_csv if row["partition"] == "0"), status["size"])


if __name__ == "__main__":
    unittest.main()
