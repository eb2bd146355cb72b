"""Optimizers compared at equal budgets: each tuned in its own space, several times, and judged.

The same number of points, epochs and batches for each; everything but the optimizer's own numbers
stays at the space's default. See `protocols` for what is done, `judging` for what it shows.
"""

import dataclasses
import datetime
import math
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import search_spaces
from tuner_app import data, environment
from tuner_app.answers import judging, readings, runs
from tuner_app.answers.named import Named
from tuner_app.answers.points import (
    OptimizerSpace,
    defaults,
    optimizer_spaces,
    powers_of_two,
    quasi_random,
)
from tuner_app.answers.protocols import Protocol
from tuner_app.answers.seeds import run_seeds
from tuner_app.answers.widening import widened
from tuner_app.config import SearchConfig

VERSION = 2
EXTENSIONS = 6  # of a grid of powers of two, at most, each by two powers
FILES = "compare-runs"


@dataclass
class Comparing:
    """A comparison under way.

    Args:
        config: Data, space, optimizers, epochs, batch size, seed; the rest is not used.
        protocol: What each optimizer is given.
        directory: Where unfinished runs are kept, so that a stopped comparison goes on.
        target: The score whose reaching is timed; None: what the worst of the tuned ones reaches.
        observers: Told of every run.
        say: Is given lines for a person.
    """

    config: SearchConfig
    protocol: Protocol
    directory: Path
    target: float | None = None
    observers: Iterable[Any] = ()
    say: Callable[[str], None] = print
    made: int = field(default=0, init=False)

    def run(self) -> dict[str, Any]:
        """Runs it all. Returns the document, a JSON value, which `compare_text` puts in words.

        Raises:
            UserError: The space does not offer the optimizers.
            KeyboardInterrupt: It was stopped; the same call goes on.
        """
        began = time.monotonic()
        config = self.config
        self.device = environment.use_device(config.precision)
        self.dataset = data.load(config.dataset, seed=config.seed)
        task = self.dataset.spec.task
        self.metric = "accuracy" if task == "classification" else "loss"
        direction = "max" if task == "classification" else "min"
        self.objective = {"name": f"val_{self.metric}", "direction": direction}
        steps = config.steps(self.dataset.train.size)
        space = search_spaces.load(config.space, self.dataset.spec, config.optimizers, steps)
        self.space = space
        spaces = optimizer_spaces(space, config.optimizers)
        memory = {name: readings.memory(space, one) for name, one in spaces.items()}
        times = {name: {} for name in spaces}
        if self.protocol.way == "powers of two":
            points, tuned = self._grid(spaces)
        else:
            if self.protocol.widen:
                spaces, times = widened(spaces, self._pilot, self.say)
            points = {name: self._points(one) for name, one in spaces.items()}
            tuned = self._scores("tuning", points, "tune")
        # With budgets the first point is the defaults, which nobody drew.
        first = 1 if self.protocol.budgets else 0
        drawn = {name: [of[first:] for of in by] for name, by in tuned.items()}
        results, curves = {}, {}
        for budget in self.protocol.budgets or (0,):
            chosen = {name: self._best(points[name], tuned[name], budget) for name in spaces}
            final = self._final(chosen, f"final-{budget}")
            scores = {n: [[one.score for one in of] for of in by] for n, by in final.items()}
            table = {n: [[_nan(s) for s in of] for of in by] for n, by in scores.items()}
            label = {0: "tuned", 1: "defaults"}.get(budget, f"best of {budget}")
            results[label] = judging.judged(drawn, table, direction, budget == 1, self.metric)
            results[label]["values"] = chosen
            results[label]["errors"] = readings.at_the_end(final, self.metric)
            curves = final
        shutil.rmtree(self.directory / FILES, ignore_errors=True)
        return {
            "version": VERSION,
            "made": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "protocol": dataclasses.asdict(self.protocol),
            "config": config.to_dict(),
            "objective": self.objective,
            "scored_on": "test" if self.protocol.test else "validation",
            "results": results,
            "ranges": {n: _ranges(one, times[n]) for n, one in spaces.items()},
            "sensitivity": {
                n: readings.sensitivity(spaces[n], points[n], tuned[n], direction) for n in spaces
            },
            "time_to_target": readings.time_to_target(
                curves, list(results.values())[-1], self.objective, self.target
            ),
            "memory": memory,
            "runs": self.made,
            "seconds": round(time.monotonic() - began, 1),
            "device": self.device,
        }

    # Points.

    def _points(self, space: OptimizerSpace) -> list[list[dict[str, Any]]]:
        """By repeat, the values of each point."""
        protocol, found = self.protocol, []
        for seed in run_seeds("points", self.config.seed, protocol.repeats):
            if protocol.way == "random":
                cube = np.random.default_rng(seed).random((protocol.points, len(space.domains)))
                usual = {**space.fixed, **defaults(space)}
                found.append([usual, *map(space.values, cube)])
            else:
                found.append([space.values(unit) for unit in self._cube(space, seed)])
        return found

    def _pilot(self, attempt: int, spaces: Mapping[str, OptimizerSpace]) -> dict[str, list]:
        """The points of one tuning in each space, best first.

        They are not used again, so that every optimizer is judged by as many.
        """
        seed = run_seeds(f"pilot {attempt}", self.config.seed, 1)[0]
        points = {
            name: [[one.values(unit) for unit in self._cube(one, seed)]]
            for name, one in spaces.items()
        }
        scores = self._scores(f"pilot-{attempt}", points, f"pilot {attempt}")
        sign = -1 if self.objective["direction"] == "max" else 1
        found = {}
        for name, (values,) in points.items():
            known = [
                (sign * score, i) for i, score in enumerate(scores[name][0]) if math.isfinite(score)
            ]
            found[name] = [values[i] for _, i in sorted(known)]
        return found

    def _cube(self, one: OptimizerSpace, seed: int) -> np.ndarray:
        return quasi_random(len(one.domains), self.protocol.points, seed)

    def _grid(self, spaces: Mapping[str, OptimizerSpace]) -> tuple[dict, dict]:
        """Powers of two around each optimizer's default, more of them while the best is an end."""
        half = self.protocol.points // 2
        centers = {n: defaults(one)[one.rate["name"]] for n, one in spaces.items()}
        tried = {n: {} for n in spaces}  # exponent → (values, score)
        wanted = {n: list(range(-half, self.protocol.points - half)) for n in spaces}
        for attempt in range(EXTENSIONS + 1):
            points = {
                n: [powers_of_two(spaces[n], centers[n], exponents)]
                for n, exponents in wanted.items()
            }
            scores = self._scores(f"grid-{attempt}", points, "grid")
            for name, exponents in wanted.items():
                found = zip(points[name][0], scores[name][0], strict=True)
                tried[name] |= dict(zip(exponents, found, strict=True))
            wanted = {n: more for n, by in tried.items() if (more := self._beyond(by))}
            if not wanted:
                break
            self.say(f"The best learning rates of {', '.join(wanted)} end their grid: extended.")
        points = {n: [[by[k][0] for k in sorted(by)]] for n, by in tried.items()}
        return points, {n: [[by[k][1] for k in sorted(by)]] for n, by in tried.items()}

    def _beyond(self, by: Mapping[int, tuple[Any, float]]) -> list[int]:
        """Two more exponents beyond an end that is the best; none where the best is inside."""
        sign = 1 if self.objective["direction"] == "max" else -1
        known = {k: sign * score for k, (_, score) in by.items() if math.isfinite(score)}
        if not known:
            return [min(by) - 2, min(by) - 1]  # all diverged: lower
        best = max(known, key=known.get)
        if best == min(by):
            return [best - 2, best - 1]
        # What diverges above the best ends the grid there.
        return [best + 1, best + 2] if best == max(by) else []

    # Runs.

    def _scores(self, stage: str, points: Mapping[str, list], purpose: str) -> dict[str, list]:
        """The score of each point of each repeat, NaN where it failed; one seed a repeat."""
        repeats = max(map(len, points.values()))
        seeds = run_seeds(f"compare {purpose}", self.config.seed, repeats)
        wanted, where = [], []
        for name, by_repeat in points.items():
            for repeat, values in enumerate(by_repeat):
                for i, one in enumerate(values):
                    wanted.append(runs.Wanted(f"{name} {repeat + 1}.{i + 1}", one, seeds[repeat]))
                    where.append((name, repeat))
        found = {name: [[] for _ in by_repeat] for name, by_repeat in points.items()}
        for (name, repeat), ran in zip(where, self._run(stage, wanted), strict=True):
            found[name][repeat].append(_nan(ran.score))
        return found

    def _best(self, points: Sequence, scores: Sequence, budget: int) -> list[dict | None]:
        """The best point of each repeat; with a budget, of so many, the first are the defaults."""
        part = slice(None) if budget == 0 else slice(0, 1) if budget == 1 else slice(1, budget + 1)
        sign = 1 if self.objective["direction"] == "max" else -1
        found = []
        for values, of in zip(points, scores, strict=True):
            known = [(sign * s, i) for i, s in enumerate(of[part]) if math.isfinite(s)]
            best = max(known, key=lambda pair: (pair[0], -pair[1]), default=None)
            found.append(None if best is None else values[part][best[1]])
        return found

    def _final(self, chosen: Mapping[str, list], stage: str) -> dict[str, list[list[runs.Ran]]]:
        """The runs of each repeat's best point with fresh seeds, the same for every optimizer."""
        wanted, where = [], []
        for repeat in range(self.protocol.repeats):
            seeds = run_seeds(f"compare final {repeat}", self.config.seed, self.protocol.seeds)
            for name, by_repeat in chosen.items():
                if by_repeat[repeat] is None:
                    continue
                for i, seed in enumerate(seeds):
                    label = f"{name} {repeat + 1}, seed {i + 1}"
                    wanted.append(runs.Wanted(label, by_repeat[repeat], seed))
                    where.append((name, repeat))
        ran = self._run(stage, wanted, test=self.protocol.test)
        found = {name: [[] for _ in by_repeat] for name, by_repeat in chosen.items()}
        for (name, repeat), one in zip(where, ran, strict=True):
            found[name][repeat].append(one)
        failed = runs.Ran("", 0, None, None, 0, 0.0, {}, "every point failed")
        return {
            name: [of or [failed] * self.protocol.seeds for of in by_repeat]
            for name, by_repeat in found.items()
        }

    def _run(self, stage: str, wanted: Sequence[runs.Wanted], test: bool = False) -> list[runs.Ran]:
        names = [one.name for one in wanted]
        dataset = self.dataset
        if test:
            dataset = dataclasses.replace(dataset, validation=dataset.test)
        self.say(f"{stage}: {len(wanted)} runs of {self.config.epochs} epochs.")
        ran = runs.run(
            self.config,
            dataset,
            wanted,
            self.objective,
            self.directory / FILES / stage,
            observers=[Named(observer, names) for observer in self.observers],
            patience=0,
            space=self.space,
        )
        self.made += len(ran)
        if test:  # nothing may be chosen by the test split: the last epoch's score, not the best's
            ran = [
                dataclasses.replace(r, score=readings.last(r, self.objective["name"])) for r in ran
            ]
        return ran


def _ranges(one: OptimizerSpace, widened: Mapping[str, int]) -> dict[str, Any]:
    return {"domains": [dict(domain) for domain in one.domains], "widened": dict(widened)}


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
