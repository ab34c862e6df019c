"""What every writer writes: six orders, each with a task in the same transaction; the even ones are rolled back."""

ORDERS = range(1, 7)


class RolledBack(Exception):
    """Thrown in the middle of a transaction that must leave nothing behind."""


def is_kept(order: int) -> bool:
    return order % 2 == 1


def key(order: int) -> str:
    return f'receipt-"o_{order}"'


def payload(order: int) -> str:
    """JSON that looks different as soon as anybody parses it and writes it again."""
    return f'{{"order":  "o_{order}", "name":"Zoë ☕ \\u00e9", "quote": "it\'s \\"50%\\" \\n", "n": 1.10, "n":1e2 }} '


def subject(order: int) -> str:
    return f"o_{order}"
