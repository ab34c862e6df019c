import json
import os
import subprocess

from peerlib.peer import BIN, Peer


class Adapter(Peer):
    settings = {"loops": 2, "concurrency": 100, "batch": 100, "interval": 0.02}

    def lay_out(self):
        environment = {**os.environ, "PGDATABASE": self.environment()["DSN"], "PATH": f"{BIN}:{os.environ['PATH']}"}
        for words in (["init"], ["create-queue", "q"]):
            subprocess.run([BIN / "absurdctl", *words], env=environment, check=True, stdout=subprocess.DEVNULL)

    def insert(self, keys):
        import psycopg
        payload, statement = json.loads(self.payload), "SELECT 1 FROM absurd.spawn_task('q', 'callback', %s, '{}')"
        with psycopg.connect(self.environment()["DSN"]) as connection, connection.pipeline(), connection.cursor() as cursor:
            for key in keys:
                cursor.execute(statement, (json.dumps({"key": key, "payload": payload}),))

    def workers(self):
        return [[BIN / "python", self.directory / "app.py"]] * 2

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM absurd.t_q WHERE state NOT IN ('completed', 'failed', 'cancelled')")[0][0])
