"""How long a search will still take, against searches whose length is known."""

import random

import pytest

from tuner_app.cli.rounds_left import BINS, rounds_left
from tuner_app.cli.time_left import TimeLeft


class Stack:
    """A stack of lanes in which trials of known lives are trained, a second a round.

    Args:
        lives: Of each trial, its epochs until it ends.
        lengths: ... and the most that it might train.
        compiling: Rounds that take so many seconds more.
    """

    def __init__(self, lives, lengths, lanes, compiling=None):
        self.lives, self.lengths, self.lanes = lives, lengths, lanes
        self.compiling = compiling or {}

    def run(self, left: TimeLeft, plan=None, stacked=True) -> list[tuple[float, float | None]]:
        """After each round: the time, and what was said to be left."""
        left.begin(len(self.lives), 0.0)
        if plan:
            left.plan(plan)
        waiting, ages, now, said, rounds = list(range(len(self.lives))), {}, 0.0, [], 0
        while waiting or ages:
            while waiting and len(ages) < self.lanes:
                number = waiting.pop(0)
                ages[number] = 0
                left.start(str(number), {"tuner/epochs": self.lengths[number]}, now)
            now += 1.0 + self.compiling.get(rounds, 0.0)
            rounds += 1
            for number in ages:
                left.epoch(str(number), ages[number], now)
                ages[number] += 1
            if stacked:
                left.stack()
            for number in [n for n in ages if ages[n] >= self.lives[n]]:
                del ages[number]
                left.finish(str(number))
            said.append((now, left.seconds(now)))
        return said


def test_where_no_trial_ends_early_it_is_right_from_the_second_round():
    said = Stack([8] * 7, [8] * 7, lanes=3, compiling={0: 60.0}).run(TimeLeft(8))
    end = said[-1][0]
    assert said[0][1] is None
    assert [left for _, left in said[1:]] == [end - now for now, _ in said[1:]]


def test_a_tail_is_not_mistaken_for_the_pace_of_all():
    """Half of the trials end early: at first that is not known, later it is; at the end the count
    goes to zero, a second a round at most, though trials end one by one."""
    draw = random.Random(0)
    lives = [draw.choice([5, 6, 7, 30]) for _ in range(120)]
    said = Stack(lives, [30] * 120, lanes=20, compiling={0: 40.0}).run(TimeLeft(30))
    end = said[-1][0]
    settled = [(end - now, left) for now, left in said[12:]]
    assert all(abs(left - truth) <= 0.35 * truth + 3 for truth, left in settled)
    tail = [left for truth, left in settled if truth <= 15]
    assert tail == sorted(tail, reverse=True) and tail[-1] == 0.0


def test_one_long_round_neither_turns_the_clock_back_nor_sets_the_pace():
    said = Stack([20] * 8, [20] * 8, lanes=8, compiling={0: 9.0, 10: 50.0}).run(TimeLeft(20))
    lefts = [left for _, left in said[1:]]
    assert lefts == [float(rest) for rest in range(18, -1, -1)]


def test_what_compiling_takes_when_few_are_begun_is_not_what_each_start_takes():
    """The first of a hundred that wait is begun in a round of a minute."""
    lives = [3] + [9] * 110
    said = Stack(lives, [9] * 111, lanes=10, compiling={0: 90.0, 3: 60.0}).run(TimeLeft(9))
    end = said[-1][0]
    assert all(abs(end - now - left) <= 9 for now, left in said[4:])


def test_it_holds_while_a_round_lasts():
    left = TimeLeft(10)
    left.begin(1, 0.0)
    left.start("0", {}, 0.0)
    for epoch in range(3):
        left.epoch("0", epoch, epoch + 1.0)
    assert [left.seconds(now) for now in (3.0, 3.5, 4.0, 9.0)] == [7.0, 6.5, 6.0, 6.0]
    assert (left.roughly(4.0), left.roughly(9.0)) == ("about", "more than")


def test_by_fit_what_a_trial_needs_to_begin_counts():
    starts = {0: 5.0, 4: 5.0, 8: 5.0}
    said = Stack([4] * 3, [4] * 3, lanes=1, compiling=starts).run(TimeLeft(4), stacked=False)
    end = said[-1][0]
    assert [left for _, left in said[1:]] == pytest.approx([end - now for now, _ in said[1:]])


def test_a_plan_of_lengths_is_followed():
    """Hyperband: many short trials first, then few long ones."""
    lengths = [2] * 9 + [4] * 3 + [12]
    said = Stack(lengths, lengths, lanes=3).run(TimeLeft(12), plan=lengths)
    end = said[-1][0]
    assert all(abs(end - now - left) <= 1 for now, left in said[1:])


@pytest.mark.parametrize(
    ("limits", "left"), [((10.0, 0), 7.0), ((None, 5), 2.0), ((None, 0), 37.0)]
)
def test_the_limits_of_a_search_are_minded(limits, left):
    found = TimeLeft(20, *limits)
    found.begin(2, 0.0)
    found.start("0", {}, 0.0)
    for epoch in range(3):
        found.epoch("0", epoch, epoch + 1.0)
    assert found.seconds(3.0) == left
    assert found.roughly(3.0) == ("at most" if limits[0] else "about")


def test_nothing_is_said_where_the_number_of_trials_is_not_known():
    left = TimeLeft(3)
    left.begin(None, 0.0)
    left.start("0", {}, 0.0)
    for epoch in range(3):
        left.epoch("0", epoch, epoch + 1.0)
    assert left.seconds(3.0) is None


def test_a_resumed_trial_goes_on_at_its_age():
    left = TimeLeft(10)
    left.begin(1, 0.0, finished=[])
    left.start("0", {}, 0.0)
    for epoch in range(6, 9):
        left.epoch("0", epoch, epoch - 5.0)
    assert left.seconds(3.0) == 1.0


def test_long_trainings_and_long_queues_are_reckoned_quickly_and_alike():
    exact = 1000 * 50 / 10
    assert rounds_left([(0, 50)] * 10, [50] * 990, 10, {}, {}) == exact
    epochs = 50 * BINS
    assert rounds_left([(0, epochs)] * 10, [epochs] * 990, 10, {}, {}) == 100 * epochs
