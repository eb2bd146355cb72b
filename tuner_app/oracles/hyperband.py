"""Hyperband: many trials for a few epochs, the best of them for more, in several brackets."""

import keras_tuner

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

    A tuner must mind the values "tuner/epochs", "tuner/initial_epoch" and, when a trial goes on
    from another one's weights and optimizer, "tuner/trial_id", as `SequentialTuner` does.

    Args (besides KerasTuner's):
        max_trials: Stop after so many trials, even within a bracket; None: after
            `hyperband_iterations`.

    >>> HyperbandOracle(objective="val_loss", max_epochs=9, factor=3, seed=0).plan()
    [[(9, 1), (3, 3), (1, 9)], [(5, 3), (2, 9)], [(3, 9)]]
    """

    def __init__(self, *, max_trials=None, **arguments):
        super().__init__(**arguments)
        self.max_trials = max_trials

    def plan(self) -> list[list[tuple[int, int]]]:
        """The brackets of one iteration in their order: of each rung, trials and epochs."""
        return [
            [(self._get_size(b, rung), self._get_epochs(b, rung)) for rung in range(b + 1)]
            for b in reversed(range(self._get_num_brackets()))
        ]

    def populate_space(self, trial_id):
        """As in KerasTuner: the next trial's values, or that it has to wait, or the end."""
        self._remove_completed_brackets()
        for bracket in self._brackets:
            found = self._next_in(bracket, trial_id)
            if found is not None:
                return found
        last = self._current_bracket == 0
        if last and self._current_iteration + 1 >= self.hyperband_iterations:
            return {"status": "IDLE" if self.ongoing_trials or self._retry_queue else "STOPPED"}
        self._increment_bracket_num()
        self._start_new_bracket()
        return self._drawn(self._brackets[-1], trial_id)

    def _next_in(self, bracket: dict, trial_id: str) -> dict | None:
        """What a bracket can begin now; None: nothing."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        size = self._get_size(number, 0)
        if len(self._alive(rounds[0])) < size and len(rounds[0]) < _REPLACED * size:
            return self._drawn(bracket, trial_id)
        for rung in range(1, len(rounds)):
            if len(self._alive(rounds[rung])) >= self._possible(bracket, rung):
                continue
            taken = {info["past_id"] for info in rounds[rung]}
            below = [i for i in self._alive(rounds[rung - 1]) if i not in taken]
            candidates = [self.trials[i] for i in below if self.trials[i].status == "COMPLETED"]
            # So many of the rung below are passed over. A candidate that beats as many others is
            # among the best whatever those still running will give.
            failed = len(rounds[rung]) - len(self._alive(rounds[rung]))
            passed_over = self._possible(bracket, rung - 1) - self._get_size(number, rung) - failed
            if len(candidates) > max(0, passed_over):
                return self._promoted(bracket, rung, candidates, trial_id)
        return None

    def _promoted(self, bracket: dict, rung: int, candidates: list, trial_id: str) -> dict:
        sign = -1 if self.objective.direction == "max" else 1
        best = min(candidates, key=lambda trial: sign * trial.score)
        bracket["rounds"][rung].append({"past_id": best.trial_id, "id": trial_id})
        values = best.hyperparameters.values | {"tuner/trial_id": best.trial_id}
        return {"status": "RUNNING", "values": values | self._told(bracket, rung)}

    def _drawn(self, bracket: dict, trial_id: str) -> dict:
        values = self._random_values()
        if values is None:  # every point was tried
            return {"status": "IDLE" if self.ongoing_trials else "STOPPED"}
        bracket["rounds"][0].append({"past_id": None, "id": trial_id})
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
        size, infos = self._get_size(bracket["bracket_num"], rung), bracket["rounds"][rung]
        if rung == 0:
            return size if len(infos) < _REPLACED * size else len(self._alive(infos))
        failed = len(infos) - len(self._alive(infos))
        return max(0, min(size, self._possible(bracket, rung - 1) - failed))

    def _remove_completed_brackets(self):
        self._brackets = [bracket for bracket in self._brackets if not self._is_through(bracket)]

    def _is_through(self, bracket: dict) -> bool:
        """Whether every rung of a bracket has what it can have, and all of it has ended."""
        return all(
            len(self._alive(infos)) >= self._possible(bracket, rung)
            and all(self._status(info["id"]) in ENDED for info in infos)
            for rung, infos in enumerate(bracket["rounds"])
        )

    def begin_anew(self) -> None:
        """Forgets the brackets under way, after a change of `max_epochs` or `factor`."""
        self._brackets, self._current_iteration = [], 0
        self._current_bracket = self._get_num_brackets() - 1
        self._start_new_bracket()

    def weights_needed(self) -> set[str]:
        """The trials from whose weights another may still go on."""
        return {
            info["id"]
            for bracket in self._brackets
            for rung in bracket["rounds"][:-1]
            for info in rung
        }
