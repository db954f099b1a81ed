"""Two nodes, one real topic, nothing else in common: another build of the program (clang and sanitizers against g++), other batch
sizes, another number of threads, hand-offs that get lost, kills in the middle. They must agree on every root, segment, view and finding (I5).

The other build: BUKUBESAR_OTHER_BINARY, else build/release, or build/fuzz where that is the program under test.
BUKUBESAR_SEED=N repeats a run.
"""

import hashlib
import json
import os
import pathlib
import random

import harness

SEED = int(os.environ.get("BUKUBESAR_SEED", str(random.SystemRandom().randrange(1 << 30))))
PARTITIONS = 2
ORDERS, LINES = 24_000, 6  # one row for each line: more than one full segment of 65,536 rows in each partition
PURCHASES, REFERENCE = "bukubesar.purchases", "bukubesar.reference"


def other_binary() -> str:
    named = os.environ.get("BUKUBESAR_OTHER_BINARY")
    candidates = [pathlib.Path(named)] if named else [harness.ROOT / "build" / each / "bukubesar" for each in ("release", "fuzz")]
    found = [str(each) for each in candidates if each.is_file() and not each.samefile(harness.BINARY)]
    assert found, f"no other build than {harness.BINARY}: looked for {', '.join(map(str, candidates))}; ops/build release makes one"
    return found[0]


def line(number: int, amount: int, commodity: str) -> dict:
    return {"line": str(number), "product": f"x{number}", "commodity": commodity, "origin": "domestic" if number % 2 else "other", "amount": harness.rupiah(amount)}


