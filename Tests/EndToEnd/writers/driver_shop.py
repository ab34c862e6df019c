"""A shop that uses the engine's Python driver: sqlite3 or psycopg."""

import sqlite3
import sys

import psycopg
from orders import ORDERS, RolledBack, is_kept, key, payload, subject


def sell(url: str) -> None:
    if url.startswith("sqlite:"):
        connection, mark = sqlite3.connect(url.removeprefix("sqlite:")), "?"
    else:
        connection, mark = psycopg.connect(url), "%s"
    for order in ORDERS:
        try:
            # Commits at the end, rolls back on an exception; the same with both drivers.
            with connection if mark == "?" else connection.transaction():
                connection.execute(f"INSERT INTO orders (id, state) VALUES ({mark}, {mark})", (order, "paid"))
                connection.execute(
                    f"INSERT INTO pending_tasks (type, payload, idempotency_key, subject) VALUES ({mark}, {mark}, {mark}, {mark})",
                    ("send-receipt", payload(order), key(order), subject(order)))
                if not is_kept(order):
                    raise RolledBack
        except RolledBack:
            pass
    connection.close()


sell(sys.argv[1])
