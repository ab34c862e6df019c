import asyncio
import subprocess

from peerlib.peer import BIN, Peer


class Adapter(Peer):
    settings = {"batch": 100, "pool": 5}

    def lay_out(self):
        command = [BIN / "pgq", "--pg-dsn", self.environment()["DSN"], "install"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def insert(self, keys):
        asyncio.run(self._insert(keys))

    async def _insert(self, keys):
        import asyncpg
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import Queries
        connection = await asyncpg.connect(self.environment()["DSN"])
        queries, payload = Queries(AsyncpgDriver(connection)), self.payload.encode()
        for begin in range(0, len(keys), 1000):
            part = keys[begin:begin + 1000]
            await queries.enqueue(["callback"] * len(part), [payload] * len(part), [0] * len(part), headers=[{"key": key} for key in part])
        await connection.close()

    def workers(self):
        return [[BIN / "python", self.directory / "app.py"]]

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM pgqueuer")[0][0])
