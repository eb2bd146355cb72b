"""Hyperband: many trials for a few epochs, the best of them for more, in several brackets."""

import keras_tuner

from tuner_app.oracles.stored import StoredOracle

NAME = "hyperband"


class HyperbandOracle(StoredOracle, keras_tuner.oracles.HyperbandOracle):
    """KerasTuner's Hyperband (Li et al., 2018), in the store.

    A tuner must mind the values "tuner/epochs", "tuner/initial_epoch" and, when a trial goes on
    from another one's weights, "tuner/trial_id", as `SequentialTuner` does.

    Args (besides KerasTuner's):
        max_trials: Stop after so many trials, even within a bracket; None: after
            `hyperband_iterations`.

    >>> HyperbandOracle(objective="val_loss", max_epochs=9, factor=3, seed=0).max_epochs
    9
    """

    def __init__(self, *, max_trials=None, **arguments):
        super().__init__(**arguments)
        self.max_trials = max_trials

    def populate_space(self, trial_id):
        response = super().populate_space(trial_id)
        if response["status"] == "RUNNING":
            # KerasTuner labels every trial with the newest bracket, also those of older ones.
            response["values"]["tuner/bracket"] = next(
                bracket["bracket_num"]
                for bracket in self._brackets
                if any(info["id"] == trial_id for rung in bracket["rounds"] for info in rung)
            )
        return response

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
