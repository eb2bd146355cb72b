"""What the optimizers of some models take beside the models' own arithmetic."""

import keras

from tuner_app.optimizers.matrix_sides import matrix_shape
from tuner_app.optimizers.muon import orthogonal_work
from tuner_app.optimizers.rule_optimizer import RuleOptimizer
from tuner_app.optimizers.step_work import StepWork


def rule_work(model) -> StepWork:
    """Of a step of the model's optimizer, over all its variables."""
    return work_of(model.optimizer, model.trainable_variables)


def work_of(optimizer, variables) -> StepWork:
    """Of a step of an optimizer of these variables.

    One that is neither ours nor Keras's Muon counts as one of single elements.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    found = StepWork()
    for variable in variables:
        shape = tuple(variable.shape)
        if isinstance(optimizer, RuleOptimizer):
            found += optimizer.rule.rule_for(variable.path, shape).work(shape)
        elif isinstance(optimizer, keras.optimizers.Muon) and len(shape) > 1:
            found += orthogonal_work(*matrix_shape(shape), optimizer.ns_steps)
    return found
