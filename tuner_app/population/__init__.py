"""The population engine: hundreds of Keras trials trained in one compiled program.

A trial's model is built and compiled as for `fit`. Models of equal *signature* (all but numbers
and values, see `signatures`) share a stack: their variables along a leading lane axis, one step
traced once, vectorized over lanes, in a compiled loop over batches. It knows nothing of
KerasTuner, of oracles or of files:

    population = Population((x, y), (x_val, y_val), batch_size=32, lanes=64)
    try:
        population.admit(key, build, seed=0, epochs=10)  # build() returns a compiled model
    except CannotStack as reason:
        ...                                              # train it by `fit`, and say why
    while len(population):
        for report in population.run_epoch():            # one epoch of every trial in a lane
            report.key, report.epoch, report.logs        # logs as in Keras's History
            lane = population.lane(report.key)           # between epochs: read and set
            lane.get_weights(), lane.learning_rate
            if report.done or converged(report):
                population.retire(report.key)            # its lane is free for the next trial
        for key, reason in population.take_rejected().items():
            ...                                          # found not to stack when traced

Trials at different epochs and with different optimizers share a stack, and a lane that is refilled
costs no new trace, unless a number differs that never did before. The data
order, the dropout masks and every random number of a trial are functions of its seed and its own
step, so its results are the same alone, among others, or continued from `state_dict()` in another
process. Where each trial stands is the caller's to store: `state_dict()` holds NumPy arrays and
numbers only.
"""

from tuner_app.population.compiled.readout import Readout
from tuner_app.population.errors import CannotStack
from tuner_app.population.lanes.lane import Lane, LaneState
from tuner_app.population.planning.planner import Plan, plan
from tuner_app.population.population import Population
from tuner_app.population.reports import EpochReport, PopulationStats

__all__ = [
    "CannotStack",
    "EpochReport",
    "Lane",
    "LaneState",
    "Plan",
    "Population",
    "PopulationStats",
    "Readout",
    "plan",
]
