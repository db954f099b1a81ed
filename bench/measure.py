"""What the parts of bench/run share: a table of named figures, times and memory from /proc, quantiles from /metrics, and what
loads the broker."""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
import harness  # noqa: E402
from beside import KINDS  # noqa: E402

BUILD = pathlib.Path(os.environ.get("BUKUBESAR_BUILD", ROOT / "build/release"))
TICKS = os.sysconf("SC_CLK_TCK")


class Figures:
    """Prints each figure as it comes, with its floor and goal where it has them, and keeps them by name."""

    # name: (floor, goal); the larger of the two says which way is better.
    BOUNDS = {
        "backlog_events_per_s": (250_000, 450_000),
        "ratio_events_per_s_to_streams": (5, 10),
        "cpu_us_per_event": (6, 4),
        **{f"{who}_p{percent}_ms_at_{rate}_per_s": bounds for who in ("visible", "probe") for percent, rate, bounds in (
            (50, 20_000, (6, 3)), (99, 20_000, (50, 15)), (50, 100_000, (10, 4)), (99, 100_000, (60, 25)))},
        **{f"beside_{kind}_visible_p{percent}_ms_at_20000_per_s": bounds for kind in KINDS for percent, bounds in ((50, (6, 3)), (99, (50, 15)))},
        "grouped_sum_rows_per_s_one_core": (10e6, 50e6),
        "verify_entries_per_s": (0.3e6, 1e6),
        "restart_seconds_5M": (15, 4),
        "disk_bytes_per_event": (300, 200),
        "as_of_totals_seconds": (1, 0.5),
        "as_of_totals_seconds_slowest_question": (1, 0.5),
        **{f"explain_first_page_p99_ms_{row}_{when}": (200, 100) for row in ("large", "small", "tiny") for when in ("live", "as_of", "cold")},
        "proofs_per_s": (1000, 5000),
        "proofs_per_s_4_clients": (1000, 5000),
        "memory_mib_5M": (1024, 410),
        "memory_mib_1M_purchases": (1024, 410),
        "memory_mib_10M_purchases": (8192, 3072),
        "totals_p99_ms_idle": (2, 1),
        "totals_p99_ms_at_1000_events_per_s": (2, 1),
        "stream_cost_intake_cpu_percent": (20, 10),
        "stream_cost_flood_percent": (20, 10),
        "sink_stored_transfers_per_s": (100_000, 200_000),
        "sink_live_transfers_per_s": (100_000, 200_000),
        "sink_transfers_per_s": (100_000, 200_000),
    }

    def __init__(self, judge: bool, conditions: dict | None = None):
        self.judge, self.conditions = judge, dict(conditions or {})
        self.figures: dict[str, float] = {}

    def note(self, name: str, value: float, unit: str):
        self.figures[name] = round(value, 4)
        print(f"  {name:<52} {value:>16,.3f}  {unit}{self.judged(name, value)}", flush=True)

    def judged(self, name: str, value: float) -> str:
        bounds = self.BOUNDS.get(name, self.BOUNDS.get(re.sub(r"_(\d+_partitions|5M|[\d.]+M_purchases)$", "", name)))
        if not self.judge or bounds is None:
            return ""
        floor, goal = bounds
        for word, bound in (("goal", goal), ("floor", floor)):
            if value >= bound if goal > floor else value <= bound:
                return f"  [{word} {bound:,g} met]"
        return f"  [BELOW the floor {floor:,g}]"


