"""/openapi.json says what the routes take and answer: OpenAPI 3.1, route by route, parameter by parameter; and schemathesis finds nothing."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

PROGRAMS = pathlib.Path(os.environ.get("BUKUBESAR_BUILD", harness.ROOT / "build/release")) / "python/bin"
CAPTURES = {"partition": "0", "sequence": "0", "name": "umkm", "id...": "e-katalog-6/P00000001", "size": "1", "rest...": "0/000"}
UNASKED = r"\.\.\.|^/v1/stream$"
EXAMPLES = "200" if os.environ.get("BUKUBESAR_LONG") else "5"  # of each route


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run([harness.ROOT / "ops/install", "python", PROGRAMS.parent], check=True)
        cls.work = cls.enterClassContext(harness.workspace("openapi"))
        cls.server = harness.Server(cls.work / "data", settings={"http.tokens_required": "true"})
        cls.addClassCleanup(cls.server.kill)
        cls.server.key_new()
        roles = [part for role in ("read", "audit", "ingest", "operate") for part in ("--role", role)]
        cls.server.token = re.search(r"bkb_\S+", cls.server.run("token", "new", "all", *roles).stdout)[0]
        cls.server.start()
        answer = cls.server.post_events([harness.purchase_event(number) for number in range(20)])
        cls.server.get_json("/v1/totals", min_cut=f"0={answer.json()['cut']['0']}")
        cls.server.request("POST", "/v1/sign")
        cls.document = cls.server.get_json("/openapi.json")

    def described(self):
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                yield path, method, operation

    def parameters(self, operation: dict, where: str) -> dict:
        found = {}
        for parameter in operation.get("parameters", []):
            if "$ref" in parameter:
                parameter = self.document["components"]["parameters"][parameter["$ref"].rsplit("/", 1)[1]]
            if parameter["in"] == where:
                found[parameter["name"]] = parameter
        return found

    def test_it_is_openapi(self):
        file = self.work / "openapi.json"
        file.write_text(json.dumps(self.document), encoding="utf-8")
        done = subprocess.run([PROGRAMS / "openapi-spec-validator", file], capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("3.1", self.document["openapi"])

    def test_the_file_and_the_routes_are_the_same(self):
        listed = set(re.findall(r"\{\"(GET|POST)\", \"([^\"]+)\"", (harness.ROOT / "server/roles.cc").read_text(encoding="utf-8")))
        self.assertGreater(len(listed), 30)
        self.assertEqual({(method.upper(), path) for path, method, _ in self.described()}, listed)
        written = json.loads((harness.ROOT / "config/openapi.json").read_text(encoding="utf-8"))["paths"]
        self.assertLessEqual({(method.upper(), path) for path, operations in written.items() for method in operations}, listed,
                             "config/openapi.json describes a route that is not there")
        bare = [path for path, _, operation in self.described() if operation.get("x-undescribed")]
        print("undescribed:", bare)

    def test_each_route_takes_what_is_described(self):
        asked = 0
        for path, method, operation in self.described():
            self.assertEqual(set(self.parameters(operation, "path")), set(re.findall(r"\{([^}]+)\}", path)), path)
            if method != "get" or operation.get("x-undescribed"):
                continue
            concrete = re.sub(r"\{([^}]+)\}", lambda hit: CAPTURES[hit[1]], path)
            answer = self.server.get(concrete, surely_unknown="1")
            described = set(self.parameters(operation, "query"))
            if path.startswith("/log/") and answer.status in (200, 404):  # other people's clients may send what they like
                self.assertEqual(described, set(), path)
                continue
            self.assertEqual(answer.status, 400, f"{path}: {answer.body[:300]!r}")
            known = answer.json()["detail"].split("known here: ")[1]
            self.assertEqual(described, set(known.split(", ")) - {"none"}, path)
            asked += 1
        self.assertGreater(asked, 20)

    def test_the_page_asks_nobody(self):
        page = self.server.get("/docs").body.decode()
        self.assertIn("/v1/totals", page)
        self.assertNotIn("<script", page)
        self.assertEqual([link for link in re.findall(r"(?:src|href)=\"([^\"]+)", page) if not link.startswith("/")], [])

    def test_schemathesis_finds_nothing(self):
        """Routes that take a rest of a path are left out, OpenAPI has no such thing; and the stream, which does not end."""
        command = [PROGRAMS / "schemathesis", "run", f"{self.server.url}/openapi.json", "--header", f"Authorization: Bearer {self.server.token}",
                   "--experimental", "openapi-3.1", "--checks", "all", "--data-generation-method", "all", "--hypothesis-max-examples", EXAMPLES,
                   "--hypothesis-seed", "20230615", "--hypothesis-deadline", "10000", "--hypothesis-suppress-health-check", "all",
                   "--exclude-path-regex", UNASKED, "--max-response-time", "20000", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=3000, check=False)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:] + done.stderr[-2000:])
        asked = len([path for path, _, _ in self.described() if not re.search(UNASKED, path)])
        self.assertIn(f" {asked} passed", done.stdout, done.stdout[-2000:])
        self.assertEqual(self.server.get("/healthz").status, 200)


if __name__ == "__main__":
    unittest.main()
