"""Extracts: totals, views, purchases, findings and transfers as CSV, semicolon CSV, NDJSON and a workbook; at a pinned cut, resumed anywhere."""

import concurrent.futures
import csv
import http.client
import io
import json
import pathlib
import socket
import sys
import unittest
import xml.etree.ElementTree
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import harness  # noqa: E402

ROUTES = ["/v1/totals?by=district,scale", "/v1/views/umkm?x=", "/v1/purchases?x=", "/v1/findings?x=", "/v1/transfers/0?x="]
SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def rows_of(text: bytes, delimiter: str = ",") -> list:
    return list(csv.DictReader(io.StringIO(text.decode("utf-8-sig")), delimiter=delimiter))


def workbook(content: bytes) -> list:
    """The cells' texts, row by row."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        shared = []
        if "xl/sharedStrings.xml" in file.namelist():
            root = xml.etree.ElementTree.fromstring(file.read("xl/sharedStrings.xml"))
            shared = ["".join(part.text or "" for part in item.iter(f"{SHEET}t")) for item in root]
        rows = []
        for row in xml.etree.ElementTree.fromstring(file.read("xl/worksheets/sheet1.xml")).iter(f"{SHEET}row"):
            cells = {}
            for cell in row:
                column = "".join(c for c in cell.get("r") if c.isalpha())
                value, inline = cell.find(f"{SHEET}v"), cell.find(f"{SHEET}is/{SHEET}t")
                cells[column] = inline.text if inline is not None else shared[int(value.text)] if cell.get("t") == "s" else value.text
            rows.append(cells)
        return rows


class Extracts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.work = cls.enterClassContext(harness.workspace("extracts"))
        cls.server = harness.Server(cls.work / "data")
        cls.addClassCleanup(cls.server.kill)
        cls.server.start()
        events = [harness.purchase_event(n, amount=10**6 + n, region=["63.09", "63.10", "63.71"][n % 3], vendor=f"v-{n % 7}",
                                         scale=["small", "large"][n % 2]) for n in range(300)]
        events += [harness.purchase_event(n, kind="paid", amount=5 + n) for n in range(0, 320, 3)]  # some unknown: findings
        for at in range(0, len(events), 200):
            cls.server.post_events(events[at:at + 200])
        cls.cut = harness.cut_text(cls.server.caught_up())
        cls.server.post_events([harness.purchase_event(9000)])  # beyond the pinned cut

    def ask(self, route: str, form: str, **more):
        path = route.replace("?x=", "?as_of=" + self.cut.replace("=", "%3D")) if "?x=" in route else f"{route}&as_of={self.cut.replace('=', '%3D')}"
        path += f"&format={form}" + "".join(f"&{name}={value}" for name, value in more.items())
        answer = self.server.request("GET", path)
        self.assertEqual(answer.status, 200, f"{path}: {answer.body[:300]!r}")
        self.assertEqual(answer.headers["Bukubesar-Cut"], self.cut)
        return answer

    def test_all_forms_say_the_same(self):
        for route in ROUTES:
            plain = rows_of(self.ask(route, "csv").body)
            self.assertGreater(len(plain), 1, route)
            semicolon = self.ask(route, "csv_semicolon").body
            self.assertTrue(semicolon.startswith(b"\xef\xbb\xbf"), route)
            lines = [json.loads(line) for line in self.ask(route, "ndjson").body.splitlines()]
            sheet = workbook(self.ask(route, "xlsx").body)
            self.assertEqual([len(plain)] * 3, [len(rows_of(semicolon, ";")), len(lines), len(sheet) - 1], route)
            for row, other, line in zip(plain, rows_of(semicolon, ";"), lines):
                self.assertEqual(list(row), list(line))
                for name, value in row.items():
                    decimal = name in ("amount", "value", "committed", "strict", "broad", "stage_unknown", "paid") or name.startswith("share")
                    self.assertEqual(other[name], value.replace(".", ",") if decimal else value, name)
                    self.assertEqual("" if line[name] is None else str(line[name]).lower() if isinstance(line[name], bool) else str(line[name]), value, name)
            self.assertEqual(list(sheet[0].values()), list(plain[0]))
            self.assertEqual(len(sheet[1]), sum(1 for value in plain[0].values() if value != ""), "an unknown cell is empty")

    def test_the_figures_are_those_of_the_totals(self):
        rows = rows_of(self.ask("/v1/totals?by=region", "csv").body)
        want = self.server.get_json("/v1/totals", by="region", as_of=self.cut)["rows"]
        self.assertEqual([(row["region"], row["committed"], row["paid"]) for row in rows], [(row["region"], row["committed"], row["paid"]) for row in want])
        self.assertEqual({row["region"]: row["region_key"] for row in rows if row["region"] != "unknown"}, {"63.09": "6309", "63.10": "6310", "63.71": "6371"})
        transfers = rows_of(self.ask("/v1/transfers/0?x=", "csv").body)
        paid = sum(int(row["amount"].replace(".", "")) for row in transfers if row["to"] == "paid")
        self.assertEqual(harness_rupiah(paid), self.server.get_json("/v1/totals", as_of=self.cut)["total"]["paid"])
        self.assertEqual(len({(row["partition"], row["sequence"], row["row"]) for row in transfers}), len(transfers))

    def test_a_name_is_no_formula(self):
        """Where Excel opens it by double click; programs that read CSV get it as it was stated."""
        name = '=HYPERLINK("http://elsewhere.example";"CV Maju")'
        fact = {"specversion": "1.0", "type": "id.bukubesar.reference.vendor.v1", "source": "/feed/facts", "id": "formula", "subject": "vendor/v-1",
                "time": "2023-05-01T00:00:00+08:00", "data": {"salt": "0" * 32, "valid_from": "2023-01", "name": name}}
        cut = self.server.post_events([fact]).json()["cut"]
        given = {"by": "vendor", "vendor": "v-1", "names": "true", "min_cut": f"reference={cut['reference']}"}
        for form, delimiter, want in (("csv_semicolon", ";", "'" + name), ("csv", ",", name)):
            self.assertEqual([row["vendor_name"] for row in rows_of(self.server.get("/v1/totals", format=form, **given).body, delimiter)], [want])

    def test_it_goes_on_where_it_was_cut_off(self):
        whole = self.ask("/v1/totals?by=vendor,region", "csv").body.splitlines()
        rest = self.ask("/v1/totals?by=vendor,region", "csv", skip=5).body.splitlines()
        self.assertEqual(whole[6:], rest[1:])
        whole = self.ask("/v1/purchases?x=", "csv").body.splitlines()
        last = whole[40].split(b",")[0].decode()
        self.assertEqual(whole[41:], self.ask("/v1/purchases?x=", "csv", cursor=last.replace("/", "%2F")).body.splitlines()[1:])
        whole = self.ask("/v1/findings?x=", "csv").body.splitlines()
        self.assertEqual(whole[4:], self.ask("/v1/findings?x=", "csv", cursor="0:3").body.splitlines()[1:])
        whole, parts, at = self.ask("/v1/transfers/0?x=", "ndjson").body, b"", "0"
        while True:
            page = self.ask("/v1/transfers/0?x=", "ndjson", **{"from": at, "limit": 17})
            parts += page.body
            self.assertEqual(int(page.headers["Bukubesar-Rows"]), len(page.body.splitlines()))
            at = page.headers["Bukubesar-Next"]
            if not page.body or f"0={at}," in self.cut:
                break
        self.assertEqual(parts, whole)

    def test_what_is_wrong_is_said(self):
        for path, status, what in [("/v1/totals?format=parquet", 400, "none of json, csv"), ("/v1/totals?skip=3", 400, "skip"),
                                   ("/v1/transfers/0?format=json", 400, "none of ndjson"), ("/v1/transfers/0?from=99999999", 416, "entries at cut"),
                                   ("/v1/transfers/7", 404, "partition '7'"), ("/v1/transfers/reference", 404, "no transfers"),
                                   ("/v1/transfers/0?as_of=0%3D99999999,reference%3D0", 416, "beyond"), ("/v1/transfers/0?limit=0", 400, "limit"),
                                   ("/v1/purchases?format=csv&limit=5", 400, "an extract has all rows"), ("/v1/transfers/0?from=x", 400, "not a number")]:
            answer = self.server.request("GET", path)
            self.assertEqual(answer.status, status, f"{path}: {answer.body!r}")
            self.assertIn(what, answer.json()["detail"], path)

    def test_slow_readers_cost_nobody_else(self):
        """Sixteen that do not read hold the places of extracts; totals go on, and the places come back."""
        stalled = []
        try:
            for _ in range(16):
                connection = socket.create_connection(("127.0.0.1", self.server.port))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(b"GET /v1/transfers/0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                stalled.append(connection)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(lambda _: self.server.get("/v1/totals", by="region").status, range(40)))
            self.assertEqual(set(answers), {200})
        finally:
            for connection in stalled:
                connection.close()

        def free():
            return self.server.request("GET", "/v1/transfers/0").status == 200
        harness.wait_until("the places to be free again", free)

    def test_head_has_no_body(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        connection.request("HEAD", "/v1/transfers/0")
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.read()), (200, b""))
        connection.close()


def harness_rupiah(sen: int) -> str:
    return f"{sen // 100}.{sen % 100:02d}"


if __name__ == "__main__":
    unittest.main()
