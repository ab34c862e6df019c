"""A private PostgreSQL, and fresh databases in it."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from .ports import free_port


# PostgreSQL and PgBouncer refuse to be root: then they are the user postgres.
OWNER: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _as_owner(*command: str) -> subprocess.CompletedProcess:
    """Runs a program of the server, as its owner."""
    return subprocess.run(command, cwd="/", capture_output=True, text=True, **OWNER)


def binary_folder() -> Path:
    """Where initdb and pg_ctl are: TALLYPOST_TEST_POSTGRES_BIN, or the newest of Debian's."""
    told = os.environ.get("TALLYPOST_TEST_POSTGRES_BIN")
    if told:
        return Path(told)
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), key=lambda path: int(re.findall(r"\d+", path)[0]))
    assert found, "no initdb under /usr/lib/postgresql: install Debian's postgresql"
    return Path(found[-1]).parent


class PrivateServer:
    """A cluster of its own on a free port of 127.0.0.1, which may be stopped and started like nobody else's."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tallypost-pg-"))
        # The user postgres must be able to walk in.
        self.folder.chmod(0o711)
        if OWNER:
            shutil.chown(self.folder, OWNER["user"])
        self.bin = binary_folder()
        self.data = self.folder / "data"
        made = _as_owner(
            str(self.bin / "initdb"), "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        assert made.returncode == 0, made.stderr
        self.port = free_port()
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c max_connections=100"
        # pg_ctl hands its descriptors on to the server: with pipes of ours, waiting for pg_ctl would wait for the server.
        command = [str(self.bin / "pg_ctl"), "start", "-s", "-w", "-D", str(self.data), "-l", str(self.folder / "log"), "-o", options]
        nothing = subprocess.DEVNULL
        started = subprocess.run(command, cwd="/", stdin=nothing, stdout=nothing, stderr=nothing, **OWNER)
        assert started.returncode == 0, (self.folder / "log").read_text()[-4000:]

    def stop(self, mode: str = "fast") -> None:
        """Stops it; "immediate" is a crash as far as the data is concerned."""
        stopped = _as_owner(str(self.bin / "pg_ctl"), "stop", "-s", "-w", "-m", mode, "-D", str(self.data))
        assert stopped.returncode == 0, stopped.stderr

    def remove(self) -> None:
        """Stops it and leaves nothing behind."""
        if (self.data / "postmaster.pid").exists():
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


class Scratch:
    """Databases made for one test and dropped after it."""

    def __init__(self, server_url: str) -> None:
        self.server_url = server_url
        self.names: list[str] = []

    def create(self) -> str:
        name = f"t_{os.getpid()}_{os.urandom(4).hex()}"
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        self.names.append(name)
        head, _, query = self.server_url.partition("?")
        return head.rsplit("/", 1)[0] + f"/{name}" + (f"?{query}" if query else "")

    def drop(self) -> None:
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            for name in self.names:
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
