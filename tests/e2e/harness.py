"""What the end-to-end tests share: a real server, a real broker, and an HTTP client.

Everything runs on loopback, on free ports, in a temporary directory, and is stopped when its `with` block ends.
Waiting is for conditions with a deadline, never for a fixed time.
"""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("BUKUBESAR_BINARY", str(ROOT / "build/release/bukubesar"))
KAFKA = str(ROOT / "ops/kafka")
# The sanitizer that the program was built with, if any: it is slower then, and what it holds in memory says little.
SLOWER_TIMES = {"asan": 4, "tsan": 8, "fuzz": 8, "races": 8}
SANITIZER = next((name for name in SLOWER_TIMES if pathlib.Path(os.environ.get("BUKUBESAR_BUILD", "")).name == name), None)
PATIENCE = SLOWER_TIMES.get(SANITIZER, 1)
# Without what is meant for the tests: the program refuses variables that are none of its settings.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("BUKUBESAR_")}


# A port is its process's until that ends: a byte of this file is locked for each, so that tests beside each other never get the same.
PORTS = open(pathlib.Path(tempfile.gettempdir()) / f"bukubesar_ports_{os.getuid()}", "a")
given_ports: set[int] = set()


def free_port(run_of: int = 1) -> int:
    """A port that is free now, the next `run_of` - 1 too (the broker's controller takes the port after its own). Below the range that
    the kernel gives to outgoing connections: one of those could take it before the server that it is for."""
    for _ in range(1000):
        port = random.SystemRandom().randrange(20_000, 32_000)
        run = set(range(port, port + run_of))
        if given_ports & run:
            continue
        with contextlib.ExitStack() as stack:
            try:
                fcntl.lockf(PORTS, fcntl.LOCK_EX | fcntl.LOCK_NB, run_of, port)
                for each in run:
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", each))
            except OSError:
                continue
            given_ports.update(run)
            return port
    raise RuntimeError("no free ports")


def cut_text(cut: dict) -> str:
    return ",".join(f"{partition}={size}" for partition, size in cut.items())


def wait_until(what: str, condition, seconds: float = 60.0, pause: float = 0.02):
    """Calls `condition` until it gives something true, and returns that; with so many seconds in between."""
    seconds *= PATIENCE
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(pause)


class Answer:
    def __init__(self, status: int, headers, body: bytes):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)


