"""The application's database as a test sees it: one interface, two engines, each reached by its own driver."""

import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row


class Database:
    """A database with `pending_tasks` in it. SQL takes `:name` parameters on both engines."""

    engine: str
    url: str

    def connect(self) -> Any:
        """A connection of the engine's Python driver, in autocommit: transactions are BEGIN and COMMIT in the SQL."""
        raise NotImplementedError

    def shell(self, sql: str) -> subprocess.CompletedProcess:
        """Runs SQL through the engine's own shell, which stops at the first error."""
        raise NotImplementedError

    def run(self, connection: Any, sql: str, **parameters: Any) -> Any:
        """Executes one statement on a connection and returns its cursor."""
        raise NotImplementedError

    def later(self, seconds: float) -> Any:
        """The database's own time, so many seconds from now, as the driver writes it into a column."""
        raise NotImplementedError

    def __init__(self) -> None:
        self._connection: Any = None

    @property
    def connection(self) -> Any:
        """The test's own connection, opened when first used."""
        if self._connection is None:
            self._connection = self.connect()
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def execute(self, sql: str, **parameters: Any) -> Any:
        return self.run(self.connection, sql, **parameters)

    def query(self, sql: str, **parameters: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in self.execute(sql, **parameters).fetchall()]

    def value(self, sql: str, **parameters: Any) -> Any:
        """The first column of the only row."""
        (row,) = self.query(sql, **parameters)
        return next(iter(row.values()))

    def insert(self, connection: Any = None, **columns: Any) -> int:
        """Inserts a task with these columns and no others; returns its id."""
        columns.setdefault("payload", "{}")
        names = ", ".join(columns)
        places = ", ".join(f":{name}" for name in columns)
        cursor = self.run(
            connection or self.connection, f"INSERT INTO pending_tasks ({names}) VALUES ({places}) RETURNING id", **columns)
        return dict(cursor.fetchone())["id"]

    def insert_many(self, count: int, prefix: str, type: str = "task", **columns: Any) -> list[str]:
        """Inserts so many tasks in one transaction, with keys `prefix-0` and on; returns the keys."""
        keys = [f"{prefix}-{number}" for number in range(count)]
        columns = {"type": type, "payload": '{"n":1}', **columns}
        names = ["idempotency_key", *columns]
        places = ", ".join(f":{name}" for name in names)
        sql = f"INSERT INTO pending_tasks ({', '.join(names)}) VALUES ({places})"
        self.execute("BEGIN")
        self.run_many(sql, [{"idempotency_key": key, **columns} for key in keys])
        self.execute("COMMIT")
        return keys

    def run_many(self, sql: str, rows: list[dict[str, Any]]) -> None:
        raise NotImplementedError

    def row(self, id: int) -> dict[str, Any]:
        (row,) = self.query("SELECT * FROM pending_tasks WHERE id = :id", id=id)
        return row

    def rows(self) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM pending_tasks ORDER BY id")

    def status(self, id: int) -> str:
        return self.row(id)["status"]

    def statuses(self) -> dict[str, int]:
        """How many rows are in each status."""
        return {row["status"]: row["n"] for row in self.query("SELECT status, count(*) AS n FROM pending_tasks GROUP BY status")}

    def attempts(self, id: int) -> list[dict[str, Any]]:
        return self.query("SELECT * FROM task_attempts WHERE task_id = :id ORDER BY id", id=id)


class SQLiteDatabase(Database):
    engine = "sqlite"

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.url = f"sqlite:{path}"

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        return connection

    def run(self, connection: sqlite3.Connection, sql: str, **parameters: Any) -> sqlite3.Cursor:
        return connection.execute(sql, parameters)

    def run_many(self, sql: str, rows: list[dict[str, Any]]) -> None:
        self.connection.executemany(sql, rows)

    def shell(self, sql: str) -> subprocess.CompletedProcess:
        tool = shutil.which("sqlite3")
        assert tool, "the sqlite3 shell is missing: install Debian's sqlite3"
        return subprocess.run(
            [tool, "-bail", "-cmd", ".timeout 5000", str(self.path)], input=sql, capture_output=True, text=True, timeout=30)

    def later(self, seconds: float) -> str:
        return self.value("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', :span)", span=f"{seconds:+.3f} seconds")


class PostgresDatabase(Database):
    engine = "postgres"

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.url, autocommit=True, row_factory=dict_row)

    @staticmethod
    def _translate(sql: str) -> str:
        return re.sub(r"(?<!:):([a-z_]+)", r"%(\1)s", sql.replace("%", "%%"))

    def run(self, connection: psycopg.Connection, sql: str, **parameters: Any) -> psycopg.Cursor:
        return connection.execute(self._translate(sql), parameters)

    def run_many(self, sql: str, rows: list[dict[str, Any]]) -> None:
        with self.connection.cursor() as cursor:
            cursor.executemany(self._translate(sql), rows)

    def shell(self, sql: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url], input=sql, capture_output=True, text=True, timeout=30)

    def later(self, seconds: float) -> Any:
        return self.value("SELECT clock_timestamp() + make_interval(secs => :span)", span=seconds)
