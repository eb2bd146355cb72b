"""Hyperband: many trials for a few epochs, the best of them for more, in several brackets."""

import keras_tuner

from tuner_app.oracles.brackets import fitted
from tuner_app.oracles.stored import StoredOracle
from tuner_app.oracles.trial_from_row import stored_status
from tuner_app.store.trial_row import ENDED

NAME = "hyperband"
_REPLACED = 2  # a rung draws at most so many times its size, when all that it draws fails


class HyperbandOracle(StoredOracle, keras_tuner.oracles.HyperbandOracle):
    """Hyperband (Li et al., 2018) with KerasTuner's arguments and brackets, in the store.

    KerasTuner counts a failed trial as one of its rung, so that failures leave the rungs above it
    empty. Here a failed trial is replaced, at the bottom by a new one and above by the next best of
    the rung below, so that what runs is what `plan` says. Where a bracket waits for its trials,
    the next one begins, so that all lanes are busy.

    Who is promoted does not depend on the order in which trials end, and a trial's seed is that of
    the draw that its line began with; so what a search finds is the same for any number of lanes.

    A tuner must mind the values "tuner/epochs", "tuner/initial_epoch" and, when a trial goes on
    from another one's weights and optimizer, "tuner/trial_id", as `SequentialTuner` does.

    Args (besides KerasTuner's):
        max_trials: Stop after so many trials. The brackets are then those that fit in the number,
            the last ones smaller, so that each comes to its end. None: after
            `hyperband_iterations`.

    >>> HyperbandOracle(objective="val_loss", max_epochs=9, factor=3, seed=0).plan()
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (2, 9)], [(3, 9)]]
    >>> HyperbandOracle(objective="val_loss", max_epochs=9, max_trials=18, seed=0).plan()
    [[(9, 1), (3, 3), (1, 9)], [(4, 3), (1, 9)]]
    """

    _place: tuple[int, int] | None = None  # the next bracket's number and iteration

    def __init__(self, *, max_trials=None, **arguments):
        self._lines: dict[str, tuple[int, int]] = {}  # draw's number and failures before: its seed
        self._draws = 0
        super().__init__(**arguments)
        self.max_trials = max_trials

    def plan(self) -> list[list[tuple[int, int]]]:
        """The brackets in their order, of each rung its trials and epochs: all of them where
        `max_trials` is known, else those of one iteration."""
        brackets, place, left = [], (self._get_num_brackets() - 1, 0), self.max_trials
        while place[1] < (self.hyperband_iterations if left is not None else 1):
            number, sizes = self._bracket_at(place[0], left)
            if not sizes:
                break
            epochs = (self._get_epochs(number, rung) for rung in range(number + 1))
            brackets.append(list(zip(sizes, epochs, strict=True)))
            left, place = None if left is None else left - sum(sizes), self._after(number, place[1])
        return brackets

    def lengths(self) -> list[int]:
        """The epochs that each of its trials trains, in the order of `plan`.

        >>> HyperbandOracle(objective="val_loss", max_epochs=9, max_trials=5, seed=0).plan()
        [[(4, 3), (1, 9)]]
        >>> HyperbandOracle(objective="val_loss", max_epochs=9, max_trials=5, seed=0).lengths()
        [3, 3, 3, 3, 6]
        """
        found = []
        for bracket in self.plan():
            before = 0
            for size, epochs in bracket:
                found += [epochs - before] * size
                before = epochs
        return found

    def _bracket_at(self, number: int, left: int | None) -> tuple[int, list[int]]:
        return fitted(self._full_sizes, number, self.factor, left)

    def _full_sizes(self, number: int) -> list[int]:
        return [self._get_size(number, rung) for rung in range(number + 1)]

    def _after(self, number: int, iteration: int) -> tuple[int, int]:
        """The number of the bracket that comes next, and its iteration."""
        return (number - 1, iteration) if number else (self._get_num_brackets() - 1, iteration + 1)

    def populate_space(self, trial_id):
        """As in KerasTuner: the next trial's values, or that it has to wait, or the end."""
        self._remove_completed_brackets()
        self._make_room()
        for bracket in self._brackets:
            found = self._next_in(bracket, trial_id)
            if found is not None:
                return found
        bracket = self._begun_bracket()
        found = None if bracket is None else self._drawn(bracket, trial_id)
        if found is not None:
            return found
        return {"status": "IDLE" if self.ongoing_trials or self._retry_queue else "STOPPED"}

    def _start_new_bracket(self):
        """KerasTuner begins one when the oracle is made; here one is begun for its first trial."""

    def _begun_bracket(self) -> dict | None:
        """The next bracket; None where there is none."""
        left = None if self.max_trials is None else self.max_trials - self._promised()
        number, iteration = self._place or (self._get_num_brackets() - 1, 0)
        number, sizes = self._bracket_at(number, left)
        if iteration >= self.hyperband_iterations or not sizes:
            return None
        self._current_bracket, self._current_iteration = number, iteration
        self._place = self._after(number, iteration)
        rounds: list[list] = [[] for _ in sizes]
        self._brackets.append({"bracket_num": number, "sizes": sizes, "rounds": rounds})
        return self._brackets[-1]

    def _promised(self) -> int:
        """How many trials there are, with those that the open brackets will still begin."""
        return len(self.trials) + sum(
            max(0, self._possible(bracket, rung) - len(self._alive(infos)))
            for bracket in self._brackets
            for rung, infos in enumerate(bracket["rounds"])
        )

    def _make_room(self) -> None:
        """Where the trials that replace failed ones would be more than `max_trials`, the lowest
        rung of the last bracket that needs any gets fewer, but one; so brackets come to an end."""
        while self.max_trials is not None and self._promised() > self.max_trials:
            needy = [
                (bracket, rung)
                for bracket in reversed(self._brackets)
                for rung, infos in enumerate(bracket["rounds"])
                if self._possible(bracket, rung) > len(self._alive(infos))
            ]
            spared = [one for one in needy if one[0]["sizes"][one[1]] == 1]
            bracket, rung = next((one for one in needy if one not in spared), needy[0])
            self._cut(bracket, rung, bracket["sizes"][rung] - 1)

    def _cut(self, bracket: dict, rung: int, size: int) -> None:
        """A rung gets so many trials, and those above it no more."""
        sizes = bracket["sizes"]
        bracket["sizes"] = sizes[:rung] + [min(size, above) for above in sizes[rung:]]

    def _next_in(self, bracket: dict, trial_id: str) -> dict | None:
        """What a bracket can begin now; None: nothing."""
        sizes, rounds = bracket["sizes"], bracket["rounds"]
        if len(self._alive(rounds[0])) < sizes[0] and len(rounds[0]) < _REPLACED * sizes[0]:
            found = self._drawn(bracket, trial_id)
            if found is not None:
                return found
        for rung in range(1, len(rounds)):
            if len(self._alive(rounds[rung])) >= self._possible(bracket, rung):
                continue
            taken = {info["past_id"] for info in rounds[rung]}
            below = [i for i in self._alive(rounds[rung - 1]) if i not in taken]
            candidates = [self.trials[i] for i in below if self.trials[i].status == "COMPLETED"]
            # So many of the rung below are passed over. A candidate that beats as many others is
            # among the best whatever those still running will give.
            failed = len(rounds[rung]) - len(self._alive(rounds[rung]))
            passed_over = self._possible(bracket, rung - 1) - sizes[rung] - failed
            if len(candidates) > max(0, passed_over):
                return self._promoted(bracket, rung, candidates, trial_id)
        return None

    def _promoted(self, bracket: dict, rung: int, candidates: list, trial_id: str) -> dict:
        sign = -1 if self.objective.direction == "max" else 1
        best = min(candidates, key=lambda trial: sign * trial.score)
        bracket["rounds"][rung].append({"past_id": best.trial_id, "id": trial_id})
        self._lines[trial_id] = self.seed_facts(best.trial_id)
        values = best.hyperparameters.values | {"tuner/trial_id": best.trial_id}
        return {"status": "RUNNING", "values": values | self._told(bracket, rung)}

    def _drawn(self, bracket: dict, trial_id: str) -> dict | None:
        """A trial of the lowest rung; None: every point was tried, and the rung has what it has."""
        values = self._random_values()
        infos = bracket["rounds"][0]
        if values is None:
            self._cut(bracket, 0, len(self._alive(infos)))
            return None
        self._lines[trial_id] = self._draws, 0
        self._draws += 1
        infos.append({"past_id": None, "id": trial_id})
        return {"status": "RUNNING", "values": values | self._told(bracket, 0)}

    def _told(self, bracket: dict, rung: int) -> dict:
        number = bracket["bracket_num"]
        return {
            "tuner/epochs": self._get_epochs(number, rung),
            "tuner/initial_epoch": self._get_epochs(number, rung - 1) if rung else 0,
            "tuner/bracket": number,
            "tuner/round": rung,
        }

    def _alive(self, infos: list[dict]) -> list[str]:
        """The trials of a rung that have not failed."""
        return [i["id"] for i in infos if self._status(i["id"]) not in ("FAILED", "PRUNED")]

    def _status(self, trial_id: str) -> str:
        # The trial that is being created is noted in its rung before it is a trial.
        trial = self.trials.get(trial_id)
        return "RUNNING" if trial is None else stored_status(trial)

    def _possible(self, bracket: dict, rung: int) -> int:
        """How many trials of a rung may end with a score: fewer than its size where too many of a
        lower rung failed."""
        size, infos = bracket["sizes"][rung], bracket["rounds"][rung]
        if rung == 0:
            return size if len(infos) < _REPLACED * size else len(self._alive(infos))
        failed = len(infos) - len(self._alive(infos))
        return max(0, min(size, self._possible(bracket, rung - 1) - failed))

    def _remove_completed_brackets(self):
        self._brackets = [bracket for bracket in self._brackets if not self._is_through(bracket)]

    def _is_through(self, bracket: dict) -> bool:
        """Whether every rung of a bracket has what it can have, and all of it has ended."""
        return all(self._is_done(bracket, rung) for rung in range(len(bracket["rounds"])))

    def _is_done(self, bracket: dict, rung: int) -> bool:
        infos = bracket["rounds"][rung]
        enough = len(self._alive(infos)) >= self._possible(bracket, rung)
        return enough and all(self._status(info["id"]) in ENDED for info in infos)

    def begin_anew(self) -> None:
        """Forgets the brackets under way, after a change of `max_epochs` or `factor`."""
        self._brackets, self._current_iteration, self._place = [], 0, None

    def weights_needed(self) -> set[str]:
        """The trials from whose weights another may still go on."""
        return {
            info["id"]
            for bracket in self._brackets
            for rung, infos in enumerate(bracket["rounds"][:-1])
            if not self._is_done(bracket, rung + 1)
            for info in infos
        }

    # A trial's seed.

    def seed_facts(self, trial_id: str) -> tuple[int, int]:
        """Of the line that a trial belongs to, the number of its draw, and the failures in it."""
        number, failures = self._lines[trial_id]
        return number, failures + self.failures_of(trial_id)

    def _note(self, trial_id):
        return {"seed": list(self._lines[trial_id])}

    def _restore_notes(self, rows):
        self._lines = {row.trial_id: row.line for row in rows}
        self._draws = sum("tuner/trial_id" not in row.hyperparameters for row in rows)
        if all("sizes" in bracket for bracket in self._brackets):
            return
        if any(self._brackets[-1]["rounds"]):  # KerasTuner's, which have no sizes
            self._place = self._after(self._current_bracket, self._current_iteration)
        self._brackets = [bracket for bracket in self._brackets if any(bracket["rounds"])]
        for bracket in self._brackets:
            bracket["sizes"] = self._full_sizes(bracket["bracket_num"])

    def get_state(self):
        """As in KerasTuner, with which bracket comes next."""
        return super().get_state() | {"place": self._place}

    def set_state(self, state):
        """Takes back what `get_state` gave."""
        super().set_state(state)
        place = state.get("place")
        self._place = None if place is None else tuple(place)
