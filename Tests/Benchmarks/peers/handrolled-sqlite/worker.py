"""The same poller on SQLite (WAL, synchronous = FULL): one process claims 200 rows, and completes them in one transaction."""
import asyncio
import os
import sqlite3
import time

import post
import uvloop

BATCH, CONCURRENCY, LEASE = 200, 32, 30
CLAIM = """UPDATE outbox SET status = 'running', claimed_at = ? WHERE id IN (
    SELECT id FROM outbox WHERE status = 'pending' OR (status = 'running' AND claimed_at < ?) ORDER BY id LIMIT ?) RETURNING id, key, payload"""
connection = sqlite3.connect(os.environ["FILE"], timeout=30, isolation_level=None)
connection.execute("PRAGMA synchronous = FULL")


async def main():
    places, running = asyncio.Semaphore(CONCURRENCY), set()

    async def deliver(row, done):
        async with places:
            try:
                await post.apost(row[1], row[2].encode())
                done.append((row[0],))
            except Exception as problem:  # noqa: BLE001 - its lease will end
                print("failed", row[1], problem, flush=True)

    async def batch(rows):
        done = []
        await asyncio.gather(*[deliver(row, done) for row in rows])
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE outbox SET status = 'completed' WHERE id = ?", done)
        connection.execute("COMMIT")

    while True:
        now = time.time()
        if rows := connection.execute(CLAIM, (now, now - LEASE, BATCH)).fetchall():
            task = asyncio.create_task(batch(rows))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            await asyncio.sleep(0.02)
        while len(running) >= 2:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)


uvloop.run(main())
