import contextlib
import sqlite3

from peerlib.files import FilePeer
from peerlib.peer import BIN

TABLE = """CREATE TABLE outbox (
    id integer PRIMARY KEY, key text NOT NULL UNIQUE, payload text NOT NULL, status text NOT NULL DEFAULT 'pending', claimed_at real)"""
INDEX = "CREATE INDEX outbox_open ON outbox (id) WHERE status <> 'completed'"


class Adapter(FilePeer):
    def lay_out(self):
        for statement in ("PRAGMA journal_mode = WAL", TABLE, INDEX):
            self.rows(statement)

    def insert(self, keys):
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            connection.executemany("INSERT INTO outbox (key, payload) VALUES (?, ?)", ((key, self.payload) for key in keys))

    def workers(self):
        return [[BIN / "python", self.directory / "worker.py"]]

    def remaining(self):
        return self.rows("SELECT count(*) FROM outbox WHERE status <> 'completed'")[0][0]
