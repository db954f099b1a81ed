"""Imports realisation rows into a live server and compares its totals with sums made here, by another parser, from the same rows.

Rows of our own always; the real rows too, where they lie beside the project.
"""

import contextlib
import copy
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import harness  # noqa: E402

REAL = harness.ROOT.parent / "shared/data/inaproc-realisasi"
SYSTEMS = {"E-Katalog 6.0": "e-katalog-6", "Tokodaring": "toko-daring", "Tender": "tender", "Non Tender": "non-tender",
           "Pencatatan": "pencatatan", "Swakelola": "swakelola"}
COMPLETED = {"COMPLETED", "PAYMENT OUTSIDE SYSTEM", "PAKET SELESAI", "SELESAI"}
RUNNING = {"ON PROCESS", "PAKET SEDANG BERJALAN", "BERLANGSUNG", "ON ADDENDUM"}
FEED = "/feed/inaproc-realisasi"


def sums_by(files: dict, key) -> dict:
    """{group: [rows, committed, strict, broad]}, in rupiah."""
    out: dict = {}
    for institution, rows in files.items():
        for row in rows:
            total, status = row["Total Nilai (Rp)"], row["Status Paket"]
            group = out.setdefault(key(institution, row), [0, 0, 0, 0])
            group[0] += 1
            group[1] += total
            group[2] += total if status in COMPLETED else 0
            group[3] += total if status in COMPLETED | RUNNING else 0
    return out


def pdn_sums(files: dict) -> dict:
    out = {"domestic": 0, "other": 0}
    for rows in files.values():
        for row in rows:
            out["domestic"] += row["Nilai PDN (Rp)"]
            out["other"] += row["Total Nilai (Rp)"] - row["Nilai PDN (Rp)"]
    return {origin: value for origin, value in out.items() if value}


def rupiah(text: str) -> int:
    whole, sen = text.split(".")
    assert sen == "00", text
    return int(whole)


def totals(server, by: str) -> dict:
    answer = server.get_json("/v1/totals", by=by, feed=FEED)
    return {row[by]: row for row in answer["rows"] if row["packages"]}, answer["total"]


def compare(server, files: dict):
    rows = sum(len(each) for each in files.values())
    value = sum(row["Total Nilai (Rp)"] for each in files.values() for row in each)
    for by, key in (("institution", lambda institution, row: institution), ("system", lambda institution, row: SYSTEMS[row["Sumber Transaksi"]])):
        want = sums_by(files, key)
        got, total = totals(server, by)
        assert set(got) == set(want), (by, sorted(got), sorted(want))
        for group, (packages, committed, strict, broad) in want.items():
            row = got[group]
            figures = [row["packages"], rupiah(row["committed"]), rupiah(row["strict"]), rupiah(row["broad"])]
            assert figures == [packages, committed, strict, broad], (by, group, figures, [packages, committed, strict, broad])
        assert (total["packages"], rupiah(total["committed"])) == (rows, value), (by, total)
    got, total = totals(server, "origin")
    assert {origin: rupiah(row["committed"]) for origin, row in got.items()} == pdn_sums(files), got
    assert rupiah(total["committed"]) == value
    print(f"{rows} rows, Rp {value:,}, PDN Rp {pdn_sums(files).get('domestic', 0):,}: as the rows say, by institution, system and PDN")


def run_import(server, *arguments: str, exit_code: int = 0) -> dict:
    done = server.run("--format", "json", "--url", server.url, "import", "realisasi", *arguments, check=False)
    assert done.returncode == exit_code, f"exit {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return json.loads(done.stdout)


def own_row(number: int, **changes) -> dict:
    return {"Nama Instansi": "BADAN CONTOH", "Nama Satuan Kerja": f"SEKRETARIAT - {613100 + number % 3}", "Kode Paket": f"01KTEST{number:05d}",
            "Kode RUP": "66440131", "Tahun Anggaran": "2026", "Sumber Transaksi": "E-Katalog 6.0", "Sumber Dana": "APBN",
            "Nama Penyedia": f"PT. CONTOH {number % 5}", "Metode Pengadaan": "E-Purchasing", "Jenis Pengadaan": "Barang", "Nama Paket": "Belanja",
            "Status Paket": "COMPLETED", "Total Nilai (Rp)": 1_000_000 + number, "Nilai PDN (Rp)": (1_000_000 + number) * (number % 2), **changes}


def own_rows() -> list:
    rows = [own_row(number) for number in range(40)]
    rows += [own_row(90, **{"Sumber Transaksi": "Tender", "Nama Penyedia": name, "Status Paket": "SELESAI"}) for name in ("CV. A", "CV. B", None)]
    rows.append(own_row(91, **{"Sumber Transaksi": "Tokodaring", "Status Paket": "", "Sumber Dana": "", "Kode RUP": None}))
    rows.append(own_row(92, **{"Sumber Transaksi": "Swakelola", "Status Paket": "ON PROCESS", "Nama Penyedia": None, "Metode Pengadaan": None}))
    return rows


