"""How often the trials that run at once will still be trained an epoch each.

Trials of the same age and length are reckoned together, as an amount that shrinks at each age by
the share of the trials that ended there so far.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

BINS = 60  # longer trainings are reckoned in steps of several epochs


def rounds_left(
    running: Sequence[tuple[int, int]],
    waiting: Sequence[int],
    slots: int,
    ends: Mapping[int, int],
    whole: Mapping[int, int],
) -> float:
    """Rounds until nothing runs any more, where trials go on ending as they have so far.

    Args:
        running: Age and length of each trial that runs, in epochs.
        waiting: The length of each trial that is to come, in their order.
        slots: How many run at once.
        ends, whole: How many trials ended at each age before their length was reached, and then.

    >>> rounds_left([(3, 10)], [10, 10], 1, {}, {})
    27
    >>> rounds_left([(3, 10), (0, 10)], [10, 10], 2, {}, {})
    20
    >>> rounds_left([(3, 10)], [10, 10], 1, {5: 3}, {10: 1})  # three of four end at their fifth
    17
    """
    longest = max([1, *waiting, *(length for _, length in running)])
    unit = -(-longest // BINS)
    share = _shares_that_end(running, ends, whole, unit)
    ahead = [[-(-length // unit), 1.0] for length in waiting]
    rounds = 0.0
    if len(ahead) > 4 * slots:  # the far ones keep all slots busy for as long as they live
        far = len(ahead) - 4 * slots
        lives = {length: _life(length, share) for length in {a[0] for a in ahead[:far]}}
        rounds += sum(lives[length] for length, _ in ahead[:far]) / slots
        ahead = ahead[far:]
    ahead.reverse()
    mass: Counter[tuple[int, int]] = Counter()
    for age, length in running:
        if age < length:
            longest = -(-length // unit)
            mass[min(age // unit, longest - 1), longest] += 1
    free = max(0.0, slots - mass.total())
    while True:
        while ahead and free > 1e-9:
            part = min(free, ahead[-1][1])
            mass[0, int(ahead[-1][0])] += part * (1 - share.get(0, 0.0))
            free -= part * (1 - share.get(0, 0.0))
            ahead[-1][1] -= part
            if ahead[-1][1] < 1e-9:
                ahead.pop()
        if sum(mass.values()) < 0.5 and not ahead:
            return math.ceil(rounds * unit)
        rounds += 1
        older: Counter[tuple[int, int]] = Counter()
        for (age, length), amount in mass.items():
            if age + 1 < length:
                older[age + 1, length] = amount * (1 - share.get(age + 1, 0.0))
        free += sum(mass.values()) - sum(older.values())
        mass = older


def _shares_that_end(
    running: Sequence[tuple[int, int]], ends: Mapping[int, int], whole: Mapping[int, int], unit: int
) -> dict[int, float]:
    """Of the trials that came to an age, the share that ended there, by age in units."""
    reached: Counter[int] = Counter()
    for age, number in [*ends.items(), *whole.items(), *((age, 1) for age, _ in running)]:
        reached[age // unit] += number
    ended: Counter[int] = Counter()
    for age, number in ends.items():
        ended[age // unit] += number
    above, shares = 0, {}
    for age in sorted(reached, reverse=True):
        above += reached[age]
        if ended[age]:
            shares[age] = ended[age] / above
    return shares


def _life(length: int, share: Mapping[int, float]) -> float:
    """How many units a trial lives, on average."""
    alive, life = 1 - share.get(0, 0.0), 0.0
    for age in range(1, length + 1):
        life += alive
        alive *= 1 - share.get(age, 0.0)
    return life
