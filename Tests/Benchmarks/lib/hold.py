"""The receiver that keeps requests: builds receiver/hold.c, runs it, asks it."""
import http.client
import os
import signal
import subprocess
import time
from pathlib import Path

from .ports import free_port, wait_until_open
from .receiver_log import ReceiverLog

SOURCE = Path(__file__).resolve().parent.parent / "receiver/hold.c"


class Hold:
    def __init__(self, work, milliseconds):
        program, port = work / "hold", free_port()
        if not program.exists():
            compiler = os.environ.get("CC", "gcc")
            subprocess.run([compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, SOURCE], check=True, timeout=60)
        self._log = work / f"hold{port}.log"
        self._process = subprocess.Popen([program, str(port), self._log, str(milliseconds)], stdin=subprocess.DEVNULL)
        self.pid, self.url = self._process.pid, f"http://127.0.0.1:{port}/callback"
        self._port = port
        if not wait_until_open(port):
            raise RuntimeError("receiver/hold did not come up")

    def log(self):
        """What it answers from now on; a request that is still kept has no line."""
        return ReceiverLog(self._log)

    def held(self):
        """Requests kept at this moment."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("GET", "/held")
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def wait_until_held(self, count, seconds):
        """Whether at least that many are kept before that time is over."""
        end = time.monotonic() + seconds
        while self.held() < count:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)
        return True

    def release(self):
        """Answer all; from now on keep none."""
        self._process.send_signal(signal.SIGUSR1)

    def stop(self):
        self._process.terminate()
        self._process.wait(10)
