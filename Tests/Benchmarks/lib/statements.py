"""What PostgreSQL spent on the relay's statements, by pg_stat_statements (part of Debian's postgresql package)."""
from .libpq import Connection

SETTINGS = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.max=1000"]

# Constants are normalised away, so statements are told apart by what they are made of.
_CLAIMS = "query ~ 'SKIP LOCKED' AND query ~ 'RETURNING'"
_LOOKS = "query ~ 'pending_tasks' AND query !~ 'UPDATE|INSERT|DELETE|CREATE|COPY|VACUUM|pg_stat_statements'"
_DELETES = "query ~ 'DELETE FROM (ONLY )?pending_tasks|tallypost_purge'"


def install(db):
    with Connection(db) as session:
        session.run("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")


def reset(db):
    with Connection(db) as session:
        session.run("SELECT pg_stat_statements_reset()")


def _sums(db, condition):
    with Connection(db) as session:
        row = session.run("SELECT coalesce(sum(calls), 0), coalesce(sum(rows), 0), coalesce(sum(total_exec_time), 0),"
                          " coalesce(max(max_exec_time), 0) FROM pg_stat_statements"
                          f" WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND {condition}")[0]
    return {"calls": int(row[0]), "rows": int(row[1]), "ms": float(row[2]), "longest_ms": float(row[3])}


def claims(db):
    """Statements that claim: calls, rows, ms, longest_ms since the reset."""
    return _sums(db, _CLAIMS)


def looks(db):
    """Statements that only look what there is to claim."""
    return _sums(db, _LOOKS)


def deletes(db):
    """Statements that purge."""
    return _sums(db, _DELETES)
