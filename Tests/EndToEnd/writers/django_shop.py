"""A shop that uses Django's ORM, with a model over Tallypost's table that Django does not manage."""

import sys
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.db import models, transaction
from orders import ORDERS, RolledBack, is_kept, key, payload, subject


def database(url: str) -> dict[str, object]:
    if url.startswith("sqlite:"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": url.removeprefix("sqlite:")}
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": parts.path[1:], "USER": parts.username,
        "HOST": parts.hostname, "PORT": parts.port,
    }


settings.configure(DATABASES={"default": database(sys.argv[1])}, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()


class Order(models.Model):
    state = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "orders"
        managed = False


class PendingTask(models.Model):
    """The columns that this shop writes; the others have the database's defaults."""

    type = models.TextField()
    payload = models.TextField()
    idempotency_key = models.TextField()
    subject = models.TextField()

    class Meta:
        app_label = "shop"
        db_table = "pending_tasks"
        managed = False


for order in ORDERS:
    try:
        with transaction.atomic():
            Order.objects.create(id=order, state="paid")
            PendingTask.objects.create(
                type="send-receipt", payload=payload(order), idempotency_key=key(order), subject=subject(order))
            if not is_kept(order):
                raise RolledBack
    except RolledBack:
        pass
