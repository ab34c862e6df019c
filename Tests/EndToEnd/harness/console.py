"""The relay's HTTP surface as its callers see it: signals, the admin API, metrics."""

import http.client
import json
import socket
from typing import Any

TOKEN = "test-admin-token"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Reply:
    """An answer: status, headers (names in lower case) and body."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"<{self.status} {self.body[:300]!r}>"


class Console:
    """Both listeners of one relay. `keys` go into its configuration."""

    def __init__(self, folder) -> None:
        self.admin, self.public = free_port(), free_port()
        secret = folder / "admin-token"
        secret.write_text(TOKEN)
        self.keys = {
            "listen": {"admin": f"127.0.0.1:{self.admin}", "public": f"127.0.0.1:{self.public}"},
            "adminToken": f"file:{secret}", "signalBaseURL": f"http://127.0.0.1:{self.public}"}

    def ask(self, port: int, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=70)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                sent.setdefault("Content-Type", "application/json")
                body = body if isinstance(body, (bytes, str)) else json.dumps(body)
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A request to the admin listener, with the token."""
        return self.ask(self.admin, method, path, body, Authorization=f"Bearer {TOKEN}", **headers)

    def signal(self, token: str, body: Any) -> Reply:
        return self.ask(self.public, "POST", f"/v1/signals/{token}", body)

    def progress(self, token: str, body: Any) -> Reply:
        return self.ask(self.public, "POST", f"/v1/signals/{token}/progress", body)
