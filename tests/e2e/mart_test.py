"""The mart in PostgreSQL and as a SQLite file: its figures are the server's at the same cut, whoever is killed in between."""

import contextlib
import json
import os
import pathlib
import random
import signal
import sqlite3
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402
import postgres  # noqa: E402

MEASURES = ("committed", "strict", "broad", "stage_unknown", "paid")
SCALES = ("micro", "small", "micro_or_small", "medium", "large", "cooperative")


def vendor_name(vendor: str) -> str:
    return f"CV 'Tanjung' @m@ \\ {vendor}, \"Ñ\" @time@@"


def vendor_fact(vendor: str, scale: str, month: str, number: int) -> dict:
    return {"specversion": "1.0", "type": "id.bukubesar.reference.vendor.v1", "source": "/feed/facts", "id": f"fact-{number}", "subject": f"vendor/{vendor}",
            "time": "2023-05-01T00:00:00+08:00", "data": {"salt": f"{number:032x}", "valid_from": month, "name": vendor_name(vendor), "scale": scale, "domicile": "63.10"}}


def institution_fact(institution: str, region: str, number: int) -> dict:
    return {"specversion": "1.0", "type": "id.bukubesar.reference.institution.v1", "source": "/feed/facts", "id": f"fact-{number}",
            "subject": f"institution/{institution}", "time": "2023-05-01T00:00:00+08:00", "data": {"salt": f"{number:032x}", "valid_from": "2023-01", "name": "Dinas", "region": region}}


def events(random_: random.Random, first: int, count: int) -> list:
    """Purchases with a life: ordered, some amended, advanced, paid, cancelled."""
    made = []
    for number in range(first, first + count):
        common = {"institution": f"D{number % 5}", "vendor": f"v-{number % 11}", "region": random_.choice(["63.09", "63.10", "63.71"]),
                  "scale": random_.choice(SCALES), "kind_of_catalogue": random_.choice(["local", "national"])}
        made.append(harness.purchase_event(number, amount=random_.randrange(1, 10**9), **common))
        for kind in random_.sample(["amended", "advanced", "paid", "cancelled"], random_.randrange(4)):
            stage = random_.choice(["shipping", "completed"]) if kind == "advanced" else "contracted"
            made.append(harness.purchase_event(number, kind=kind, amount=random_.randrange(1, 10**9), stage=stage, **common))
    return made