def load(kafka: harness.Kafka, partitions: int, **options) -> dict:
    """Writes events to the broker; returns what bench_load says of it."""
    flags = [part for name, value in options.items() if value for part in ("--" + name.replace("_", "-"), str(value))]
    done = subprocess.run([BUILD / "bench/bench_load", "--bootstrap", kafka.bootstrap, "--partitions", str(partitions), *flags],
                          check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def entries(server: harness.Server) -> int:
    return sum(size for partition, size in server.cut().items() if partition != "reference")


def visible(server: harness.Server, events: int, seconds: float = 3600):
    """While the end is far it is seldom asked for: who asks takes processor time from who is measured."""
    harness.wait_until(f"most of {events} events visible", lambda: entries(server) >= 0.9 * events, seconds, pause=0.25)
    return harness.wait_until(f"{events} events visible", lambda: entries(server) >= events, seconds)


def proven(server: harness.Server):
    """What stands under no signed checkpoint has no proof yet."""
    cut = {partition: size for partition, size in server.cut().items() if size > 0}
    harness.wait_until(f"{cut} under signed checkpoints",
                       lambda: all(server.signed_size(f"/log/{partition}/checkpoint") >= size for partition, size in cut.items()))


def cpu_seconds(pid: int, with_ended_children: bool = False) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(ticks) for ticks in fields[11:15 if with_ended_children else 13]) / TICKS


def cpu_seconds_since(before: float, pid: int) -> float:
    """A tick at least: what took less is still no reason to divide by nothing."""
    return max(cpu_seconds(pid) - before, 1 / TICKS)


def tree_cpu_seconds(pid: int) -> float:
    """A process and its children, those that have ended too."""
    total = cpu_seconds(pid, with_ended_children=True)
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                total += cpu_seconds(int(process.name))
        except OSError:
            continue  # it ended meanwhile
    return total


def machine_seconds() -> tuple[float, float]:
    """Of all cores since the machine started: at work, and taken away by the machine's host (proc_stat(5): steal)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, pathlib.Path("/proc/stat").read_text().split(None, 9)[1:9])
    return (user + nice + system + irq + softirq) / TICKS, steal / TICKS


def memory_mib(pid: int, which: str) -> float:
    return int(re.search(rf"{which}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def library(pid: int, name: str) -> str:
    """The file from which a process has a shared library."""
    return re.search(rf"/\S*/{name}\S*", pathlib.Path(f"/proc/{pid}/maps").read_text()).group(0)


def directory_bytes(path: pathlib.Path) -> int:
    """Files of a database that runs come and go: of those du complains, and counts the rest."""
    return int(subprocess.run(["du", "-sB1", path], check=False, stdout=subprocess.PIPE, text=True).stdout.split()[0])


def kafka_pid(port: int) -> int:
    """The broker listens on the port; ss is not everywhere, /proc is."""
    for process in pathlib.Path("/proc").iterdir():
        try:
            if process.name.isdigit() and b"kafka.Kafka" in (process / "cmdline").read_bytes() and str(port) in _broker_config(process):
                return int(process.name)
        except OSError:
            continue
    raise RuntimeError("the broker's process is not to be found")


def _broker_config(process: pathlib.Path) -> str:
    for argument in (process / "cmdline").read_bytes().split(b"\0"):
        if argument.endswith(b".properties"):
            return pathlib.Path(argument.decode()).read_text()
    return ""


def histogram(server, name: str) -> dict[float, float]:
    """Cumulative counts by upper bound, all partitions together."""
    buckets: dict[float, float] = {}
    for line in server.get("/metrics").body.decode().splitlines():
        if line.startswith(name + "_bucket"):
            bound = float(re.search(r'le="([^"]+)"', line).group(1).replace("+Inf", "inf"))
            buckets[bound] = buckets.get(bound, 0) + float(line.rsplit(" ", 1)[1])
    return buckets


def quantile(before: dict, after: dict, q: float) -> float:
    counts = sorted((bound, count - before.get(bound, 0)) for bound, count in after.items())
    total = counts[-1][1]
    lower_bound = lower_count = 0.0
    for bound, count in counts:
        if count >= q * total and count > 0:
            if bound == float("inf"):
                return lower_bound
            return lower_bound + (bound - lower_bound) * (q * total - lower_count) / max(count - lower_count, 1)
        lower_bound, lower_count = bound, count
    return lower_bound
