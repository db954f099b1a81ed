"""Corrections and erasure, as an authority makes them: signed, refused where they may not be, in the record, and gone from the disk."""

import concurrent.futures
import ctypes
import hashlib
import json
import pathlib
import random
import shutil
import string
import threading
import zipfile

import harness

SEED = 27_2022
AUTHORITY = "/feed/inspectorate"


def marker(rng: random.Random) -> str:
    return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(120))


def log_records(content: bytes) -> bytes:
    """RocksDB's log without the headers that stand between the pieces of its records."""
    pieces = []
    for block in range(0, len(content), 32768):
        at, end = block, min(block + 32768, len(content))
        while at + 7 <= end:
            length = int.from_bytes(content[at + 4:at + 6], "little")
            pieces.append(content[at + 7:at + 7 + length])
            at += 7 + length
    return b"".join(pieces)


ZSTD = ctypes.CDLL("libzstd.so.1")
for function in (ZSTD.ZSTD_findFrameCompressedSize, ZSTD.ZSTD_decompress, ZSTD.ZSTD_decompressBound):
    function.restype = ctypes.c_size_t
ZSTD.ZSTD_decompressBound.restype = ctypes.c_ulonglong


def frames(content: bytes):
    """Whatever zstd has compressed in these bytes."""
    at = content.find(b"\x28\xb5\x2f\xfd")
    while at >= 0:
        piece = content[at:at + (8 << 20)]
        size = ZSTD.ZSTD_findFrameCompressedSize(piece, ctypes.c_size_t(len(piece)))
        if not ZSTD.ZSTD_isError(ctypes.c_size_t(size)):
            room = ctypes.create_string_buffer(min(ZSTD.ZSTD_decompressBound(piece, ctypes.c_size_t(size)), 64 << 20))
            got = ZSTD.ZSTD_decompress(room, ctypes.c_size_t(len(room)), piece, ctypes.c_size_t(size))
            if not ZSTD.ZSTD_isError(ctypes.c_size_t(got)):
                yield room.raw[:got]
        at = content.find(b"\x28\xb5\x2f\xfd", at + 1)


def files_that_hold(directory: pathlib.Path, text: str) -> list:
    """As it is, or compressed: any piece of it is too many."""
    pieces = [text[at:at + 24].encode() for at in range(0, len(text) - 24, 24)]
    found = []
    for path in directory.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:  # renamed or removed by the server meanwhile
            continue
        content = log_records(content) if path.suffix == ".log" else content
        if any(piece in each for each in (content, *frames(content)) for piece in pieces):
            found.append(str(path.relative_to(directory)))
    return found


def write(path: pathlib.Path, content) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def define_authority(server: harness.Server):
    """As an operator appends it, between two starts."""
    with open(server.data / "definition.jsonl", "a") as definition:
        definition.write(json.dumps({"authority": {"source": AUTHORITY}}, separators=(",", ":")) + "\n")


def redact(server: harness.Server, entry: str, *flags: str, check: bool = True):
    return server.run("--url", server.url, "redact", entry, "--source", AUTHORITY, "--ground", "UU 27/2022 pasal 8",
                      "--authority", "PPID Tabalong, 4/2024", "--send", *flags, check=check)


def totals(server: harness.Server) -> list:
    cut = harness.cut_text(server.committed())
    rows = server.get_json("/v1/totals", by="vendor,scale", min_cut=cut)["rows"]
    return [(row["vendor"], row["scale"], row["packages"], row["committed"], row["strict"]) for row in rows]


def totals_with_names(server: harness.Server) -> str:
    return json.dumps(server.get_json("/v1/totals", by="vendor", names="true"))


def names_while(server: harness.Server, erase) -> str:
    """Whoever asks all the time is given names until they are erased; those answers are kept for who asks the same at the same cut."""
    ended = threading.Event()

    def ask() -> str:
        asked = [totals_with_names(server)]
        while not ended.is_set():
            asked.append(totals_with_names(server))
        return "".join(asked)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reader = pool.submit(ask)
        try:
            assert json.loads(erase().stdout)["state"] == "done"
        finally:
            ended.set()
        return reader.result()


