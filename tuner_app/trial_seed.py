"""The seed of one run of a trial, from which its weights, dropout and augmentation follow."""

import hashlib


def trial_seed(search_seed: int, number: int, execution: int = 0, failures: int = 0) -> int:
    """A seed of 32 bits: a function of the search's seed, the trial's number, the execution, and
    how often the trial failed before, so that a retry differs.

    >>> trial_seed(0, 1) == trial_seed(0, 1), trial_seed(0, 1) == trial_seed(0, 2)
    (True, False)
    """
    text = f"{search_seed} {number} {execution} {failures}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
