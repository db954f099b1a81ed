"""One byte of the data directory flipped: `verify` names the place, or the ledger refuses to open; never a silently different answer.

Every file is tried at several places (seeded, BUKUBESAR_SEED). Left out is what holds no part of the record: RocksDB's own log,
its IDENTITY, its OPTIONS (what it was opened with, never read back) and the locks.
"""

import os
import pathlib
import random
import shutil

import harness

SEED = int(os.environ.get("BUKUBESAR_SEED", "20230615"))
PLACES_PER_FILE = int(os.environ.get("BUKUBESAR_DAMAGE_PLACES", "3"))
NO_PART_OF_THE_RECORD = ("LOG", "OPTIONS", "IDENTITY", "LOCK", "lock")


def recorded_files(data: pathlib.Path) -> list:
    return [path for path in sorted(data.rglob("*")) if path.is_file() and path.stat().st_size > 0
            and not path.name.startswith(NO_PART_OF_THE_RECORD) and path.name != "signing.key"
            and path.parent.name != "ledger.log"]  # RocksDB's notes for people


def main():
    rng = random.Random(SEED)
    with harness.workspace("damage") as work, harness.Server(work / "data") as server:
        server.start()
        for first in range(0, 3000, 500):
            assert server.post_events([harness.purchase_event(number) for number in range(first, first + 500)]).status == 200
        assert server.stop() == 0
        server.verify()
        sound = work / "sound"
        shutil.copytree(server.data, sound)
        tried = 0
        for path in recorded_files(sound):
            size = path.stat().st_size
            for place in sorted(rng.randrange(size) for _ in range(PLACES_PER_FILE)):
                shutil.rmtree(server.data)
                shutil.copytree(sound, server.data)
                damaged = server.data / path.relative_to(sound)
                content = bytearray(damaged.read_bytes())
                content[place] ^= 1 << rng.randrange(8)
                damaged.write_bytes(content)
                done = server.run("verify", check=False)
                text = done.stdout + done.stderr
                assert done.returncode not in (0, -6, -11), f"seed {SEED}: {path.relative_to(sound)} byte {place}: verify is content\n{text}"
                assert text.strip(), "verify says nothing"
                tried += 1
        print(f"seed {SEED}: {tried} flipped bytes in {len(recorded_files(sound))} files, each found")


if __name__ == "__main__":
    main()
