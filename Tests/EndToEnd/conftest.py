"""Fixtures. Every test that takes `database` runs on both engines; neither is ever skipped."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness.cli import CommandLine  # noqa: E402
from harness.database import Database, PostgresDatabase, SQLiteDatabase  # noqa: E402
from harness.postgres import PrivateServer, Scratch  # noqa: E402
from harness.receiver import Receiver  # noqa: E402
from harness.relay import Relay  # noqa: E402
from harness.tripwire import Tripwire  # noqa: E402


def pytest_configure() -> None:
    """SIGTERM ends a run like Ctrl-C, so that no server and no relay is left behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


@pytest.fixture(scope="session")
def binary() -> Path:
    """The program under test: TALLYPOST_BINARY, or what `swift build` left."""
    told = os.environ.get("TALLYPOST_BINARY")
    path = Path(told) if told else Path(__file__).parents[2] / ".build" / "debug" / "tallypost"
    assert os.access(path, os.X_OK), f"no program at {path}: run `swift build`, or name it in TALLYPOST_BINARY"
    return path.resolve()


@pytest.fixture(scope="session")
def tallypost(binary: Path) -> CommandLine:
    """Runs one-shot commands."""
    return CommandLine(binary)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL whose databases are ours: TALLYPOST_TEST_POSTGRES, or a private one."""
    told = os.environ.get("TALLYPOST_TEST_POSTGRES")
    if told:
        yield told
        return
    server = PrivateServer()
    yield server.url
    server.remove()


@pytest.fixture
def private_server() -> Iterator[PrivateServer]:
    """A PostgreSQL of this test's own, which it may stop and start."""
    server = PrivateServer()
    yield server
    server.remove()


@pytest.fixture
def scratch(postgres_server: str) -> Iterator[Scratch]:
    made = Scratch(postgres_server)
    yield made
    made.drop()


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A fresh database without any table, on each engine in turn."""
    if request.param == "sqlite":
        database: Database = SQLiteDatabase(tmp_path / "shop.db")
    else:
        database = PostgresDatabase(request.getfixturevalue("scratch").create())
    yield database
    database.close()


@pytest.fixture
def database(empty_database: Database, tallypost: CommandLine) -> Database:
    """A fresh database with Tallypost's tables, on each engine in turn."""
    tallypost("init", "--database", empty_database.url).good()
    return empty_database


@pytest.fixture
def sqlite(tmp_path: Path, tallypost: CommandLine) -> Iterator[SQLiteDatabase]:
    """A fresh SQLite database with Tallypost's tables."""
    made = SQLiteDatabase(tmp_path / "shop.db")
    tallypost("init", "--database", made.url).good()
    yield made
    made.close()


@pytest.fixture
def postgres(scratch: Scratch, tallypost: CommandLine) -> Iterator[PostgresDatabase]:
    """A fresh PostgreSQL database with Tallypost's tables."""
    made = PostgresDatabase(scratch.create())
    tallypost("init", "--database", made.url).good()
    yield made
    made.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def tripwire() -> Iterator[Tripwire]:
    made = Tripwire()
    yield made
    made.close()


@pytest.fixture
def relay(binary: Path, tmp_path: Path) -> Iterator[Callable[..., Relay]]:
    """Makes relays, not started yet. `relay(database, routes={…}, allow=[…])`, or `relay(config=…)` as it stands."""
    made: list[Relay] = []

    def make(
        database: Database | None = None, *arguments: str, config: dict[str, Any] | str | None = None,
        environment: dict[str, str] | None = None, **keys: Any,
    ) -> Relay:
        if config is None:
            config = {"database": database.url, **keys}
        one = Relay(binary, tmp_path / f"relay-{len(made) + 1}", config, arguments, environment)
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
    faults = [f"{one.folder.name}: {fault}" for one in made for fault in one.faults]
    assert not faults, faults
