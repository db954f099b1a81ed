"""What tests/faults/file_shim.cc records and does, for tests; and Disk, a model of what a power loss may leave of the recorded calls.

Disk keeps two states of everything: what was synced, and what the system holds in memory since. A file's bytes are safe once the file was
synced; a name (made, renamed, removed) once its directory was. What is not safe may be lost, kept, or kept in part, in any order: each sector
as it was before or as the first so many writes left it; names of one directory in their order. What a failed sync should have made safe is
lost for ever, as on Linux: later syncs of that file succeed without it, since its pages count as written, while whoever reads the file still
sees it.
"""

import dataclasses
import os
import pathlib
import random
import struct
import sys

import harness

LIBRARY = pathlib.Path(os.environ.get("BUKUBESAR_BUILD", str(harness.ROOT / "build/release"))) / "tests/faults/libfile_shim.so"
SECTOR = 512
HEAD = struct.Struct("<BQQIII")


def need_library():
    if not LIBRARY.exists():
        sys.exit(f"{LIBRARY} is not there: without it no call is recorded and none fails. Build it with `ninja -C BUILD file_shim`.")


def environment(root: pathlib.Path, **options) -> dict:
    """For `serve`. Options: record, trace, fault, fired, full."""
    return {"LD_PRELOAD": str(LIBRARY), "FILE_SHIM_ROOT": str(root), **{f"FILE_SHIM_{name.upper()}": str(value) for name, value in options.items()}}


@dataclasses.dataclass
class Call:
    op: str
    inode: int
    offset: int
    path: str
    second: str
    data: bytes
    end: int  # where its row ends in the record: a moment can be named by the record's size then


def mend_record(path: pathlib.Path):
    """A kill may strike while a row is written, and the next process goes on behind it."""
    calls = read_record(path)
    os.truncate(path, calls[-1].end if calls else 0)


def read_record(path: pathlib.Path) -> list:
    raw, at, calls = path.read_bytes(), 0, []
    while at + HEAD.size <= len(raw):
        op, inode, offset, first, second, data = HEAD.unpack_from(raw, at)
        if at + HEAD.size + first + second + data > len(raw):
            break  # the process was killed while it wrote this row
        at += HEAD.size
        texts = raw[at:at + first].decode(), raw[at + first:at + first + second].decode()
        at += first + second
        calls.append(Call(chr(op), inode, offset, *texts, raw[at:at + data], at + data))
        at += data
    return calls


@dataclasses.dataclass
class File:
    synced: bytearray = dataclasses.field(default_factory=bytearray)
    writes: list = dataclasses.field(default_factory=list)  # since: (offset, data); data None: cut to that size


def apply_write(content: bytearray, offset: int, data):
    if data is None:
        del content[offset:]
        content.extend(bytes(offset - len(content)))
        return
    content.extend(bytes(max(0, offset - len(content))))
    content[offset:offset + len(data)] = data


def keep_all(content: bytearray, writes: list):
    for offset, data in writes:
        apply_write(content, offset, data)