class Mart(unittest.TestCase):
    def setUp(self):
        seed = int(os.environ.get("BUKUBESAR_SEED", "20230615"))
        print("seed", seed)
        self.random = random.Random(seed)

    def post(self, server: harness.Server, batch: list):
        for at in range(0, len(batch), 200):
            answer = server.post_events(batch[at:at + 200])
            self.assertEqual(answer.status, 200, answer.body[:400])
            self.assertEqual({each["verdict"] for each in answer.json()["results"]}, {"accepted"}, answer.body[:400])
        cut = answer.json()["cut"]
        server.get_json("/v1/totals", min_cut=harness.cut_text(cut))

    def sink(self, server: harness.Server, database: postgres.Postgres, *arguments: str) -> list:
        return [harness.BINARY, "--url", server.url, "sink", "postgres", "--database", database.database, "--page-rows", "97", "--interval-ms", "20",
                *arguments]

    def same_figures(self, server: harness.Server, ask, suffix: str = ""):
        """ask: SQL → rows of texts. All figures by every dimension that both have, at the cut where the mart stands."""
        cut = harness.cut_text(dict(ask("SELECT partition, next_sequence FROM mart.cut ORDER BY 1")))
        compared = 0
        for by in (["district", "scale"], ["region", "umkm"], ["institution"], ["vendor", "order_month"], ["fiscal_year", "system"], ["vendor_domicile"],
                   ["catalogue_kind", "origin"], ["component"], ["funding", "feed"], ["event_month", "method"], ["commodity"], ["work_unit"]):
            answer = server.get_json("/v1/totals", by=",".join(by), as_of=cut)
            want = {tuple(row[name] for name in by): [row[each] for each in MEASURES] for row in answer["rows"]}
            columns = ", ".join(f"coalesce(CAST({name} AS text), 'unknown')" for name in by)
            sums = ", ".join(f"sum({each}{suffix})" for each in MEASURES)
            got = {}
            for row in ask(f"SELECT {columns}, {sums} FROM mart.spend GROUP BY {', '.join(str(i + 1) for i in range(len(by)))}"):
                figures = [row[len(by) + i] if not suffix else harness_rupiah(int(row[len(by) + i])) for i in range(len(MEASURES))]
                got[tuple(str(each) for each in row[:len(by)])] = figures
            for key, figures in want.items():
                if figures[-1] is None:  # a cell dimension: payments have none
                    figures[-1] = got[key][-1]
                self.assertEqual(got[key], figures, f"{by} {key} at {cut}")
                compared += 1
            for key in set(got) - set(want):
                self.assertTrue(all(float(each) == 0 for each in got[key][:-1]), f"{by} {key} is not in the totals")
        self.assertGreater(compared, 50)
        return cut

    def test_postgres(self):
        with harness.workspace("mart") as work, harness.Server(work / "data") as server, postgres.Postgres(work / "pg") as database:
            server.start()
            self.post(server, [institution_fact("D1", "63.02", 1), vendor_fact("v-1", "large", "2023-04", 2)])
            self.post(server, events(self.random, 0, 150))
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.same_figures(server, database.ask)
            self.purchases_are_the_same(server, database)
            self.assertEqual(database.ask("SELECT name FROM mart.dim_vendor WHERE vendor = 'v-1'"), [[vendor_name("v-1")]])
            self.only_reads(database)
            # Live, with facts that move what is there already.
            follow = subprocess.Popen(self.sink(server, database), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            try:
                self.post(server, events(self.random, 150, 100))
                self.post(server, [institution_fact("D2", "63.05", 3), vendor_fact("v-3", "medium", "2023-05", 4)])
                self.caught_up(server, database)
                self.same_figures(server, database.ask)
                self.purchases_are_the_same(server, database)
                # Killed on either side at some moment, over and over.
                for round_ in range(4):
                    self.post(server, events(self.random, 250 + 60 * round_, 60))
                    if round_ % 2:
                        database.kill()
                        database.start()
                    else:
                        follow.kill()
                        follow.wait()
                        follow.stderr.close()
                        follow = subprocess.Popen(self.sink(server, database), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                self.caught_up(server, database)
                self.is_back(server, database)
                self.same_figures(server, database.ask)
                self.nothing_is_doubled(server, database)
                second = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
                self.assertEqual(second.returncode, 4)
                self.assertIn("another sink", second.stderr)
            finally:
                follow.send_signal(signal.SIGTERM)
                said = follow.communicate(timeout=60)[1]
            self.assertEqual(follow.returncode, 0, said)
            self.assertIn("trying again", said, "PostgreSQL was killed under it")
            self.another_ledger_is_refused(work, database)

    def caught_up(self, server: harness.Server, database: postgres.Postgres):
        want = server.caught_up()

        def there():
            try:
                rows = database.ask("SELECT partition, next_sequence FROM mart.cut")
            except AssertionError:
                return False
            return {name: int(size) for name, size in rows} == want
        harness.wait_until("the mart to be where the server is", there, 60)

    def purchases_are_the_same(self, server: harness.Server, database: postgres.Postgres):
        rows = database.ask("SELECT p.purchase, a.account, p.value, p.paid FROM mart.fact_purchase p JOIN mart.dim_account a ON a.account_key = p.stage_key")
        self.assertGreater(len(rows), 100)
        for purchase, stage, value, paid in self.random.sample(rows, 25):
            one = server.get_json(f"/v1/purchases/{purchase}")
            self.assertEqual((one["stage"], one["value"], one["paid"]), (stage, value, paid), purchase)
        self.assertEqual(database.ask("SELECT account_key, sum(amount) FROM mart.fact_month GROUP BY 1 ORDER BY 1"),
                         database.ask("SELECT a.account_key, sum(CASE WHEN a.account_key = f.to_account_key THEN amount ELSE -amount END) FROM mart.fact_transfer f "
                                      "JOIN mart.dim_account a ON a.account_key IN (f.from_account_key, f.to_account_key) GROUP BY 1 ORDER BY 1"))

    def is_back(self, server: harness.Server, database: postgres.Postgres):
        """It may have written its last cut before the kill: then it has no connection yet, and findings come after a cut."""
        held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        harness.wait_until("the sink to hold its lock", lambda: database.ask(held) == [["1"]])
        findings = sum(server.get_json("/v1/findings", limit=1)["counts"].values())
        harness.wait_until("the findings", lambda: database.ask("SELECT count(*) FROM mart.fact_finding") == [[str(findings)]])

    def nothing_is_doubled(self, server: harness.Server, database: postgres.Postgres):
        rows = {(row["partition"], row["sequence"], row["row"])
                for row in map(json.loads, server.get("/v1/transfers/0").body.splitlines())}
        stored = database.ask("SELECT count(*), sum(sequence), count(DISTINCT (partition, sequence, row)) FROM mart.fact_transfer")[0]
        self.assertEqual([int(each) for each in stored], [len(rows), sum(row[1] for row in rows), len(rows)])
        findings = server.get_json("/v1/findings", limit=1)["counts"]
        self.assertEqual(int(database.ask("SELECT count(*) FROM mart.fact_finding")[0][0]), sum(findings.values()))
        months = database.ask("SELECT sum(amount) FROM mart.fact_month")
        self.assertEqual(float(months[0][0]), 0)

    def test_a_first_load_that_is_killed_goes_on_where_it_stood(self):
        with harness.workspace("mart_killed") as work, harness.Server(work / "data") as server, postgres.Postgres(work / "pg") as database:
            server.start()
            self.post(server, [institution_fact("D1", "63.02", 1), vendor_fact("v-1", "large", "2023-04", 2)])
            self.post(server, events(self.random, 0, 300))
            def stored() -> int:
                with contextlib.suppress(AssertionError):  # no schema yet
                    return int(database.ask("SELECT count(*) FROM mart.fact_transfer")[0][0])
                return 0
            small_steps = ["2" if each == "97" else each for each in self.sink(server, database, "--once")]
            cut_short = 0
            for round_ in range(6):
                before = stored()
                load = subprocess.Popen(small_steps, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                harness.wait_until("the load to go on", lambda: load.poll() is not None or stored() > before)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    load.wait(self.random.uniform(0, 0.1))
                cut_short += load.poll() is None
                if round_ % 3 == 2:
                    database.kill()
                    load.wait(60)
                    database.start()
                load.kill()
                load.wait()
            print(f"cut short {cut_short} times of 6; then in phase {database.ask('SELECT phase FROM mart.mart')[0][0]}")
            self.assertGreater(cut_short, 0)
            self.loaded_whole(server, database)
            # A check of keys that was not finished is finished later.
            database.ask("ALTER TABLE mart.fact_transfer DROP CONSTRAINT fact_transfer_vendor_key_fkey, ADD CONSTRAINT mine FOREIGN KEY (vendor_key) REFERENCES mart.dim_vendor NOT VALID")
            self.loaded_whole(server, database)

    def loaded_whole(self, server: harness.Server, database: postgres.Postgres):
        """Once all the connections of who was killed are gone."""
        def load() -> bool:
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertTrue(done.returncode == 0 or "another sink" in done.stderr, done.stderr)
            return done.returncode == 0
        harness.wait_until("the load to be done", load)
        self.same_figures(server, database.ask)
        self.purchases_are_the_same(server, database)
        self.nothing_is_doubled(server, database)
        self.assertEqual(database.ask("SELECT count(*), count(*) FILTER (WHERE convalidated) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'mart'::regnamespace"), [["35", "35"]])

    def only_reads(self, database: postgres.Postgres):
        database.ask("ALTER ROLE bi_reader LOGIN")
        self.assertEqual(database.ask("SELECT count(*) > 0 FROM mart.spend", user="bi_reader"), [["t"]])
        self.assertEqual(database.ask("SELECT count(*) > 0 FROM mart.belanja", user="bi_reader"), [["t"]])
        with self.assertRaisesRegex(AssertionError, "permission denied"):
            database.ask("DELETE FROM mart.fact_transfer", user="bi_reader")

    def test_a_mart_of_an_older_schema_is_migrated_or_stays_as_it_was(self):
        with harness.workspace("mart_old") as work, harness.Server(work / "data") as server, postgres.Postgres(work / "pg") as database:
            server.start()
            self.post(server, [institution_fact("D1", "63.02", 1), vendor_fact("v-1", "large", "2023-04", 2)])
            self.post(server, events(self.random, 0, 100))
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.as_version_1_had_it(database)
            database.ask("CREATE VIEW public.mine AS SELECT district, sum(broad) AS broad FROM mart.spend GROUP BY 1")
            mine = database.ask("SELECT * FROM public.mine ORDER BY 1")
            # Something in the way: nothing of it is done.
            database.ask("CREATE TABLE mart.fact_transfer_event_date ()")
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("from version 1 to 2, and stands as it was", done.stderr)
            self.assertIn("fact_transfer_event_date", done.stderr)
            self.assertEqual(database.ask("SELECT schema_version FROM mart.mart"), [["1"]])
            self.assertEqual(database.ask("SELECT count(*) FROM information_schema.columns WHERE table_name = 'spend' AND column_name = 'stated_scale'"), [["0"]])
            database.ask("DROP TABLE mart.fact_transfer_event_date")
            self.post(server, events(self.random, 100, 50))
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(database.ask("SELECT schema_version FROM mart.mart"), [["2"]])
            self.assertEqual(database.ask("SELECT count(*) FROM pg_indexes WHERE indexname = 'fact_transfer_event_date'"), [["1"]])
            cut = self.same_figures(server, database.ask)
            self.assertNotEqual(database.ask("SELECT * FROM public.mine ORDER BY 1"), mine, "what others built on the view follows it")
            stated = server.get_json("/v1/totals", by="scale", scale_basis="stated", as_of=cut)["rows"]
            self.assertEqual(database.ask("SELECT stated_scale, sum(broad) FROM mart.spend GROUP BY 1 HAVING sum(packages) > 0 ORDER BY 1"), sorted([row["scale"], row["broad"]] for row in stated))
            # Made by a program of tomorrow.
            database.ask("UPDATE mart.mart SET schema_version = 99")
            done = subprocess.run(self.sink(server, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("schema version 99, this program knows 1 to 2", done.stderr)

    def as_version_1_had_it(self, database: postgres.Postgres):
        """The same rows, in the schema that version 1 made."""
        tables = [row[0] for row in database.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'mart' AND table_type = 'BASE TABLE'")]
        database.ask("ALTER SCHEMA mart RENAME TO newer")
        database.ask((harness.ROOT / "tests/adapters/mart/version_1.sql").read_text())
        database.ask("SET session_replication_role = replica; " + "".join(f"TRUNCATE mart.{table} CASCADE; " for table in tables))
        database.ask("SET session_replication_role = replica; " + "".join(f"INSERT INTO mart.{table} SELECT * FROM newer.{table}; " for table in tables))
        database.ask("UPDATE mart.mart SET schema_version = 1; DROP SCHEMA newer CASCADE")

    def another_ledger_is_refused(self, work: pathlib.Path, database: postgres.Postgres):
        with harness.Server(work / "other", settings={"ledger.name": "other"}) as other:
            other.start()
            done = subprocess.run(self.sink(other, database, "--once"), capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 1 if done.returncode == 1 else 2, done.stderr)
            self.assertIn("another ledger", done.stderr)

    def test_sqlite(self):
        with harness.workspace("sqlite") as work, harness.Server(work / "data") as server:
            server.start()
            self.post(server, [institution_fact("D1", "63.02", 1), vendor_fact("v-1", "large", "2023-04", 2)])
            self.post(server, events(self.random, 0, 120))
            cut = harness.cut_text(server.caught_up())
            self.post(server, events(self.random, 120, 30))
            file = work / "snapshot.sqlite"
            server.run("--url", server.url, "export", "sqlite", "--as-of", cut, str(file))
            snapshot = sqlite3.connect(file)
            self.addCleanup(snapshot.close)
            self.assertEqual(snapshot.execute("SELECT name FROM dim_vendor WHERE vendor = 'v-1'").fetchall(), [(vendor_name("v-1"),)])
            self.assertEqual(self.same_figures(server, lambda sql: snapshot.execute(sql.replace("mart.", "")).fetchall(), "_sen"), cut)
            again = server.run("--url", server.url, "export", "sqlite", str(file), check=False)
            self.assertNotEqual(again.returncode, 0)
            self.assertIn("never written over", again.stderr)
            self.assertEqual([each.name for each in work.glob("*.unfinished")], [])


def harness_rupiah(sen: int) -> str:
    sign, size = ("-", -sen) if sen < 0 else ("", sen)
    return f"{sign}{size // 100}.{size % 100:02d}"


if __name__ == "__main__":
    unittest.main()
