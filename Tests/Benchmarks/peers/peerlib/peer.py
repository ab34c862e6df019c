"""What every peer is asked: to lay its store out, to take tasks, to work, and to say how many are left."""
import os
import sys
from pathlib import Path

from lib.libpq import Connection
from load import PAYLOAD

PEERS = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent   # of the private environment that this runs in


class Peer:
    """A store in PostgreSQL unless a subclass (NAME/adapter.py: class Adapter) says otherwise."""

    programs = ()          # what must be in PATH beside the Python packages
    settings = {}          # the best of those that were tried; handed to the workers as environment, in capitals

    def __init__(self, name, stage):
        self.name, self.stage, self.directory = name, stage, PEERS / name
        self.payload = PAYLOAD
        self.file = stage.work / f"{name}.db"
        self.database = None

    def __enter__(self):
        self._held = self.stage.database("postgres", "peer_" + self.name.replace("-", "_"))
        self.database = self._held.__enter__()
        return self

    def __exit__(self, *problem):
        return self._held.__exit__(*problem)

    def environment(self):
        """Of the workers; `lay_out` and `insert` may need it too."""
        return {"URL": self.stage.url, "DSN": self.database.replace("postgres://", "postgresql://", 1), "FILE": str(self.file),
                "PYTHONPATH": f"{PEERS / 'peerlib'}:{self.directory}", **{name.upper(): str(value) for name, value in self.settings.items()}}

    def lay_out(self):
        raise NotImplementedError

    def insert(self, keys):
        raise NotImplementedError

    def workers(self):
        """Their commands; started together."""
        raise NotImplementedError

    def remaining(self):
        """Tasks that the store does not call completed."""
        raise NotImplementedError

    def settle(self):
        """The same start for everybody: fresh statistics, no checkpoint debt."""
        self.stage.settle_statistics(self.database)

    def store_pids(self):
        """Whose CPU is the store's."""
        return [self.stage.postgres_pid]

    def rows(self, sql, *parameters):
        with Connection(self.database) as session:
            return session.run(sql, *parameters)

    def application(self):
        """The peer's own module, app.py, for the adapters that insert by its interface."""
        os.environ.update(self.environment())
        for path in self.environment()["PYTHONPATH"].split(":"):
            if path not in sys.path:
                sys.path.insert(0, path)
        for name in ("app", "post"):  # another peer's
            sys.modules.pop(name, None)
        import app
        return app
