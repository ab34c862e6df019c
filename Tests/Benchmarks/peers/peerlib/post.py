"""The one HTTP callback, as the task of every Python peer makes it: `apost` with aiohttp, `post` with requests."""
import json
import os
import threading

URL = os.environ["URL"]
_session = None
_local = threading.local()
try:
    from orjson import dumps
except ImportError:
    def dumps(document):
        return json.dumps(document, separators=(",", ":")).encode()


def _body(payload):
    return payload if isinstance(payload, (bytes, bytearray, memoryview)) else dumps(payload)


def _headers(key):
    return {"Idempotency-Key": key, "Content-Type": "application/json"}


async def apost(key, payload):
    global _session
    if _session is None:
        import aiohttp
        _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
    async with _session.post(URL, data=_body(payload), headers=_headers(key)) as answer:
        await answer.read()
        answer.raise_for_status()


def post(key, payload):
    if not hasattr(_local, "session"):
        import requests
        _local.session = requests.Session()
        _local.session.trust_env = False
    _local.session.post(URL, data=_body(payload), headers=_headers(key), timeout=10).raise_for_status()
