import json
import sqlite3

from peerlib.files import FilePeer
from peerlib.peer import BIN


class Adapter(FilePeer):
    settings = {"processes": 2}

    def lay_out(self):
        self.application()  # huey makes its tables when it is imported

    def insert(self, keys):
        # The rows that callback(key, payload) writes, in one transaction.
        app, payload = self.application(), json.loads(self.payload)
        rows = [("bench", app.huey.serialize_task(app.callback.s(key, payload)), 0.0) for key in keys]
        with sqlite3.connect(self.file) as connection:
            connection.executemany("INSERT INTO task (queue, data, priority) VALUES (?, ?, ?)", rows)
        connection.close()

    def workers(self):
        return [[BIN / "huey_consumer", "app.huey", "-w", str(self.settings["processes"]), "-k", "process", "-d", "0.01", "-m", "0.05", "-b", "1.15",
                 "-n", "-q"]]

    def remaining(self):
        return self.rows("SELECT count(*) FROM task")[0][0]
