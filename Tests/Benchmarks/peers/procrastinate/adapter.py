import asyncio
import json

from peerlib.peer import BIN, Peer


class Adapter(Peer):
    settings = {"concurrency": 30, "pool": 12}

    def lay_out(self):
        asyncio.run(self._lay_out(self.application()))

    async def _lay_out(self, module):
        async with module.app.open_async():
            await module.app.schema_manager.apply_schema_async()

    def insert(self, keys):
        asyncio.run(self._insert(self.application(), keys))

    async def _insert(self, module, keys):
        payload = json.loads(self.payload)
        async with module.app.open_async():
            for begin in range(0, len(keys), 1000):
                await module.callback.batch_defer_async(*[{"key": key, "payload": payload} for key in keys[begin:begin + 1000]])

    def workers(self):
        return [[BIN / "python", self.directory / "app.py"]] * 2

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")[0][0])