def a_correction(server: harness.Server, work: pathlib.Path, target: dict):
    key = work / "ketua.key"
    vkey = server.run("key", "approver", str(key), "inspektorat.example/ketua", "--new").stdout.strip()
    template = json.loads(server.run("--url", server.url, "correct", "--source", AUTHORITY, "--purchase", target["subject"], "--template").stdout)
    assert template == target["data"]["document"], template
    template["amounts"]["total"] = "7777.00"
    arguments = ["correct", "--source", AUTHORITY, "--purchase", target["subject"], "--document", write(work / "new.json", template),
                 "--reason", "total misread", "--authority", "Inspektorat Tabalong", "--approver", "Inspektur",
                 "--corrects-source", target["source"], "--corrects-id", target["id"], "--time", "2024-01-02T03:04:05Z"]
    refused = server.run("--url", server.url, *arguments[:7], check=False)
    assert refused.returncode == 2 and "--reason is missing" in refused.stderr, refused.stderr
    signed = [*arguments, "--sign-with", str(key), "--signer", "inspektorat.example/ketua"]
    prepared = json.loads(server.run(*signed).stdout)
    assert prepared["type"] == "id.bukubesar.purchase.corrected.v1" and prepared["signature"].startswith("inspektorat.example/ketua ")
    receipt = json.loads(server.run("--url", server.url, *signed, "--send").stdout)
    assert receipt["verdict"] == "accepted", receipt
    entry = f"/v1/entries/{receipt['partition']}/{receipt['sequence']}"
    assert server.get_json(entry)["event"]["correction"]["signature"] == {"state": "unknown_key", "approver": "inspektorat.example/ketua"}
    # The same with one byte of the data changed, under another id.
    forged = {**prepared, "id": prepared["id"][::-1], "data": {**prepared["data"], "correction": {**prepared["data"]["correction"], "reason": "x"}}}
    false = server.post_events([forged]).json()["results"][0]
    binary = server.request("POST", "/v1/events", json.dumps(prepared["data"]).encode(), {
        "Content-Type": "application/json", **{f"ce-{name}": prepared[name] for name in ("specversion", "type", "source", "subject", "time")},
        "ce-id": "by-hand", "ce-signature": prepared["signature"]}).json()["results"][0]
    assert false["verdict"] == binary["verdict"] == "accepted", (false, binary)
    return vkey, entry, [f"/v1/entries/{each['partition']}/{each['sequence']}" for each in (false, binary)]


