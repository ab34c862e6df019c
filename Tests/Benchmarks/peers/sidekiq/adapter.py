import json
import secrets
import time

from peerlib.redis_store import RedisPeer


class Adapter(RedisPeer):
    programs = ("redis-server", "sidekiq")
    settings = {"concurrency": 10}

    def environment(self):
        return {**super().environment(), "RAILS_ENV": "production"}

    def insert(self, keys):
        self.redis.sadd("queues", "default")
        payload = json.loads(self.payload)
        for begin in range(0, len(keys), 1000):
            now = time.time()
            self.redis.lpush("queue:default", *[json.dumps({
                "class": "Callback", "args": [key, payload], "retry": True, "queue": "default", "jid": secrets.token_hex(12),
                "created_at": now, "enqueued_at": now}) for key in keys[begin:begin + 1000]])

    def workers(self):
        return [["sidekiq", "-r", self.directory / "worker.rb", "-c", str(self.settings["concurrency"]), "-q", "default"]] * 2

    def remaining(self):
        return self.redis.llen("queue:default") + self.redis.zcard("retry")
