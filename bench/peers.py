"""The peers: Kafka Streams and PostgreSQL do the same job over the same events. bench/peer/README.md says how each is set up."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading

import harness
from measure import cpu_seconds, directory_bytes, kafka_pid, tree_cpu_seconds

SOURCES = pathlib.Path(__file__).resolve().parent / "peer"
VIEWS = harness.ROOT / "config/views.json"
TOPIC = "bukubesar.purchases"
PEERS = ("streams_best", "streams_usual", "postgres_ids", "postgres_payloads")
MEASURES = ["packages", "committed", "strict", "broad", "stage_unknown", "paid"]

STREAMS_JVM = {"best": ["-Xms3g", "-Xmx3g", "-XX:+UseParallelGC"], "usual": ["-Xmx3g"]}


def build(into: pathlib.Path) -> str:
    """Compiles the peers with Maven where that has not been done for these sources; returns the class path."""
    digest = hashlib.sha256()
    for path in sorted([SOURCES / "pom.xml", *SOURCES.rglob("*.java")]):
        digest.update(path.read_bytes())
    into.mkdir(parents=True, exist_ok=True)
    stamp = into / "stamp"
    with open(into / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest.hexdigest():
            print("building the peers with Maven …", flush=True)
            shutil.rmtree(into / "classes", ignore_errors=True)
            if not shutil.which("mvn") or not shutil.which("javac"):
                raise SystemExit("bench/run --peer needs Maven, a Java compiler and PostgreSQL: ops/install bench")
            subprocess.run(["mvn", "-q", "-B", "-f", SOURCES / "pom.xml", f"-Dpeer.target={into}", "compiler:compile",
                            "dependency:copy-dependencies", f"-DoutputDirectory={into}/jars"], check=True)
            stamp.write_text(digest.hexdigest())
    return f"{into}/classes:{into}/jars/*"


def run_java(class_path: str, main: str, jvm: list, options: dict, work: pathlib.Path) -> dict:
    """Runs one peer to its end and returns its report, with the most memory that it held. Its log is shown where it fails."""
    out, log = work / f"{main}.json", work / f"{main}.log"
    flags = [part for name, value in {**options, "out": out, "topic": TOPIC, "views": VIEWS}.items() for part in (f"--{name}", str(value))]
    with open(log, "ab") as to:
        process = subprocess.Popen(["java", *jvm, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class_path, f"id.bukubesar.peer.{main}", *flags],
                                   stdout=to, stderr=to)
    with ended_after(process, 3600):
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status != 0:
        raise AssertionError(f"{main} ended with {process.returncode}:\n{log.read_text(errors='replace')[-6000:]}")
    return json.loads(out.read_text()) | {"memory_mib": usage.ru_maxrss / 1024}


@contextlib.contextmanager
def ended_after(process: subprocess.Popen, seconds: float):
    """Kills what hangs; whoever waits for it is told by its status."""
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def streams(class_path: str, kafka: harness.Kafka, mode: str, work: pathlib.Path, commit_ms: int) -> dict:
    broker = kafka_pid(kafka.port)
    before = cpu_seconds(broker)
    options = {"bootstrap": kafka.bootstrap, "application": f"peer-{mode}", "dir": work / f"streams-{mode}", "mode": mode, "commit-ms": commit_ms}
    report = run_java(class_path, "StreamsPeer", STREAMS_JVM[mode], options, work)
    report["disk_bytes"] = directory_bytes(work / f"streams-{mode}")
    shutil.rmtree(work / f"streams-{mode}", ignore_errors=True)
    return report | {"broker_cpu_seconds": cpu_seconds(broker) - before}


def postgres(class_path: str, kafka: harness.Kafka, mode: str, work: pathlib.Path, batch: int) -> dict:
    broker = kafka_pid(kafka.port)
    before = cpu_seconds(broker)
    with Postgres() as database:
        idle, empty = tree_cpu_seconds(database.pid()), directory_bytes(database.data / "base")
        options = {"bootstrap": kafka.bootstrap, "jdbc": database.url, "mode": mode, "batch": batch, "writers": 2}
        report = run_java(class_path, "PostgresPeer", ["-Xms1g", "-Xmx1g", "-XX:+UseParallelGC"], options, work)
        report["cpu_seconds"] += tree_cpu_seconds(database.pid()) - idle
        report["disk_bytes"] = directory_bytes(database.data / "base") - empty
    return report | {"broker_cpu_seconds": cpu_seconds(broker) - before}


class Postgres:
    """A private cluster on loopback, in a scratch directory, as the user postgres where we are root (PostgreSQL refuses to be)."""

    SETTINGS = {
        "listen_addresses": "127.0.0.1", "max_connections": 20,
        "shared_buffers": "2GB", "temp_buffers": "256MB", "work_mem": "128MB", "maintenance_work_mem": "512MB",
        "wal_level": "minimal", "max_wal_senders": 0, "wal_buffers": "64MB", "wal_compression": "lz4", "max_wal_size": "16GB",
        "checkpoint_timeout": "30min", "synchronous_commit": "on", "fsync": "on", "full_page_writes": "on",
        "jit": "off", "random_page_cost": 1.1, "effective_cache_size": "8GB",
    }

    def __init__(self):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not versions:
            raise SystemExit("bench/run --peer needs PostgreSQL: ops/install bench")
        self.programs = versions[-1]
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="bukubesar_postgres_"))
        self.data, self.port = self.scratch / "data", harness.free_port()
        self.prefix: list = []
        if os.getuid() == 0:
            os.chown(self.scratch, pwd.getpwnam("postgres").pw_uid, -1)
            self.prefix = ["runuser", "-u", "postgres", "--"]

    @property
    def url(self) -> str:
        return f"jdbc:postgresql://127.0.0.1:{self.port}/postgres?user=bench"

    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def _run(self, program: str, *arguments):
        done = subprocess.run([*self.prefix, self.programs / program, *arguments], capture_output=True, text=True, timeout=300, cwd="/")
        if done.returncode != 0:
            log = self.scratch / "log"
            raise AssertionError(f"{program}: {done.stderr}\n{log.read_text()[-3000:] if log.exists() else ''}")

    def __enter__(self):
        try:
            self._run("initdb", "-D", self.data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            lines = [f"{name} = '{value}'" for name, value in (self.SETTINGS | {"port": self.port, "unix_socket_directories": self.scratch}).items()]
            with open(self.data / "postgresql.conf", "a") as config:
                config.write("\n".join(lines) + "\n")
            self._run("pg_ctl", "-D", self.data, "-l", self.scratch / "log", "-w", "-t", "120", "-s", "start")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid(), signal.SIGQUIT)  # at once: the data is thrown away
        with contextlib.suppress(OSError, AssertionError):
            harness.wait_until("PostgreSQL to end", lambda: not (self.data / "postmaster.pid").exists(), 60)
        shutil.rmtree(self.scratch, ignore_errors=True)


def sen(text) -> int:
    return 0 if text is None else int(text.replace(".", ""))


def read_views(server: harness.Server, count: int | None = None) -> dict:
    """Each standing view's whole answer, or the first of them, one after another: name → bytes. What they say is looked at when the clock has stopped."""
    answers = {view["name"]: server.get(f"/v1/views/{view['name']}") for view in json.loads(VIEWS.read_text())["views"][:count]}
    for name, answer in answers.items():
        assert answer.status == 200, f"view {name}: {answer.status} {answer.body[:500]!r}"
    return {name: answer.body for name, answer in answers.items()}


def our_views(answers: dict) -> dict:
    """Each standing view as the peers write theirs: name → {key: measures}. Distinct counts of vendors are ours alone."""
    by = {view["name"]: view["by"] for view in json.loads(VIEWS.read_text())["views"]}
    return {name: {tuple(row[key] for key in by[name]): [row["packages"], *(sen(row.get(measure)) for measure in MEASURES[1:])]
                   for row in json.loads(body)["rows"]}
            for name, body in answers.items()}


def differences(ours: dict, report: dict) -> list:
    """Rows in which a peer differs from us; a row of zeros is no row."""
    found = []
    for name, rows in ours.items():
        theirs = {tuple(key): measures for key, measures in report["views"].get(name, [])}
        for key in rows.keys() | theirs.keys():
            us, them = rows.get(key, [0] * len(MEASURES)), theirs.get(key, [0] * len(MEASURES))
            if us != them:
                found.append(f"{name} {'/'.join(key)}: ours {us}, the peer's {them}")
    return found
