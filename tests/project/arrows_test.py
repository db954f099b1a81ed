"""Imports point one way: base ◀ config, events ◀ ledger ◀ consumers, projections ◀ server. docs/ARCHITECTURE.md draws it."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What the files of a module may include of ours.
MAY_INCLUDE = {
    "base": {"base"},
    "config": {"base", "config"},
    "events": {"base", "events"},
    "ledger": {"base", "config", "events", "ledger"},
    "consumers": {"base", "config", "events", "ledger", "consumers"},
    "projections": {"base", "config", "events", "ledger", "projections"},
    # Talks HTTP to the server, so it needs neither ledger nor projections.
    "adapters": {"base", "config", "events", "adapters"},
    "server": {"base", "config", "events", "ledger", "consumers", "projections", "adapters", "server"},
}
# Libraries that only some files may see: pattern of the include → pattern of the files.
ONLY_IN = {
    r"^(librdkafka/.*|rdkafka.*)$": r"^(consumers|adapters)/kafka_[a-z_0-9]*\.cc$",
    r"^rocksdb/.*$": r"^ledger/[a-z_0-9]*\.cc$",
    r"^simdjson.*$": r"^events/.*$",
    r"^boost/.*$": r"^(server/.*|adapters/.*|ledger/log_tail\.cc)$",
    r"^CLI/.*$": r"^(server/.*|adapters/.*|bench/.*)$",
    r"^prometheus/.*$": r"^server/.*$",
    r"^libpq.*$": r"^adapters/postgres_[a-z_0-9]*\.cc$",
    r"^xlsxwriter.*$": r"^server/xlsx_[a-z_0-9]*\.cc$",
    r"^sqlite3.*$": r"^adapters/sqlite_[a-z_0-9]*\.cc$",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)


def violations(path: str, text: str) -> list:
    """What is wrong with the includes of the file `path` (relative to the root)."""
    module = path.split("/")[0]
    found = []
    for included in INCLUDE.findall(text):
        target = included.split("/")[0]
        if module in MAY_INCLUDE and target in MAY_INCLUDE and "/" in included and target not in MAY_INCLUDE[module]:
            found.append(f"{path}: {module} must not include {included}")
        if module in MAY_INCLUDE and included.split("/")[0] in ("tests", "bench"):
            found.append(f"{path}: the product must not include {included}")
        for library, files in ONLY_IN.items():
            if module in MAY_INCLUDE and re.match(library, included) and not re.match(files, path):
                found.append(f"{path}: must not include {included}")
    return found


class Arrows(unittest.TestCase):
    def test_every_include_points_the_right_way(self):
        files = [path for module in MAY_INCLUDE for suffix in ("*.h", "*.cc") for path in (ROOT / module).rglob(suffix)]
        self.assertGreater(len(files), 20, "the tree was not found")
        found = [each for path in sorted(files) for each in violations(str(path.relative_to(ROOT)), path.read_text())]
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_what_links_what_is_the_same_in_the_build(self):
        text = (ROOT / "CMakeLists.txt").read_text()
        direct = {name: set(re.findall(r"bukubesar_(\w+)", rest)) for name, rest in re.findall(r"^bukubesar_module\((\w+) (.*)\)$", text, re.MULTILINE)}
        self.assertEqual(set(direct), set(MAY_INCLUDE))

        def reached(name: str) -> set:
            return {name}.union(*(reached(each) for each in direct[name]))

        for name in direct:
            self.assertLessEqual(reached(name), MAY_INCLUDE[name], name)

    def test_a_wrong_include_is_found(self):
        for path, line in [("consumers/intake.cc", '#include "projections/totals.h"'), ("projections/fold.cc", '#include "consumers/intake.h"'),
                           ("base/x.h", '#include "config/config.h"'), ("events/x.cc", '#include "config/config.h"'),
                           ("adapters/demo.cc", '#include "ledger/ledger.h"'), ("consumers/intake.cc", "#include <librdkafka/rdkafka.h>"),
                           ("consumers/kafka_source.h", "#include <librdkafka/rdkafka.h>"), ("ledger/store.h", "#include <rocksdb/db.h>"),
                           ("server/http.cc", "#  include <rocksdb/db.h>"), ("base/x.cc", '#include "tests/x.h"')]:
            self.assertEqual(len(violations(path, f"// x\n{line}\n")), 1, f"{path} {line}")
        self.assertEqual(violations("consumers/kafka_source.cc", '#include <librdkafka/rdkafka.h>\n#include "ledger/ledger.h"\n'), [])


if __name__ == "__main__":
    unittest.main()
