"""A real Apache Superset on the sink: it connects as bi_reader, and what its API computes on the view `spend` is what /v1/totals says.

Opt-in, since it is 800 MB of packages and takes minutes: BUKUBESAR_SUPERSET=1. They go into build/superset, once; without a package index that
pip can reach the test says so and is skipped."""

import decimal
import json
import os
import pathlib
import random
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
import venv

import harness
import postgres
from mart_test import events, institution_fact, vendor_fact

# flask-caching and cachetools: Superset 6.1's own requirements leave them open, and newer ones do not start.
PACKAGES = ["apache-superset==6.1.0", "psycopg2-binary", "rich", "cachetools", "flask-caching<2.4"]
HOME = pathlib.Path(os.environ.get("BUKUBESAR_BUILD", harness.ROOT / "build/release")).parent / "superset"
PASSWORD = "for this test alone"


def packages() -> pathlib.Path:
    """The folder of Superset's programs."""
    programs, stamp = HOME / "venv/bin", HOME / "packages"
    if not stamp.exists() or stamp.read_text() != "\n".join(PACKAGES):
        venv.create(HOME / "venv", with_pip=True, clear=True)
        print("installing Superset …", flush=True)
        done = subprocess.run([programs / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES], check=False, capture_output=True, text=True, timeout=1500)
        if done.returncode != 0:
            print(f"Superset cannot be installed here: {done.stderr.strip()[-600:]}")
            sys.exit(77)
        stamp.write_text("\n".join(PACKAGES))
    return programs


class Superset:
    """Its metadata in SQLite, its web server on a free port."""

    def __init__(self, programs: pathlib.Path, directory: pathlib.Path):
        self.programs, self.directory, self.port = programs, directory, harness.free_port()
        directory.mkdir(parents=True)
        config = directory / "superset_config.py"
        config.write_text(f"""SECRET_KEY = "{random.SystemRandom().randbytes(24).hex()}"
SQLALCHEMY_DATABASE_URI = "sqlite:///{directory}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
""")
        self.environment = {**harness.ENVIRONMENT, "SUPERSET_CONFIG_PATH": str(config), "SUPERSET_HOME": str(directory), "FLASK_APP": "superset"}
        self.token = ""

    def _run(self, *arguments: str):
        done = subprocess.run([self.programs / "superset", *arguments], check=False, capture_output=True, text=True, env=self.environment, cwd=self.directory, timeout=600)
        if done.returncode != 0:
            raise AssertionError(f"superset {' '.join(arguments)}: {done.stderr[-3000:]}")

    def __enter__(self):
        self._run("db", "upgrade")
        self._run("fab", "create-admin", "--username", "admin", "--firstname", "a", "--lastname", "b", "--email", "admin@example.org", "--password", PASSWORD)
        self._run("init")
        self.log = open(self.directory / "log", "wb")
        self.process = subprocess.Popen([self.programs / "superset", "run", "-p", str(self.port), "--with-threads"], env=self.environment, cwd=self.directory,
                                        stdout=self.log, stderr=self.log)
        harness.wait_until("Superset to answer", self._answers, 180)
        self.token = self.ask("/api/v1/security/login", {"username": "admin", "password": PASSWORD, "provider": "db", "refresh": False})["access_token"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "log").read_text()[-3000:])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def ask(self, path: str, body: dict, status: int = 0) -> dict:
        """POST; `status` is the refusal that is wanted, 0 for none."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                got, text = 0, answer.read()
        except urllib.error.HTTPError as error:
            got, text = error.code, error.read()
        if got != status:
            raise AssertionError(f"{path}: {got}: {text.decode()[:1500]}")
        return json.loads(text)


class SupersetOnTheMart(unittest.TestCase):
    def test_its_figures_are_those_of_totals(self):
        programs = packages()
        with harness.workspace("superset") as work, harness.Server(work / "data") as server, postgres.Postgres(work / "pg") as database:
            server.start()
            self.assertEqual(server.post_events([institution_fact("D1", "63.02", 1), vendor_fact("v-1", "large", "2023-04", 2)]).status, 200)
            made = events(random.Random(20230615), 0, 150)
            for at in range(0, len(made), 200):
                self.assertEqual(server.post_events(made[at:at + 200]).status, 200)
            subprocess.run([harness.BINARY, "--url", server.url, "sink", "postgres", "--once", "--database", database.database], check=True, capture_output=True, timeout=120)
            database.ask("ALTER ROLE bi_reader LOGIN")
            with Superset(programs, work / "superset") as superset:
                self.connected(superset, database, server)

    def connected(self, superset: Superset, database: postgres.Postgres, server: harness.Server):
        connection = superset.ask("/api/v1/database/", {"database_name": "mart", "expose_in_sqllab": True, "allow_dml": True,
                                                        "sqlalchemy_uri": f"postgresql+psycopg2://bi_reader@127.0.0.1:{database.port}/postgres"})["id"]
        dataset = superset.ask("/api/v1/dataset/", {"database": connection, "schema": "mart", "table_name": "spend"})["id"]
        cut = ",".join("=".join(row) for row in database.ask("SELECT partition, next_sequence FROM mart.cut ORDER BY 1"))
        for by in (["district", "scale"], ["institution"], ["fiscal_year", "system"], ["catalogue_kind"]):
            answer = server.get_json("/v1/totals", by=",".join(by), as_of=cut)
            want = {tuple(row[name] for name in by): {each: row[each] for each in ("committed", "strict", "broad")} for row in answer["rows"]}
            got = self.chart(superset, dataset, by)
            self.assertEqual({key: figures for key, figures in got.items() if any(map(decimal.Decimal, figures.values()))},
                             {key: figures for key, figures in want.items() if any(map(decimal.Decimal, figures.values()))}, by)
            print(f"by {', '.join(by)}: {len(got)} rows as /v1/totals at {cut}")
        refused = superset.ask("/api/v1/sqllab/execute/", {"database_id": connection, "sql": "DELETE FROM mart.fact_transfer", "schema": "mart", "runAsync": False}, status=500)
        self.assertIn("permission denied", json.dumps(refused))

    def chart(self, superset: Superset, dataset: int, by: list) -> dict:
        """What a chart of the dataset shows: rows by key. Summed by the database, and sent as texts: JSON's numbers are floats."""
        metrics = [{"label": name, "expressionType": "SQL", "sqlExpression": f"CAST(sum({name}) AS text)"} for name in ("committed", "strict", "broad")]
        columns = [{"label": name, "expressionType": "SQL", "sqlExpression": f"coalesce(CAST({name} AS text), 'unknown')"} for name in by]
        answer = superset.ask("/api/v1/chart/data", {"datasource": {"id": dataset, "type": "table"}, "result_format": "json", "result_type": "full", "force": True,
                                                     "queries": [{"columns": columns, "metrics": metrics, "row_limit": 10000, "filters": [], "orderby": []}]})
        rows = answer["result"][0]["data"]
        return {tuple(row[name] for name in by): {metric["label"]: row[metric["label"]] for metric in metrics} for row in rows}


if __name__ == "__main__":
    if os.environ.get("BUKUBESAR_SUPERSET", "0") == "0":
        print("opt-in: BUKUBESAR_SUPERSET=1 (800 MB of packages, minutes)")
        sys.exit(77)
    unittest.main()
