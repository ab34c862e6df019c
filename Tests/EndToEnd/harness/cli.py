"""One-shot commands of the program."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Result:
    """How a command ended."""

    command: list[str]
    code: int
    out: str
    err: str

    def good(self) -> "Result":
        """Itself, if the command exited with 0."""
        return self.exited(0)

    def exited(self, code: int) -> "Result":
        """Itself, if the command exited with this code."""
        assert self.code == code, f"{' '.join(self.command)}\nexited with {self.code}, not {code}\n{self.out}\n{self.err}"
        return self

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


class CommandLine:
    """Runs the program and waits for it."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary

    def __call__(
        self, *arguments: str | Path, input: str = "", environment: dict[str, str] | None = None, cwd: Path | None = None,
        within: float = 60,
    ) -> Result:
        command = [str(self.binary), *map(str, arguments)]
        surroundings = {name: value for name, value in os.environ.items() if name != "NOTIFY_SOCKET"} | (environment or {})
        done = subprocess.run(
            command, input=input, capture_output=True, text=True, env=surroundings, cwd=cwd or "/", timeout=within)
        return Result(command, done.returncode, done.stdout, done.stderr)
