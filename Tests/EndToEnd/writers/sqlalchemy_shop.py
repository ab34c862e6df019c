"""A shop that uses SQLAlchemy's ORM."""

import sys

from orders import ORDERS, RolledBack, is_kept, key, payload, subject
from sqlalchemy import BigInteger, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]


class PendingTask(Base):
    """The columns that this shop writes; the others have the database's defaults."""

    __tablename__ = "pending_tasks"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    type: Mapped[str]
    payload: Mapped[str]
    idempotency_key: Mapped[str]
    subject: Mapped[str | None]


def sell(url: str) -> None:
    if url.startswith("sqlite:"):
        engine = create_engine("sqlite:///" + url.removeprefix("sqlite:"))
    else:
        engine = create_engine(url.replace("postgres://", "postgresql+psycopg://", 1))
    for order in ORDERS:
        try:
            with Session(engine) as session, session.begin():
                session.add(Order(id=order, state="paid"))
                session.add(PendingTask(
                    type="send-receipt", payload=payload(order), idempotency_key=key(order), subject=subject(order)))
                session.flush()
                if not is_kept(order):
                    raise RolledBack
        except RolledBack:
            pass


sell(sys.argv[1])
