import os

import post
from faststream import FastStream
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

metadata = MetaData()
table = make_outbox_table(metadata, table_name="outbox")
engine = create_async_engine(os.environ["DSN"].replace("postgresql://", "postgresql+asyncpg://"), pool_size=20, max_overflow=10)
broker = OutboxBroker(engine, outbox_table=table, logger=None)


@broker.subscriber("q", max_workers=int(os.environ["WORKERS"]), fetch_batch_size=int(os.environ["BATCH"]),
                   terminal_flush_batch_size=int(os.environ["FLUSH"]), min_fetch_interval=0.02, max_fetch_interval=1.0)
async def callback(body: dict):
    await post.apost(body["key"], body["payload"])


app = FastStream(broker, logger=None)
if __name__ == "__main__":
    import uvloop
    uvloop.run(app.run())
