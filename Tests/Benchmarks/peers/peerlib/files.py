"""A peer whose store is one SQLite file."""
import contextlib
import sqlite3

from .peer import Peer


class FilePeer(Peer):
    def __enter__(self):
        self.database = ""
        self._remove()
        return self

    def __exit__(self, *_):
        self._remove()

    def _remove(self):
        for suffix in ("", "-wal", "-shm"):
            self.file.with_name(self.file.name + suffix).unlink(missing_ok=True)

    def settle(self):
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def store_pids(self):
        return []

    def rows(self, sql, *parameters):
        with contextlib.closing(sqlite3.connect(self.file, timeout=30, isolation_level=None)) as connection:
            return connection.execute(sql, parameters).fetchall()
