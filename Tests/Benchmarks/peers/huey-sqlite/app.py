import os

import post
from huey import SqliteHuey

huey = SqliteHuey("bench", filename=os.environ["FILE"], results=False, timeout=30)


@huey.task()
def callback(key, payload):
    post.post(key, payload)
