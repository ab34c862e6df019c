import asyncio
import os

import post
import uvloop
from absurd_sdk import AsyncAbsurd


async def worker(number):
    absurd = AsyncAbsurd(os.environ["DSN"], queue_name="q")

    @absurd.register_task("callback")
    async def callback(parameters, context):
        await post.apost(parameters["key"], parameters["payload"])

    await absurd.start_worker(worker_id=f"{os.getpid()}-{number}", concurrency=int(os.environ["CONCURRENCY"]),
                              batch_size=int(os.environ["BATCH"]), poll_interval=float(os.environ["INTERVAL"]))


async def main():
    await asyncio.gather(*[worker(number) for number in range(int(os.environ["LOOPS"]))])


uvloop.run(main())
