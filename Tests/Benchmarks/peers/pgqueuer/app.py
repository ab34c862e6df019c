import os

import asyncpg
import post
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver


async def main():
    pool = await asyncpg.create_pool(os.environ["DSN"], min_size=2, max_size=int(os.environ["POOL"]))
    queue = PgQueuer(AsyncpgPoolDriver(pool))

    @queue.entrypoint("callback")
    async def callback(job):
        await post.apost(job.headers["key"], job.payload)

    await queue.run(batch_size=int(os.environ["BATCH"]), max_concurrent_tasks=None)


uvloop.run(main())
