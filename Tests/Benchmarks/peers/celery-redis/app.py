import os

import post
from celery import Celery

app = Celery("bench", broker=os.environ["DSN"] + "/0", backend=None)
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=int(os.environ["PREFETCH"]), worker_send_task_events=False,
                broker_pool_limit=10, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task(name="callback", ignore_result=True)
def callback(key, payload):
    post.post(key, payload)
