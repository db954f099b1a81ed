"""The tree itself: each folder says what it is, documents point at what exists, nothing points out of the project."""

import json
import os
import pathlib
import re
import stat
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {".git", "build", "var", "node_modules", "__pycache__"}
TEXT = {".cc", ".h", ".py", ".md", ".json", ".jsonl", ".txt", ".cmake", ".xml", ".service", ".yml", ".yaml", ".ts", ".html", ".css", ""}


def files():
    for directory, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(set(names) - SKIPPED):  # .git is a file in a linked worktree
            yield pathlib.Path(directory) / name


def folders_with_sources():
    """Top-level folders, and those below ops/ and docs/ are covered by them."""
    for path in sorted(ROOT.iterdir()):
        if path.is_dir() and path.name not in SKIPPED and not path.name.startswith("."):
            if any(each.is_file() and not SKIPPED.intersection(each.parts) for each in path.rglob("*")):
                yield path


class Tree(unittest.TestCase):
    def test_each_folder_says_what_it_is(self):
        seen = 0
        for folder in folders_with_sources():
            readme = folder / "README.md"
            self.assertTrue(readme.is_file(), f"{folder.name}/README.md is missing")
            lines = [line for line in readme.read_text().splitlines() if line.strip()]
            self.assertGreaterEqual(len(lines), 4, f"{folder.name}/README.md says too little")
            seen += 1
        self.assertGreater(seen, 8)

    def test_documents_are_there(self):
        for name in ["README.md", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md", "docs/FORMAT.md", "docs/DECISIONS.md", "ops/RUNBOOK.md"]:
            self.assertTrue((ROOT / name).is_file(), f"{name} is missing")

    def test_links_of_documents_lead_somewhere(self):
        for path in files():
            if path.suffix != ".md":
                continue
            text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
                if not re.match(r"[a-z]+:", target):
                    self.assertTrue((path.parent / target).exists(), f"{path.relative_to(ROOT)} points to {target}")

    def test_nothing_points_out_of_the_project(self):
        """Only tests and import checks may use data that is not in the tree, where it is there."""
        outside = re.compile(r"\.\./shared|/work/|/tmp/h/|\bDESIGN\b|\b[A-Z]{3,}\.md\b")
        documents = {path.name for path in files() if path.suffix == ".md"}
        own = pathlib.Path(__file__).resolve()
        found = []
        for path in files():
            if path.suffix not in TEXT or path == own or path.stat().st_size > 4 << 20:
                continue
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            in_tests = path.relative_to(ROOT).parts[0] == "tests"
            for number, line in enumerate(text.splitlines(), 1):
                for hit in outside.findall(line):
                    if hit not in documents and not (in_tests and hit == "../shared"):
                        found.append(f"{path.relative_to(ROOT)}:{number}: {hit}")
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_scripts_can_be_run_and_say_how(self):
        for name in ["run", "test", "build", "install", "lint", "kafka", "campaign", "sanitize"]:
            script = ROOT / "ops" / name
            self.assertTrue(script.stat().st_mode & stat.S_IXUSR, f"ops/{name} is not executable")
            done = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, f"ops/{name} --help: {done.stderr}")
            self.assertIn("usage: ", done.stdout)
            if script.read_text().startswith("#!/usr/bin/env bash"):
                subprocess.run(["bash", "-n", script], check=True)

    def test_scripts_refuse_what_they_do_not_know(self):
        for command in (["run", "--nope"], ["run", "--port"], ["run", "--port", "0"], ["run", "--port", "x"], ["install", "nope"], ["lint", "nope"], ["campaign", "nope"], ["sanitize", "nope"]):
            done = subprocess.run([ROOT / "ops" / command[0], *command[1:]], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 2, f"{command}: {done.stderr}")
            self.assertNotEqual(done.stderr, "")

    def test_packages_are_named_once_and_grouped(self):
        seen = set()
        for line in (ROOT / "ops/packages").read_text().splitlines():
            if line and not line.startswith("#"):
                package, group = line.split()
                self.assertNotIn(package, seen)
                self.assertIn(group, ("run", "kafka", "bench", "rocksdb", "test"))
                seen.add(package)

    def test_presets_are_those_that_the_documents_name(self):
        presets = {each["name"] for each in json.loads((ROOT / "CMakePresets.json").read_text())["configurePresets"]}
        self.assertLessEqual({"dev", "release", "asan", "tsan", "fuzz", "races", "coverage", "lint"}, presets)


if __name__ == "__main__":
    unittest.main()