def erasures(server: harness.Server, work: pathlib.Path, events: list, secrets: dict):
    before, root = totals(server), server.get_json("/v1/entries/0/0", proof="true")["proof"]
    document = json.loads(server.run("--url", server.url, "redact", "0/5", "--source", AUTHORITY, "--template").stdout)
    assert secrets["plan"] in document["plan"], document
    document["plan"] = "erased"  # what is sent stays in the record

    # Refused: without a replacement; with other amounts; by one who is no authority. Each says so, and the payload stays.
    for flags, why in [([], "no replacement"),
                       (["--replacement", write(work / "wrong.json", {**document, "amounts": {"total": "1.00"}})], "same transfers"),
                       (["--replacement", write(work / "none.json", {"fiscal_year": 2023})], "")]:
        refused = redact(server, "0/5", *flags, check=False)
        assert refused.returncode == 2 and why in refused.stderr, refused.stderr
    stranger = server.run("--url", server.url, "redact", "0/5", "--source", "/feed/stranger", "--ground", "g", "--authority", "a", "--send",
                          "--replacement", write(work / "right.json", document), check=False)
    assert stranger.returncode == 2 and "no authority of the definition" in stranger.stderr, stranger.stderr
    assert server.get("/payload/0/5").status == 200
    for name in ("plan", "rejected", "vendor"):
        assert files_that_hold(server.data, secrets[name]), f"{name}: it never was on the disk"
    assert secrets["vendor"] in json.dumps(server.get_json(f"/v1/purchases/{events[5]['subject']}"))

    # Done: a document, a rejected record, a fact's name.
    done = json.loads(redact(server, "0/5", "--replacement", str(work / "right.json")).stdout)
    assert done["state"] == "done" and done["target"] == "0/5", done
    assert json.loads(redact(server, f"0/{secrets['rejected_at']}").stdout)["state"] == "done"
    assert secrets["vendor"] in names_while(server, lambda: redact(server, "reference/0"))
    assert secrets["vendor"] not in totals_with_names(server), "an answer from before the erasure was given again"
    for name in ("plan", "rejected", "vendor"):
        assert files_that_hold(server.data, secrets[name]) == [], (name, files_that_hold(server.data, secrets[name]))
    gone = server.get("/payload/0/5")
    assert gone.status == 410 and b"UU 27/2022 pasal 8" in gone.body and done["redaction"].replace("/", ":").encode() in gone.body, gone.body
    shown = server.get_json("/v1/entries/0/5", proof="true")
    assert shown["kept"] == "erased" and shown["erased_by"] == done["redaction"] and shown["event"]["document"]["plan"] == "erased", shown
    assert secrets["plan"] not in json.dumps(shown)
    assert secrets["plan"] not in json.dumps(server.get_json(f"/v1/purchases/{events[5]['subject']}"))
    lived = next(each for each in server.get_json("/v1/history/0", order="oldest", limit=6)["entries"] if each["sequence"] == 5)
    assert (f"id.bukubesar.{lived['type']}.v1", lived["subject"]) == (events[5]["type"], events[5]["subject"]), lived
    assert lived["transfers"] and lived["after"], lived
    after = server.get_json("/v1/entries/0/0", proof="true")["proof"]
    assert after["root"] == root["root"] or after["size"] > root["size"], (after, root)
    assert totals(server) == before
    assert secrets["vendor"] not in json.dumps(server.get_json(f"/v1/purchases/{events[5]['subject']}"))
    again = redact(server, "0/5", "--replacement", str(work / "right.json"), check=False)
    assert again.returncode == 2 and "erased already" in again.stderr, again.stderr
    # A later copy of an erased event is what it would have been before: the same, or not.
    same, other = server.post_events([events[5], {**events[5], "time": "2023-05-11T09:13:00+08:00"}]).json()["results"]
    assert (same["verdict"], same["reason"], same["duplicate_of"]) == ("duplicate", "same", 5), same
    assert (other["verdict"], other["reason"]) == ("duplicate", "different"), other
    # Each is an entry of its own that holds it again.
    assert files_that_hold(server.data, secrets["plan"])
    for copy in (same, other):
        assert json.loads(redact(server, f"0/{copy['sequence']}").stdout)["state"] == "done"
    assert files_that_hold(server.data, secrets["plan"]) == []