def records(rng: random.Random, first: int, count: int) -> list:
    """(key, value) of orders, payments, retries, contradictions and rubbish, in an order that producers might choose."""
    made = []
    for number in range(first, first + count):
        amounts = [rng.randrange(1_000, 9_000_000) for _ in range(LINES)]
        order = harness.purchase_event(number, amount=sum(amounts), institution=f"D{rng.randrange(30)}", region=rng.choice(["63.09", "63.71", "63", "64.01"]),
                                       scale=rng.choice(["micro", "small", "medium", "large", "unknown"]), vendor=f"v-{rng.randrange(400)}",
                                       stage=rng.choice(["ordered", "contracted", "completed"]))
        order["data"]["document"]["lines"] = [line(i + 1, amount, f"k-{i}-{rng.randrange(3)}") for i, amount in enumerate(amounts)]
        made.append(order)
        if rng.random() < 0.2:
            made.append(harness.purchase_event(number, kind="paid", amount=rng.randrange(1, 40_000_000)))
        if rng.random() < 0.05:
            made.append(order)  # a producer's retry
        if rng.random() < 0.03:
            made.append({**order, "time": "2023-04-01T00:00:00+08:00"})  # the same id with other content
        if rng.random() < 0.03:
            made.append(harness.purchase_event(number + 10_000_000, kind="advanced", stage="completed"))  # of a purchase that nobody ordered
    lines = [(event["subject"], json.dumps(event, separators=(",", ":"))) for event in made]
    for _ in range(len(lines) // 50):
        at = rng.randrange(len(lines))
        lines.insert(at, (lines[at][0], lines[at][1][:rng.randrange(200)] + "}"))  # rubbish
    return lines


def facts(rng: random.Random, count: int) -> list:
    made = []
    for number in range(count):
        vendor = f"v-{rng.randrange(400)}"
        identity = hashlib.sha256(f"{vendor} {number}".encode()).hexdigest()[:32]
        made.append({"specversion": "1.0", "type": "id.bukubesar.reference.vendor.v1", "source": "/feed/reference", "id": identity, "subject": f"vendor/{vendor}",
                     "data": {"salt": identity, "valid_from": f"2023-{rng.randrange(1, 13):02d}", "name": f"CV {vendor}",
                              "scale": rng.choice(["micro", "small", "medium"]), "domicile": rng.choice(["63.09", "63.71", "31.71"])}})
    return [(event["subject"], json.dumps(event, separators=(",", ":"))) for event in made]


def heads(server: harness.Server) -> list:
    kept = ("partition", "size", "root", "epoch", "next_offset", "ledger_time", "verdicts", "records", "gap_offsets")
    return [{name: each[name] for name in kept} for each in server.get_json("/v1/status")["partitions"]]


def answers(server: harness.Server, cut: str) -> dict:
    """Everything that readers see at the cut, byte by byte."""
    bodies = {}
    for view in server.get_json("/v1/views")["views"]:
        bodies[view["name"]] = server.get(f"/v1/views/{view['name']}", min_cut=cut).body
    assert len(bodies) >= 5, bodies.keys()
    for by in ("vendor", "region,scale", "commodity,origin", "order_month,stage"):
        bodies[f"by {by}"] = server.get("/v1/totals", by=by, min_cut=cut).body
    cursor, page = None, 0
    while page == 0 or cursor:
        answer = server.get("/v1/findings", limit=1000, min_cut=cut, **({"cursor": cursor} if cursor else {}))
        assert answer.status == 200, answer.body
        bodies[f"findings {page}"] = answer.body
        cursor, page = answer.json()["next_cursor"], page + 1
    return bodies


def segments(server: harness.Server) -> dict:
    folder = server.data / "segments"
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.seg"))}


def catch_up(server: harness.Server, cut: dict):
    harness.wait_until(f"{server.data.name} to reach {cut}", lambda: all(server.cut().get(p, 0) >= n for p, n in cut.items()), 300)


def main():
    rng = random.Random(SEED)
    other = other_binary()
    print(f"seed {SEED}; {harness.BINARY} and {other}")
    with harness.workspace("same") as work, harness.Kafka(work / "kafka") as kafka:
        plain = harness.Server(work / "plain", kafka=kafka.bootstrap, settings={"ledger.partitions": PARTITIONS})
        odd = harness.Server(work / "odd", kafka=kafka.bootstrap, binary=other, settings={
            "ledger.partitions": PARTITIONS, "intake.commit_records_max": 173, "intake.commits_in_flight_max": 1, "intake.hand_offs_max": 1, "http.threads": 1})
        with plain, odd:
            plain.start()  # makes the topics and the definition
            odd.data.mkdir()
            (odd.data / "definition.jsonl").write_bytes((plain.data / "definition.jsonl").read_bytes())
            kafka.produce(REFERENCE, facts(rng, 200))
            sent = 200
            for quarter in range(4):
                batch = records(rng, 1 + quarter * ORDERS // 4, ORDERS // 4)
                kafka.produce(PURCHASES, batch)
                kafka.produce(REFERENCE, facts(rng, 100))
                sent += len(batch) + 100
                if quarter == 1:
                    odd.start(ready_seconds=0)  # half a topic late, and killed as soon as it works
                if quarter >= 1:
                    odd.wait_ready()
                    harness.wait_until("the other node to work", lambda: sum(odd.cut().values()) > rng.randrange(2_000), 120)
                    odd.kill()
                    odd.start(ready_seconds=0)
            odd.wait_ready()
            harness.wait_until(f"{sent} records in the ledger", lambda: sum(plain.cut().values()) >= sent, 300)
            cut = plain.cut()
            catch_up(odd, cut)
            assert heads(plain) == heads(odd), f"{heads(plain)}\n{heads(odd)}"
            text = harness.cut_text(cut)
            expected, found = answers(plain, text), answers(odd, text)
            assert expected.keys() == found.keys(), (expected.keys(), found.keys())
            for name, body in expected.items():
                assert found[name] == body, f"{name} differs:\n{body[:2000]}\n{found[name][:2000]}"
            full = [lambda server=server: server.get_json("/v1/status")["projections"]["segments"] for server in (plain, odd)]
            harness.wait_until("both to have written their full segments", lambda: full[0]() == full[1]() >= PARTITIONS)
            for server in (plain, odd):
                assert server.stop() == 0
                server.verify()
            expected, found = segments(plain), segments(odd)
            assert len(expected) >= PARTITIONS and expected.keys() == found.keys(), (expected.keys(), found.keys())
            for name, content in expected.items():
                assert found[name] == content, f"segment {name} differs: {hashlib.sha256(content).hexdigest()} {hashlib.sha256(found[name]).hexdigest()}"
        print(f"{sent} records, {len(expected)} segments of {sum(map(len, expected.values()))} bytes: equal roots, segments, views and findings")
        pair = "_with_".join(pathlib.Path(each).resolve().parent.name for each in (harness.BINARY, other))
        print(f"counts: nodes_{pair}=2 records={sent} segments={len(expected)}")


if __name__ == "__main__":
    main()
