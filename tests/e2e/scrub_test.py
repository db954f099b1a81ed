"""A byte goes bad on the disk while the server runs: the scrub finds it, says so, and the partition is not signed any more."""

import re

import harness

CHECKPOINT = "/log/0/checkpoint"


def table_files(server: harness.Server) -> list:
    return sorted(server.data.glob("ledger/*.sst"), key=lambda path: path.stat().st_size)


def scrub(server: harness.Server) -> dict:
    return server.get_json("/v1/status")["scrub"]


def main():
    with harness.workspace("scrub") as work, harness.Server(work / "data", settings={"scrub.interval_s": "1"}) as server:
        server.start()
        assert server.post_events([harness.purchase_event(number) for number in range(500)]).status == 200
        assert server.stop() == 0
        server.start()  # what stood in RocksDB's log becomes tables
        harness.wait_until("a whole pass", lambda: scrub(server)["passes"] >= 1)
        harness.wait_until("the next one to have read them too", lambda: scrub(server)["partitions"][0]["next"] >= 500)
        sound = scrub(server)
        assert sound["errors"] == 0 and sound["entries"] >= 500, sound
        assert server.get("/readyz").status == 200
        assert server.post_events([harness.purchase_event(600)]).status == 200
        harness.wait_until("the newest head to be signed", lambda: server.signed_size(CHECKPOINT) == server.committed()["0"])
        signed = server.signed_size(CHECKPOINT)

        path = table_files(server)[-1]
        with path.open("r+b") as table:
            table.seek(path.stat().st_size // 3)
            byte = table.read(1)[0]
            table.seek(-1, 1)
            table.write(bytes([byte ^ 1]))
        harness.wait_until("the scrub to find it", lambda: server.get("/readyz").status == 503)
        assert path.name.encode() in server.get("/readyz").body
        status = server.get_json("/v1/status")
        assert status["scrub"]["errors"] > 0
        assert any(path.name in warning and "not signed" in warning for warning in status["warnings"]), status["warnings"]
        assert re.search(r"^bukubesar_scrub_errors_total [1-9]", server.get("/metrics").body.decode(), re.MULTILINE)
        assert path.name in server.log()

        # The intake goes on, the signer does not.
        assert server.post_events([harness.purchase_event(700)]).status == 200
        passes = scrub(server)["passes"]
        harness.wait_until("two more passes", lambda: scrub(server)["passes"] >= passes + 2)
        assert server.signed_size(CHECKPOINT) == signed
        assert server.get("/v1/entries/0/0").status == 200
        server.stop()
        done = server.run("verify", check=False)
        assert done.returncode == 1 and path.name in done.stdout, done.stdout + done.stderr


if __name__ == "__main__":
    main()