def without_observation(report: dict) -> dict:
    return {name: report[name] for name in ("ordered", "amended", "advanced", "withdrawn", "facts")}


def own_snapshots(server, work: pathlib.Path):
    path = work / "L999.json"

    def import_rows(rows, *flags, exit_code=0):
        path.write_text(json.dumps(rows, indent=1))
        return run_import(server, *flags, str(path), exit_code=exit_code)

    first = own_rows()
    report = import_rows(first)
    assert report["ordered"] == len(first) and report["receipts"]["rejected"] == 0, report
    compare(server, {"L999": first})

    cut = server.cut()
    report = import_rows(first, "--observed-at", "2026-04-02T09:00:00+08:00")
    assert report["unchanged"] == len(first) and not any(without_observation(report).values()), report
    assert {name: size for name, size in server.cut().items() if name != "reference"} == {n: s for n, s in cut.items() if n != "reference"}
    compare(server, {"L999": first})

    second = copy.deepcopy(first)
    second[0]["Total Nilai (Rp)"] = 5_000_000
    second[1]["Status Paket"] = "ON ADDENDUM"
    second[2]["Nilai PDN (Rp)"] = second[2]["Total Nilai (Rp)"]
    del second[10:12]
    second.append(own_row(95))
    report = import_rows(second, "--complete")
    assert [report[name] for name in ("ordered", "amended", "advanced", "withdrawn")] == [1, 2, 1, 2], report
    compare(server, {"L999": second})

    cut = server.cut()
    report = import_rows(second[:20], "--complete", exit_code=1)
    assert report["scopes_refused"] and report["withdrawn"] == 0 and server.cut() == cut, report
    compare(server, {"L999": second})

    third = copy.deepcopy(second)
    third[3]["Total Nilai (Rp)"] = 1.239
    report = import_rows(third, exit_code=1)
    assert [(r["line"], r["text"]) for r in report["refused"]] == [(2 + 16 * 3, "Total Nilai (Rp): 1.239 is no amount in whole sen")], report["refused"]
    compare(server, {"L999": second})

    # A complete snapshot without rows speaks of every year that the ledger knows of the institution.
    report = import_rows([], "--complete", exit_code=1)
    assert len(report["scopes_refused"]) == 1 and not any(without_observation(report).values()), report
    assert [note["text"] for note in report["notes"]] == ["has no rows"], report
    compare(server, {"L999": second})

    report = import_rows(second[:20], "--complete", "--confirm-withdrawals")
    assert report["withdrawn"] == len(second) - 20, report
    compare(server, {"L999": second[:20]})

    history = server.get_json("/v1/purchases/e-katalog-6/01KTEST00000")["history"]
    assert [event["type"] for event in history] == ["purchase.ordered", "purchase.amended"], history


def real_rows(server) -> bool:
    paths = sorted(REAL.glob("*.json"))
    if not paths:
        print(f"no real rows at {REAL}: only our own were imported")
        return False
    files = {path.stem: json.loads(path.read_text()) for path in paths}
    report = run_import(server, *map(str, paths))
    assert report["ordered"] == report["rows"] == sum(map(len, files.values())) and not report["refused"], report
    compare(server, files)
    before = server.cut()
    report = run_import(server, *map(str, paths))
    assert not any(without_observation(report).values()) and report["receipts"]["accepted"] == 0, report
    after = server.cut()
    assert {n: s for n, s in after.items() if n != "reference"} == {n: s for n, s in before.items() if n != "reference"}
    compare(server, files)
    if len(paths) == 10:  # the ten files that the project was built with
        assert (report["rows"], report["total"], report["domestic"]) == (8925, "2299491122181.00", "1995474610141.00"), report
    return True


@contextlib.contextmanager
def server_of(work: pathlib.Path, name: str):
    """On a real broker of its own where --kafka is given, else on the embedded one."""
    with contextlib.ExitStack() as stack:
        kafka = stack.enter_context(harness.Kafka(work / f"{name}-kafka")).bootstrap if "--kafka" in sys.argv else None
        yield stack.enter_context(harness.Server(work / name, kafka=kafka)).start()


def main():
    with harness.workspace("import") as work:
        with server_of(work, "own") as server:
            own_snapshots(server, work)
            assert server.stop() == 0
            server.verify()
        with server_of(work, "real") as server:
            if real_rows(server):
                assert server.stop() == 0
                server.verify()


main()
