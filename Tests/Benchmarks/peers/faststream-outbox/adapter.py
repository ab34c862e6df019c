import asyncio
import json

from peerlib.peer import BIN, Peer


class Adapter(Peer):
    settings = {"workers": 8, "batch": 100, "flush": 20}

    def lay_out(self):
        asyncio.run(self._lay_out(self.application()))

    async def _lay_out(self, app):
        async with app.engine.begin() as connection:
            await connection.run_sync(app.metadata.create_all)
        await app.engine.dispose()

    def insert(self, keys):
        asyncio.run(self._insert(self.application(), keys))

    async def _insert(self, app, keys):
        payload = json.loads(self.payload)
        for begin in range(0, len(keys), 1000):
            async with app.engine.begin() as connection:
                await app.broker.publish_batch(*[{"key": key, "payload": payload} for key in keys[begin:begin + 1000]], queue="q", session=connection)
        await app.engine.dispose()

    def workers(self):
        return [[BIN / "python", self.directory / "app.py"]] * 2

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM outbox")[0][0])
