"""A peer whose store is a private redis-server with Debian's default persistence (snapshots, no append-only file)."""
import subprocess

from lib.ports import free_port, wait_until_open

from .peer import Peer


class RedisPeer(Peer):
    programs = ("redis-server",)

    def __enter__(self):
        import redis
        directory, port = self.stage.work / f"redis-{self.name}", free_port()
        directory.mkdir(exist_ok=True)
        self.database, self._directory = f"redis://127.0.0.1:{port}", directory
        with open(directory / "log", "ab") as log:
            self._server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory),
                                             "--save", "3600 1 300 100 60 10000"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.stage.on_exit(self._stop)
        if not wait_until_open(port):
            raise RuntimeError("redis-server did not come up")
        self.redis = redis.Redis(port=port)
        return self

    def __exit__(self, *_):
        self._stop()

    def _stop(self):
        if self._server.poll() is None:
            self._server.terminate()
            self._server.wait(10)

    def lay_out(self):
        self.redis.flushall()

    def settle(self):
        pass

    def store_pids(self):
        return [self._server.pid]
