import json

from peerlib.peer import BIN
from peerlib.redis_store import RedisPeer


class Adapter(RedisPeer):
    settings = {"prefetch": 64}

    def environment(self):
        return {**super().environment(), "C_FORCE_ROOT": "1"}

    def insert(self, keys):
        app, payload = self.application(), json.loads(self.payload)
        with app.app.producer_pool.acquire(block=True) as producer:
            for key in keys:
                app.callback.apply_async((key, payload), producer=producer)

    def workers(self):
        return [[BIN / "celery", "-A", "app", "worker", "-P", "solo", "-c", "1", "-n", f"worker{number}@bench", "-l", "WARNING", "-O", "fair",
                 "--without-gossip", "--without-mingle", "--without-heartbeat"] for number in range(2)]

    def remaining(self):
        return self.redis.llen("celery") + self.redis.hlen("unacked")
