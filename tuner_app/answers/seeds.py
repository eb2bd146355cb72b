"""Seeds of further runs, unlike those of the search itself."""

import hashlib


def run_seeds(purpose: str, base: int, count: int) -> list[int]:
    """`count` seeds that follow from a purpose and a base seed; more of them begin with the fewer.

    >>> run_seeds("confirm", 0, 3)[:2] == run_seeds("confirm", 0, 2)
    True
    """
    texts = (f"{purpose} {base} {i}" for i in range(count))
    return [int.from_bytes(hashlib.sha256(t.encode()).digest()[:4], "big") % 2**31 for t in texts]
