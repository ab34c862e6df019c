"""The poller that a team writes for itself: claim 200 rows with a lease, POST 32 at a time, complete them in one UPDATE."""
import asyncio
import os

import asyncpg
import post
import uvloop

BATCH, CONCURRENCY, LEASE = 200, 32, 30
CLAIM = f"""UPDATE outbox t SET status = 'running', claimed_at = now() FROM (
    SELECT id FROM outbox WHERE status = 'pending' OR (status = 'running' AND claimed_at < now() - interval '{LEASE} s')
    ORDER BY id LIMIT {BATCH} FOR UPDATE SKIP LOCKED) due WHERE t.id = due.id RETURNING t.id, t.key, t.payload"""


async def main():
    pool = await asyncpg.create_pool(os.environ["DSN"], min_size=2, max_size=3)
    places, running = asyncio.Semaphore(CONCURRENCY), set()

    async def deliver(row, done):
        async with places:
            try:
                await post.apost(row["key"], row["payload"].encode())
                done.append(row["id"])
            except Exception as problem:  # noqa: BLE001 - its lease will end
                print("failed", row["key"], problem, flush=True)

    async def batch(rows):
        done = []
        await asyncio.gather(*[deliver(row, done) for row in rows])
        await pool.execute("UPDATE outbox SET status = 'completed', completed_at = now() WHERE id = ANY ($1)", done)

    while True:
        if rows := await pool.fetch(CLAIM):
            task = asyncio.create_task(batch(rows))
            running.add(task)
            task.add_done_callback(running.discard)
        else:
            await asyncio.sleep(0.02)
        while len(running) >= 2:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)


uvloop.run(main())
