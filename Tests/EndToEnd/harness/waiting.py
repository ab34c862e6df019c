"""Waiting for what happens, never for time to pass."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def eventually(condition: Callable[[], Value], within: float = 15, what: str | Callable[[], object] = "") -> Value:
    """The first truthy value of `condition`, which is asked again and again for at most `within` seconds.

    An exception counts as "not yet" until the time is over; then it is the cause. `what` says what was awaited, or is
    called for the state of things when it did not come.
    """
    deadline = time.monotonic() + within
    pause = 0.002
    while True:
        cause = None
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            cause = error
        if time.monotonic() >= deadline:
            state = what() if callable(what) else what
            raise AssertionError(f"not within {within} s: {state}") from cause
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
