"""A real PostgreSQL of a test's own: in a temporary directory, on a free port, as a user without rights."""

import os
import pathlib
import pwd
import signal
import subprocess

import harness

BINARIES = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class Postgres:
    def __init__(self, directory: pathlib.Path):
        self.directory, self.port = directory, harness.free_port()
        self.data = directory / "data"
        self.prefix: list = []
        directory.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:  # which PostgreSQL refuses to run as
            self.prefix = ["runuser", "-u", "postgres", "--"]
            owner = pwd.getpwnam("postgres")
            os.chown(directory, owner.pw_uid, owner.pw_gid)
            for parent in directory.parents:
                if parent != pathlib.Path("/tmp") and parent.is_relative_to("/tmp"):
                    parent.chmod(0o755)

    def _run(self, program: str, *arguments: str):
        subprocess.run([*self.prefix, str(BINARIES / program), *arguments], check=True, capture_output=True, text=True, timeout=120,
                       cwd=self.directory, env=harness.ENVIRONMENT)

    def start(self):
        if not self.data.exists():
            self._run("initdb", "-D", str(self.data), "-U", "owner", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
            settings = {"port": self.port, "listen_addresses": "'127.0.0.1'", "unix_socket_directories": f"'{self.directory}'",
                        "fsync": "off", "shared_buffers": "64MB", "max_wal_size": "1GB"}
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
                file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        self._run("pg_ctl", "-D", str(self.data), "-l", str(self.directory / "log"), "-w", "-t", "60", "-s", "start")
        return self

    def stop(self):
        subprocess.run([*self.prefix, str(BINARIES / "pg_ctl"), "-D", str(self.data), "-m", "immediate", "-s", "stop"], check=False,
                       capture_output=True, timeout=60, cwd=self.directory)

    def kill(self):
        """As kill -9 would: every process of it."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            try:
                os.kill(each, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # The last one to go holds the shared memory, beside which it does not start.
        harness.wait_until("PostgreSQL to be gone", lambda: not any(pathlib.Path(f"/proc/{each}").exists() for each in [pid, *children]))
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    @property
    def database(self) -> str:
        return f"host=127.0.0.1 port={self.port} dbname=postgres user=owner"

    def ask(self, sql: str, user: str = "owner") -> list:
        """Rows of texts. AssertionError with what it answered where it refuses."""
        done = subprocess.run([str(BINARIES / "psql"), f"host=127.0.0.1 port={self.port} dbname=postgres user={user}", "-X", "-q", "-A", "-t",
                               "-F", "\t", "-v", "ON_ERROR_STOP=1", "-c", sql], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise AssertionError(f"{sql}: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
