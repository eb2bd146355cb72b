"""How often the verdicts of `tuner-app compare`, and the intervals, are right, by simulation.

    python -m benchmarks.verdicts

No training: a score is a known function of the learning rate, plus a run's luck, so that the truth
is known. Takes about two minutes.
"""

import numpy as np

from tuner_app.answers.judging import judged
from tuner_app.answers.points import quasi_random
from tuner_app.statistics import compare_pairs, expected_best, mean_interval, resampled_interval

POINTS, REPEATS, SEEDS = 8, 8, 3  # the defaults of `tuner-app compare`
LUCK = 0.004  # standard deviation of a run's score
WIDTH = 0.25  # of the range of learning rates within which a score is good


def score(unit, peak, best, draw, luck=LUCK):
    """The score of a run at a place (0 to 1) in the range of learning rates."""
    mean = peak - 0.5 * (1 - np.exp(-(((unit - best) / WIDTH) ** 2)))
    return mean + luck * draw.normal(size=np.shape(unit))


def comparison(peaks, draw, best=0.6):
    """A whole comparison of optimizers that reach these peaks, as `judged` sees it."""
    tuned, final = {}, {}
    for name, peak in peaks.items():
        tuned[name], final[name] = [], []
        for _ in range(REPEATS):
            # Points of each optimizer's own: the harder case, for `compare` pairs them.
            units = quasi_random(1, POINTS, int(draw.integers(2**31)))[:, 0]
            seen = score(units, peak, best, draw)
            tuned[name].append(seen.tolist())
            chosen = units[seen.argmax()]
            final[name].append(score(np.full(SEEDS, chosen), peak, best, draw).tolist())
    return judged(tuned, final, "max")


def verdicts(draw, count=20):
    """(times that two equal optimizers are indistinguishable, times that a worse one is found)."""
    same = [comparison({"a": 0.95, "b": 0.95}, draw) for _ in range(count)]
    worse = [comparison({"a": 0.95, "b": 0.90}, draw) for _ in range(count)]
    return (
        sum(found["indistinguishable"] != [] for found in same),
        sum(found["best"] == "a" and found["indistinguishable"] == [] for found in worse),
    )


def coverage_of_means(draw, count=4000, seeds=5):
    """How often Student's interval over the seeds holds the true mean."""
    held = 0
    for _ in range(count):
        found = mean_interval(0.95 + LUCK * draw.normal(size=seeds))
        held += found.low <= 0.95 <= found.high
    return held / count


def coverage_of_tuned(draw, count=1500):
    """How often an optimizer's interval over the repeats holds the mean of all such tunings, and
    the same of the expected best of 1, 2, 4 and 8 points."""
    found = [comparison({"a": 0.95}, draw) for _ in range(count)]
    rows = [one["ranking"][0] for one in found]
    told = {"tuned": _held([(row["mean"], row["low"], row["high"]) for row in rows])}
    for n in (1, 2, 4, 8):
        told[f"best of {n}"] = _held([one["budget"]["a"][n - 1][1:] for one in found])
    return told


def _held(intervals):
    truth = np.mean([mean for mean, _, _ in intervals])
    return float(np.mean([low <= truth <= high for _, low, high in intervals]))


def bias_of_expected_best(draw, count=4000, n=4):
    """The expected best of n normal scores, from 8 of them, less the truth."""
    truth = draw.normal(size=(200_000, n)).max(axis=1).mean()
    return float(np.mean([expected_best(draw.normal(size=8), n) for _ in range(count)]) - truth)


def coverage_of_test(draw, count=600, examples=270, right=0.95):
    """How often the bootstrap interval of an accuracy over the examples holds the true one."""
    held = 0
    for _ in range(count):
        found = resampled_interval((draw.random(examples) < right) * 1.0, resamples=2000)
        held += found.low <= right <= found.high
    return held / count


def false_alarms(draw, count=2000, configurations=5, seeds=5):
    """How often `confirm` tells some pair of equal configurations apart: at most 5%."""
    alarms = 0
    for _ in range(count):
        scores = LUCK * draw.normal(size=(configurations, seeds))
        found = compare_pairs({str(i): row for i, row in enumerate(scores)})
        alarms += any(pair.distinguishable for pair in found)
    return alarms / count


def main():
    draw = np.random.default_rng(0)
    same, worse = verdicts(draw)
    print(f"equal optimizers called indistinguishable:   {same} of 20")
    print(f"the worse of two optimizers called worse:    {worse} of 20")
    same, worse = verdicts(draw, 400)
    print(f"the same of 400 each:                        {same / 400:.1%}, {worse / 400:.1%}")
    print(f"mean over 5 seeds, coverage of 95%:          {coverage_of_means(draw):.1%}")
    for name, share in coverage_of_tuned(draw).items():
        told = f"{name}, over {REPEATS} repeats, coverage of 95%:"
        print(f"{told:<45}{share:.1%}")
    print(f"expected best of 4 from 8, bias (in sd):     {bias_of_expected_best(draw):+.4f}")
    print(f"accuracy on 270 examples, coverage of 95%:   {coverage_of_test(draw):.1%}")
    print(f"five equal configurations told apart:        {false_alarms(draw):.1%}")


if __name__ == "__main__":
    main()
