"""Lanes in blocks: how many one call of a compiled program trains, and calls side by side.

An update reads and writes every number of every lane, so what a step takes on a CPU is decided by
where these numbers are. A block is as many lanes as stay in the processor's caches for all the
steps of a call, and several blocks run at once, a thread each, which a program of many small
operations can't do by itself. On an accelerator all lanes are one block.
"""

import concurrent.futures
import functools

from tuner_app.environment import threads
from tuner_app.population.backend import vectorize

# Bytes of a block's weights and slots.
MOST_BYTES = 8 * 2**20
# Lanes below which starting operations takes longer than the caches save.
FEWEST_LANES = 8


def width(lanes: int, lane_bytes: int) -> int:
    """Lanes a block, for `lanes` lanes of `lane_bytes` bytes of weights and slots each.

    >>> width(6, 1000), 8 <= width(100, 400_000) <= 100
    (6, True)
    """
    if vectorize.on_accelerator() or lanes < 2 * FEWEST_LANES:
        return lanes
    most = lanes // FEWEST_LANES  # blocks
    wanted = min(most, max(threads(), -(-lanes * lane_bytes // MOST_BYTES)))
    each = [n for n in range(wanted, min(most, 2 * wanted) + 1) if n % threads() == 0]
    # As few idle lanes as can be, and then as few blocks.
    count = min(each or [wanted], key=lambda n: (-(-lanes // n) * n, n))
    return -(-lanes // count)


def large_enough(lanes: int) -> bool:
    """Whether further lanes may be blocks of so many: a wider one would save less than its trace
    takes."""
    return not vectorize.on_accelerator() and lanes >= FEWEST_LANES


def side_by_side(function, calls: list[tuple]) -> list:
    """`function(*call)` of each call, as many at once as there may be threads."""
    if len(calls) < 2:
        return [function(*call) for call in calls]
    started = []
    try:
        started += (_started(function, call) for call in calls)
        return [one.result() for one in started]
    finally:
        for one in started:
            one.cancel()


def _started(function, call: tuple) -> concurrent.futures.Future:
    def whole():
        return vectorize.done(function(*call))

    try:
        return _threads(threads()).submit(whole)
    except RuntimeError:  # none are begun where the main thread has ended: at once, in this one
        done = concurrent.futures.Future()
        done.set_result(whole())
        return done


@functools.cache
def _threads(count: int) -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(count, "lanes")
