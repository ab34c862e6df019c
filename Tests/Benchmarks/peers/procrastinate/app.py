import logging
import os

import post
import procrastinate

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["DSN"], min_size=4, max_size=int(os.environ["POOL"])))


@app.task(name="callback", queue="q")
async def callback(key, payload):
    await post.apost(key, payload)


async def main():
    async with app.open_async():
        await app.run_worker_async(queues=["q"], concurrency=int(os.environ["CONCURRENCY"]))


if __name__ == "__main__":
    import uvloop
    logging.basicConfig(level=logging.WARNING)
    uvloop.run(main())
