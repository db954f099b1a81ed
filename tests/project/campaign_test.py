"""ops/campaign: what it counts, and which run of a part it puts into the document. Nothing long is run."""

import collections
import importlib.machinery
import importlib.util
import json
import pathlib
import re
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def load_campaign():
    loader = importlib.machinery.SourceFileLoader("campaign", str(ROOT / "ops/campaign"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("campaign", loader))
    loader.exec_module(module)
    return module


class CampaignTest(unittest.TestCase):
    def setUp(self):
        self.campaign = load_campaign()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.campaign.ROOT = pathlib.Path(directory.name)
        self.campaign.RESULTS = self.campaign.ROOT / "campaign"
        self.campaign.DOCUMENT = self.campaign.ROOT / "RELIABILITY.md"
        self.campaign.DOCUMENT.write_text(f"before\n{self.campaign.BEGIN}\n{self.campaign.END}\nafter\n")

    def ran(self, began: str, scale: float, passed: bool = True, part: str = "crash", rounds: int = 7):
        directory = self.campaign.RESULTS / began.replace(":", "")
        directory.mkdir(parents=True)
        outcome = {"part": part, "passed": passed, "seconds": 60.0, "counts": {"kill_rounds": rounds}}
        (directory / "summary.json").write_text(json.dumps({"commit": "abc", "began": began, "scale": scale, "parts": [outcome]}))

    def row(self, part: str = "crash") -> str:
        self.assertEqual(self.campaign.update_docs(), 0)
        text = self.campaign.DOCUMENT.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("after\n"), text)
        return next(line for line in text.splitlines() if line.startswith(f"| {part} |"))

    def test_a_trial_does_not_take_the_place_of_a_whole_run(self):
        self.ran("2023-06-15T01:00+08:00", 1)
        self.ran("2023-06-16T01:00+08:00", 0.01)
        self.assertIn("| passed | 1 | 1.0 | 2023-06-15, abc | 7 kill rounds |", self.row())

    def test_a_newer_run_that_failed_takes_the_place_of_an_older_one(self):
        self.ran("2023-06-15T01:00+08:00", 0.5)
        self.ran("2023-06-15T02:00+08:00", 0.5, passed=False)
        self.assertIn("| FAILED | 0.5 | 1.0 | 2023-06-15, abc |", self.row())

    def test_what_another_machine_put_into_the_document_weighs_as_much(self):
        self.ran("2023-06-15T01:00+08:00", 1, rounds=11)
        whole = self.row()
        for path in self.campaign.RESULTS.rglob("summary.json"):
            path.unlink()
        self.ran("2023-06-16T01:00+08:00", 0.1)
        self.assertEqual(self.row(), whole)
        self.ran("2023-06-14T01:00+08:00", 1, rounds=12)
        self.assertEqual(self.row(), whole)
        self.ran("2023-06-17T01:00+08:00", 1, rounds=13)
        self.assertIn("13 kill rounds", self.row())
        self.assertIn("| not run yet | – |", self.row("load"))

    def test_it_counts_what_tests_print_and_what_ctest_says(self):
        counts: collections.Counter = collections.Counter()
        for line in ("5: counts: kill_rounds=3 events=40", "counts: events=2", "5: of counts: events=9", "100% tests passed, 0 tests failed out of 3",
                     "\t 12 - e2e.kafka_secure (Skipped)"):
            self.campaign.add_counts(line, counts)
        self.assertEqual(counts, {"kill_rounds": 3, "events": 42, "tests": 3, "tests_skipped": 1})

    def test_a_kind_of_parts_is_chosen_by_the_end_of_their_names(self):
        fuzzed = [part.name for part in self.campaign.PARTS if self.campaign.meant(part, "fuzz")]
        self.assertEqual(fuzzed, sorted(source.stem for source in (ROOT / "tests/fuzz").glob("*_fuzz.cc")))
        self.assertEqual([part.name for part in self.campaign.PARTS if self.campaign.meant(part, "load")], ["load"])

    def test_each_part_is_named_once_and_its_tests_exist(self):
        names = [part.name for part in self.campaign.PARTS]
        self.assertEqual(len(names), len(set(names)))
        registered = (ROOT / "tests/e2e/CMakeLists.txt").read_text()
        for part in self.campaign.PARTS:
            for several, one in re.findall(r"\be2e(?:\\\.|\[\.\])(?:\(([\w|]+)\)|(\w+))", " ".join(part.command)):
                for test in (several or one).split("|"):
                    self.assertIn(f"bukubesar_e2e({test} ", registered, part.name)

    def test_what_is_all_is_a_share_only_in_a_trial(self):
        self.assertEqual([self.campaign.scaled(self.campaign.AllOf(2000), scale) for scale in (1, 0.1)], ["0", "200"])
        self.assertEqual([self.campaign.scaled(2000, scale) for scale in (1, 0.1)], ["2000", "200"])


if __name__ == "__main__":
    unittest.main()
