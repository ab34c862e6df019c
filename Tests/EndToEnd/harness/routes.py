"""Routes as the tests write them."""

from typing import Any


def route(url: str, **options: Any) -> dict[str, Any]:
    """A route that retries quickly, unless told otherwise."""
    return {"url": url, "timeoutSeconds": 5, "retry": {"schedule": ["50ms"]}, **options}