def a_pack_of_what_was_erased(server: harness.Server, work: pathlib.Path):
    """It says what it could not look at, and counts by what stands in its place; that cannot be swapped."""
    server.request("POST", "/v1/sign")
    keys, pack = work / "vkeys", work / "erased.zip"
    keys.write_bytes(server.get("/log/vkeys").body)
    server.run("--url", server.url, "evidence", "--report", "totals?by=vendor,scale", str(pack))
    said = server.run("evidence", "check", str(pack), "--key", str(keys)).stdout
    assert "EQUAL" in said and "erased by law" in said and "what entry 0/5 said" in said and "UU 27/2022 pasal 8" in said, said
    with zipfile.ZipFile(pack) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    lines = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
    at = next(number for number, line in enumerate(lines) if (line["partition"], line["sequence"]) == ("0", 5))
    other = lines[at]["erased"]["substitute"]["value"]
    for swapped, why in ((other.replace("1005.00", "9005.00"), "not the replacement"), (other.replace('"id":"', '"id":"x'), "not the event")):
        assert swapped != other, other
        lines[at]["erased"]["substitute"]["value"] = swapped
        changed = {**files, "entries.jsonl": b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)}
        changed["SHA256SUMS"] = b"".join(hashlib.sha256(content).hexdigest().encode() + b"  " + name.encode() + b"\n"
                                         for name, content in sorted(changed.items()) if name != "SHA256SUMS")
        with zipfile.ZipFile(work / "swapped.zip", "w") as archive:
            for name, content in changed.items():
                archive.writestr(name, content)
        refused = server.run("evidence", "check", str(work / "swapped.zip"), "--key", str(keys), check=False)
        assert refused.returncode == 10 and why in refused.stderr, (refused.returncode, refused.stdout, refused.stderr)
    replayed = server.run("--url", server.url, "--format", "json", "replay", "--into", str(work / "replayed"))
    assert json.loads(replayed.stdout)["same"] and "erased" in replayed.stdout, replayed.stdout


def main():
    rng = random.Random(SEED)
    with harness.workspace("redaction") as work, harness.Server(work / "data") as server:
        server.start()
        assert server.stop() == 0
        define_authority(server)
        server.start()
        secrets = {"plan": marker(rng), "rejected": marker(rng), "vendor": marker(rng)}
        events = [harness.purchase_event(number, amount=1_000 + number, stage="completed") for number in range(200)]
        events[5]["data"]["document"]["plan"] = secrets["plan"]
        fact = {"specversion": "1.0", "type": "id.bukubesar.reference.vendor.v1", "source": "/feed/facts", "id": "v-1", "subject": "vendor/v-1",
                "data": {"salt": "ab" * 16, "valid_from": "2023-01", "name": secrets["vendor"], "scale": "micro"}}
        results = server.post_events([*events, fact]).json()["results"]
        assert all(each["verdict"] == "accepted" for each in results), results[-1]
        bad = server.post_events([{**events[0], "id": "bad", "data": {"salt": "no hex", "note": secrets["rejected"]}}]).json()["results"][0]
        assert bad["verdict"] == "rejected", bad
        secrets["rejected_at"] = bad["sequence"]
        vkey, correction, doubtful = a_correction(server, work, events[9])
        erasures(server, work, events, secrets)
        sums, listed = totals(server), server.get_json("/v1/redactions")["redactions"]
        a_pack_of_what_was_erased(server, work)
        assert [each["state"] for each in listed] == ["refused", "refused", "refused", "done", "done", "done", "refused", "done", "done"], listed
        assert server.stop() == 0
        report = server.run("--format", "json", "verify")
        assert json.loads(report.stdout)["redacted"] == 5, report.stdout

        # Everything again from the entries alone: what stands in for the erased payloads is folded, and the figures stay.
        shutil.rmtree(server.data / "segments")
        server.settings["signing.approvers"] = vkey
        server.start()
        assert totals(server) == sums
        harness.wait_until("the redactions to be read again", lambda: [each["state"] for each in server.get_json("/v1/redactions")["redactions"]]
                           == [each["state"] for each in listed])
        assert server.get_json(correction)["event"]["correction"]["signature"]["state"] == "valid"
        assert [server.get_json(each)["event"]["correction"]["signature"]["state"] for each in doubtful] == ["invalid", "invalid"]
        history = server.get_json(f"/v1/purchases/{events[9]['subject']}")["history"]
        assert [each["signature"]["state"] for each in history if "signature" in each] == ["valid", "invalid", "invalid"], history
        for name in ("plan", "rejected", "vendor"):
            assert files_that_hold(server.data, secrets[name]) == [], name
        assert server.stop() == 0
        server.verify()


if __name__ == "__main__":
    main()
