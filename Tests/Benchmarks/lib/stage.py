"""What every measurement stands on: a work directory, a private PostgreSQL and receiver, databases, the lock, the end."""
import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import accounting
from .accounting import cpu_seconds
from .hold import Hold
from .libpq import Connection, PostgresError
from .ports import free_port, wait_until_open
from .receiver_log import ReceiverLog

BENCH = Path(__file__).resolve().parent.parent
SECTION_SECONDS = 80  # no locked section lasts longer


class TimeOver(Exception):
    pass


def add_options(parser, seconds):
    parser.add_argument("--work", metavar="DIR", help="everything is put below it (default: a temporary directory, removed at the end)")
    parser.add_argument("--lock", metavar="FILE", default=os.environ.get("BENCH_LOCK"),
                        help="hold flock on FILE during each measured section, for machines that others measure on too (default: $BENCH_LOCK)")
    parser.add_argument("--seconds-at-most", type=int, default=seconds, metavar="S",
                        help=f"give up after S seconds, waits for the lock not counted (default: {seconds})")
    parser.add_argument("--json", metavar="FILE", help="write the JSON there as well")


def run(main):
    """main(), with what can be expected to go wrong told in one line."""
    try:
        return main()
    except (TimeOver, RuntimeError, PostgresError, subprocess.SubprocessError) as problem:
        print(f"{Path(sys.argv[0]).name}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output had seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


class Stage:
    """Use as a context manager; what it started it ends, by pid, on any way out."""

    def __init__(self, options):
        self._options = options
        self._exits = contextlib.ExitStack()
        self._configurations = 0
        self.postgres_pid = self.receiver_pid = self.url = None

    def __enter__(self):
        accounting.check()
        # Thousands of requests in flight are as many sockets, of the relay and of the receiver, who inherit this.
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        signal.signal(signal.SIGALRM, self._time_over)
        signal.alarm(self._options.seconds_at_most)
        self._exits.callback(signal.alarm, 0)
        if self._options.work:
            self.work = Path(self._options.work).resolve()
            self.work.mkdir(parents=True, exist_ok=True)
        else:
            self.work = Path(tempfile.mkdtemp(prefix="bench-"))
            self._exits.callback(shutil.rmtree, self.work, ignore_errors=True)
            self.work.chmod(0o711)  # the system user postgres must reach its part
        return self

    def __exit__(self, *problem):
        signal.alarm(0)  # the clean-up below is bounded by itself
        return self._exits.__exit__(*problem)

    @staticmethod
    def _time_over(*_):
        raise TimeOver("time is over: --seconds-at-most, or what one section may take")

    def on_exit(self, callback, *arguments):
        self._exits.callback(callback, *arguments)

    # ---- servers

    def start_postgres(self, settings=()):
        directory, self._port = self.work / "postgres", free_port()
        self._exits.callback(subprocess.run, [BENCH / "postgres/stop", directory], stdout=subprocess.DEVNULL, timeout=60)
        subprocess.run([BENCH / "postgres/start", directory, str(self._port), *settings], check=True, stdout=subprocess.DEVNULL, timeout=60)
        self.postgres_pid = int((directory / "data/postmaster.pid").read_text().split()[0])

    def start_receiver(self):
        directory, port = self.work / "receiver", free_port()
        self._exits.callback(subprocess.run, [BENCH / "receiver/stop", directory], stdout=subprocess.DEVNULL, timeout=30)
        subprocess.run([BENCH / "receiver/start", str(port), directory], check=True, stdout=subprocess.DEVNULL, timeout=30)
        self.receiver_pid = int((directory / "nginx.pid").read_text())
        self.url, self._log = f"http://127.0.0.1:{port}/callback", directory / "access.log"

    def start_stamp(self):
        """The receiver with microsecond stamps instead of nginx."""
        port, self._log = free_port(), self.work / "stamp.log"
        process = subprocess.Popen([BENCH / "receiver/stamp", str(port), self._log], stdin=subprocess.DEVNULL)
        self._exits.callback(process.wait, 10)
        self._exits.callback(process.terminate)
        self.receiver_pid, self.url = process.pid, f"http://127.0.0.1:{port}/callback"
        if not wait_until_open(port):
            raise RuntimeError("receiver/stamp did not come up")

    def start_hold(self, milliseconds):
        """A second receiver, that keeps each request for that long (0: until released). See receiver/hold.c."""
        receiver = Hold(self.work, milliseconds)
        self._exits.callback(receiver.stop)
        return receiver

    def log(self):
        return ReceiverLog(self._log)

    def configuration(self, document):
        """A file of our configuration (JSON is JSON5)."""
        self._configurations += 1
        file = self.work / f"configuration{self._configurations}.json5"
        file.write_text(json.dumps(document, indent=2))
        return file

    def server_cpu(self):
        """CPU seconds so far of (all of PostgreSQL, the receiver); None where there is no such server."""
        return tuple(cpu_seconds(pid) if pid else None for pid in (self.postgres_pid, self.receiver_pid))

    # ---- databases

    def _postgres_url(self, name):
        return f"postgres://postgres@127.0.0.1:{self._port}/{name}"

    @contextlib.contextmanager
    def database(self, engine, name):
        """A fresh, empty database; its URL as the contract writes it. It is gone afterwards."""
        if engine == "sqlite":
            directory = Path(tempfile.mkdtemp(prefix=name + "-", dir=self.work))
            try:
                yield f"sqlite:{directory}/tasks.db"
            finally:
                shutil.rmtree(directory, ignore_errors=True)
            return
        with Connection(self._postgres_url("postgres")) as admin:
            admin.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.run(f'CREATE DATABASE "{name}"')
        try:
            yield self._postgres_url(name)
        finally:
            with Connection(self._postgres_url("postgres")) as admin:
                admin.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @staticmethod
    def query(db, sql):
        if db.startswith("sqlite:"):
            with contextlib.closing(sqlite3.connect(db.removeprefix("sqlite:"), timeout=30)) as connection:
                return connection.execute(sql).fetchall()
        with Connection(db) as connection:
            return connection.run(sql)

    @staticmethod
    def query_write(db, sql):
        """A statement that changes something, in a transaction of its own."""
        if db.startswith("sqlite:"):
            with contextlib.closing(sqlite3.connect(db.removeprefix("sqlite:"), timeout=30, isolation_level=None)) as connection:
                connection.execute(sql)
            return
        with Connection(db) as connection:
            connection.run(sql)

    def settle_statistics(self, db):
        """Same start for everybody: fresh statistics, no checkpoint debt from the load."""
        if db.startswith("sqlite:"):
            self.query(db, "PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            self.query(db, "VACUUM ANALYZE")
            self.query(db, "CHECKPOINT")

    # ---- the lock

    @contextlib.contextmanager
    def section(self, seconds=SECTION_SECONDS):
        """A stretch of at most that many seconds, under the lock if there is one. Only the loading of a big table takes more than the default."""
        left = signal.alarm(0)  # waiting for others costs none of our time
        with open(self._options.lock, "a") if self._options.lock else contextlib.nullcontext() as file:
            if file:
                fcntl.flock(file, fcntl.LOCK_EX)
            started = time.monotonic()
            signal.alarm(max(1, min(left, seconds)))
            try:
                yield
            finally:
                signal.alarm(max(1, left - int(time.monotonic() - started)))