def keep_some(content: bytearray, writes: list, rng: random.Random):
    """Each sector as it stood at a moment of its own: when the system wrote it back last. A disk takes a sector whole or not at all, and what
    is written back is what the first so many writes made of it, so that of two writes to one sector the later is never there alone.
    Neighbours are often written back together."""
    touching = {}
    for index, (offset, data) in enumerate(writes):
        for sector in range(offset // SECTOR, -(-(offset + len(data)) // SECTOR) if data else 0):
            touching.setdefault(sector, []).append((index, offset, data))
    alone = rng.choice([1, 0.3, 0.05])  # how often a sector is not written back with the one before
    moment = None  # how many writes were done then
    for sector, those in sorted(touching.items()):
        if moment is None or rng.random() < alone:
            moment = rng.choice([0, len(writes), rng.randrange(len(writes) + 1)])
        for index, offset, data in those:
            if index < moment:
                low, high = max(offset, sector * SECTOR), min(offset + len(data), (sector + 1) * SECTOR)
                apply_write(content, low, data[low - offset:high - offset])


class Disk:
    def __init__(self, root: pathlib.Path):
        """What stands below `root` now is safe."""
        self.root = str(root)
        self.files: dict[int, File] = {}
        self.names: dict[str, File] = {}  # as the system sees them
        self.safe_names: dict[str, File | None] = {}  # None: a directory
        self.changes: dict[str, list] = {}  # directory -> its unsynced changes, in order: (path, File or None, removed)
        self.directories = {self.root}
        for path in root.rglob("*"):
            if path.is_file():
                file = File(bytearray(path.read_bytes()))
                self.files[path.stat().st_ino] = self.names[str(path)] = self.safe_names[str(path)] = file
            else:
                self.directories.add(str(path))
                self.safe_names[str(path)] = None

    def change(self, path: str, file, removed: bool = False):
        self.changes.setdefault(os.path.dirname(path), []).append((path, file, removed))

    def apply(self, call: Call):
        if call.op == "C":
            self.files[call.inode] = self.names[call.path] = File()
            self.change(call.path, self.names[call.path])
        elif call.op in "WT":
            self.files.setdefault(call.inode, File()).writes.append((call.offset, call.data if call.op == "W" else None))
        elif call.op == "S":
            file = self.files.get(call.inode, File())
            for offset, data in file.writes:
                apply_write(file.synced, offset, data)
            file.writes.clear()
        elif call.op == "F":
            file = self.files.get(call.inode, File())
            file.writes = [(size, None) for size, data in file.writes if data is None]  # sizes are no pages
        elif call.op == "D":
            for path, file, removed in self.changes.pop(call.path, []):
                self.settle(self.safe_names, path, file, removed)
        elif call.op == "M":
            self.change(call.path, None)
        elif call.op == "L":
            self.names[call.path] = self.names[call.second]
            self.change(call.path, self.names[call.path])
        elif call.op == "U":
            self.names.pop(call.path, None)
            self.change(call.path, None, removed=True)
        elif call.op == "R":
            file = self.names.pop(call.path)
            self.names[call.second] = file
            # One change: the new name is there and the old one is gone, or neither.
            self.changes.setdefault(os.path.dirname(call.second), []).append(((call.path, call.second), file, False))

    @staticmethod
    def settle(names: dict, path, file, removed: bool):
        if isinstance(path, tuple):
            names.pop(path[0], None)
            names[path[1]] = file
        elif removed:
            names.pop(path, None)
        else:
            names[path] = file

    def after_power_loss(self, rng: random.Random, kept: str, to: pathlib.Path):
        """Makes `to` what is left. kept: nothing (of what is unsynced), all, some."""
        names = dict(self.safe_names)
        for changes in self.changes.values():
            count = {"nothing": 0, "all": len(changes)}.get(kept, rng.randrange(len(changes) + 1))
            for path, file, removed in changes[:count]:
                self.settle(names, path, file, removed)
        to.mkdir()
        for path, file in sorted(names.items()):
            target = to / os.path.relpath(path, self.root)
            if not target.parent.is_dir():
                continue  # its directory was lost
            if file is None:
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(self.content(file, rng, kept))
                target.chmod(0o600)  # the signing key's; it does for all

    @staticmethod
    def content(file: File, rng: random.Random, kept: str) -> bytes:
        content, writes = bytearray(file.synced), []
        if kept == "nothing":
            return content
        keep = keep_all if kept == "all" else lambda content, writes: keep_some(content, writes, rng)
        for offset, data in file.writes:
            if data is not None:
                writes.append((offset, data))
                continue
            keep(content, writes)
            apply_write(content, offset, None)  # a size is no sector of the file: it is kept
            writes = []
        keep(content, writes)
        return content