class Server:
    """`bukubesar serve` on a data directory of its own."""

    def __init__(self, data: pathlib.Path, *, kafka: str | None = None, settings: dict | None = None, prefix: list | None = None,
                 ca: pathlib.Path | None = None, token: str | None = None, binary: str = BINARY):
        """ca: who signed the certificate that it shows; without one it is asked in clear. token: what requests carry."""
        self.data, self.kafka, self.settings, self.prefix = data, kafka, dict(settings or {}), list(prefix or [])
        self.environment: dict = {}  # of `serve`, beside our own
        self.ca, self.token, self.binary = ca, token, binary
        self.process: subprocess.Popen | None = None
        self.port = free_port()
        self.log_path = data.parent / f"{data.name}.log"

    def command(self, *arguments: str) -> list:
        settings = {"data_dir": str(self.data), "http.port": str(self.port), **self.settings}
        if SANITIZER:  # what takes it a second may take it a minute there
            settings.setdefault("http.request_timeout_ms", str(30_000 * PATIENCE))
        if self.kafka:
            settings |= {"broker.kind": "kafka", "broker.bootstrap_servers": self.kafka, "broker.create_topics": "true"}
        flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        return [*self.prefix, self.binary, *flags, *arguments]

    def key_new(self):
        if not (self.data / "signing.key").exists():
            self.data.mkdir(parents=True, exist_ok=True)
            subprocess.run(self.command("key", "new"), check=True, stdout=subprocess.DEVNULL, env=ENVIRONMENT)

    def start(self, ready_seconds: float = 60.0, *flags: str):
        self.key_new()
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.command("serve", *flags), stdout=log, stderr=log, env={**ENVIRONMENT, **self.environment})
        log.close()
        if ready_seconds:
            self.wait_ready(ready_seconds)
        return self

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status == 200
        except OSError:
            return False

    def wait_ready(self, seconds: float = 60.0, pause: float = 0.02):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.log()[-4000:]}")
            return self.is_ready()
        wait_until("the server to be ready", ready, seconds, pause)

    def wait_ready_or_gone(self):
        """ConnectionResetError where the process ended, as a client of it would meet."""
        def ready():
            if self.process.poll() is not None:
                raise ConnectionResetError("the process ended")
            return self.is_ready()
        wait_until("the server to be ready", ready)

    def stop(self) -> int:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60 * PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"serve did not stop on SIGTERM:\n{self.log()[-4000:]}")
        return self.process.returncode if self.process else 0

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def url(self) -> str:
        return f"{'https' if self.ca else 'http'}://127.0.0.1:{self.port}"

    def connect(self, timeout: float = 60.0) -> http.client.HTTPConnection:
        timeout *= PATIENCE
        if self.ca is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=ssl.create_default_context(cafile=str(self.ca)))

    def request(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None, timeout: float = 60.0) -> Answer:
        connection = self.connect(timeout)
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **query) -> Answer:
        return self.request("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def get_json(self, path: str, **query):
        answer = self.get(path, **query)
        assert answer.status == 200, f"GET {path} {query}: {answer.status} {answer.body[:500]!r}"
        return answer.json()

    def post_events(self, events: list, timeout: float = 60.0) -> Answer:
        body = json.dumps(events, separators=(",", ":")).encode()
        return self.request("POST", "/v1/events", body, {"Content-Type": "application/cloudevents-batch+json"}, timeout)

    def cut(self) -> dict:
        return self.get_json("/v1/cut")["cut"]

    def committed(self) -> dict:
        return self.get_json("/v1/cut")["committed"]

    def caught_up(self) -> dict:
        """The cut once the views have read all that is committed: what was answered as stored is committed, and in the views a moment later."""
        def all_read():
            at = self.get_json("/v1/cut")
            return at["cut"] if at["cut"] == at["committed"] else None
        return wait_until("the views to have read all", all_read)

    def signed_size(self, path: str) -> int:
        """Entries under the checkpoint at this path; -1 where there is none."""
        answer = self.get(path)
        return int(answer.body.splitlines()[1]) if answer.status == 200 else -1

    def resident_bytes(self, what: str = "VmRSS") -> int:
        """VmRSS now, or VmHWM: the most since forget_peak(), or the start."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {what}")

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def run(self, *arguments: str, check: bool = True, timeout: float = 600.0) -> subprocess.CompletedProcess:
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=timeout * PATIENCE, env=ENVIRONMENT)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def verify(self, all_segments: bool = True):
        """The server must be stopped. Raises where anything is off; all_segments: or where one was not compared, since a start has to make it again."""
        done = self.run("verify")
        assert not all_segments or "NOT compared" not in done.stdout, done.stdout
        return done

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if kind is not None:
            sys.stderr.write(f"--- the server's log, its end ---\n{self.log()[-6000:]}\n")


class Kafka:
    """A real single-node broker, by ops/kafka."""

    def __init__(self, directory: pathlib.Path, heap: str = "256m", *, secure: bool = False, properties: dict | None = None):
        self.directory, self.port, self.heap, self.secure = directory, free_port(3 if secure else 2), heap, secure
        self.properties = dict(properties or {})

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def certificate_bootstrap(self) -> str:
        """Of the listener that asks for client certificates, where it is secure."""
        return f"127.0.0.1:{self.port + 2}"

    def _run(self, verb: str, *more: str, check: bool = True):
        properties = [part for key, value in self.properties.items() for part in ("--property", f"{key}={value}")]
        done = subprocess.run([KAFKA, verb, "--dir", str(self.directory), "--port", str(self.port), "--heap", self.heap,
                               *properties, *(["--secure"] if self.secure else []), *more],
                              capture_output=True, text=True, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError(f"ops/kafka {verb}: {done.stdout}\n{done.stderr}")

    def start(self):
        self._run("start")
        return self

    def stop(self):
        self._run("stop", check=False)

    def grant(self, user: str, topics: str, operations: str = ""):
        """What a node needs, or these, on the topics whose names begin so."""
        self._run("grant", "--user", user, "--topics", topics, *(["--operations", operations] if operations else []))

    def signal(self, number: int):
        """SIGKILL, SIGSTOP, SIGCONT: to the broker's process."""
        pid = int((self.directory / "broker.pid").read_text())
        os.kill(pid, number)
        if number == signal.SIGKILL:
            wait_until("the broker to be gone", lambda: not pathlib.Path(f"/proc/{pid}").exists())

    def produce(self, topic: str, keyed_values: list):
        """keyed_values: (key, value) texts without tabs or newlines. Returns when all are acknowledged."""
        lines = "".join(f"{key}\t{value}\n" for key, value in keyed_values)
        subprocess.run(["kcat", "-P", "-b", self.bootstrap, "-t", topic, "-K", "\t", "-X", "acks=all", "-X", "partitioner=murmur2_random",
                        "-X", "topic.partitioner=murmur2_random"], input=lines.encode(), check=True, capture_output=True, timeout=120)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


@contextlib.contextmanager
def workspace(name: str):
    path = pathlib.Path(tempfile.mkdtemp(prefix=f"bukubesar_{name}_"))
    try:
        yield path
    finally:
        if os.environ.get("BUKUBESAR_KEEP"):
            print("kept", path)
        else:
            shutil.rmtree(path, ignore_errors=True)


def rupiah(amount: int) -> str:
    return f"{amount}.00"


def purchase_event(number: int, *, kind: str = "ordered", amount: int = 1_000_000, institution: str = "D262", region: str = "63.09",
                   scale: str = "small", feed: str = "/feed/test", year: int = 2023, stage: str = "contracted", time_: str = "2023-05-11T09:12:00+08:00",
                   event_id: str | None = None, vendor: str = "v-1", kind_of_catalogue: str = "local") -> dict:
    """A valid purchase event; `number` names the purchase."""
    subject = f"e-katalog-6/P{number:08d}"
    identity = event_id or hashlib.sha256(f"{feed}|{subject}|{kind}|{amount}|{stage}".encode()).hexdigest()[:32]
    data: dict = {"salt": hashlib.sha256(identity.encode()).hexdigest()[:32]}
    if kind in ("ordered", "amended"):
        data["document"] = {"fiscal_year": year, "order_date": "2023-05-11", "stage": stage, "institution": institution, "vendor": vendor,
                            "stated": {"region": region, "scale": scale}, "funding": ["APBD"], "catalogue_kind": kind_of_catalogue,
                            "amounts": {"total": rupiah(amount)}}
    elif kind == "advanced":
        data["stage"] = stage
    elif kind in ("paid", "refunded"):
        data |= {"amount": rupiah(amount), "reference": f"SP2D-{number}-{amount}", "date": "2023-06-01"}
    return {"specversion": "1.0", "type": f"id.bukubesar.purchase.{kind}.v1", "source": feed, "id": identity, "subject": subject, "time": time_,
            "datacontenttype": "application/json", "data": data}
