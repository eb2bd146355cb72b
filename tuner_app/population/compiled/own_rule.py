"""Lanes of several rules in one program: of what the rules compute, each lane keeps its own rule's.

`rules` are the stack's `lifting.Rule`s; `which`, in a lane, is the position of its own, and
`numbers` are a block's, as `LaneArrays` has them.
"""

import keras

from tuner_app.optimizers.rarely import wanted_where
from tuner_app.population.backend import vectorize
from tuner_app.population.compiled.program import (
    apply_rule,
    evaluation_weights,
    learning_rate,
    moves_to_evaluate,
)
from tuner_app.population.compiled.readout import rate_place


def update(rules, state, gradients, rule_pairs, which):
    """(weights, slots) of one lane after the update of its own rule.

    Every rule's update is computed in every lane, and the lane's own is kept. That is more
    arithmetic and less work: the compiler fuses the updates into one pass over the weights, while
    lanes sorted by rule, or a condition a rule, copy what they pass on. (Six such updates of 12
    lanes of an MLP, on JAX: 26 µs of processor time a lane and step, 36 with conditions, and 14
    where there is one rule.)
    """
    old = (state["trainable"], state["optimizer"])
    trainable, slots = list(old[0]), list(old[1])
    for i, rule in enumerate(rules):
        mine = [old[1][place] for place in rule.places]
        keep = None if len(rules) == 1 else keras.ops.equal(which, i)
        with wanted_where(keep):  # a decomposition is, for its own lanes alone
            weights, mine = apply_rule(rule, mine, gradients, old[0], rule_pairs)
        trainable = _kept(keep, weights, trainable)
        chosen = _kept(keep, mine, [slots[place] for place in rule.places])
        for place, slot in zip(rule.places, chosen, strict=True):
            slots[place] = slot
    return trainable, slots


def evaluated_weights(rules, state, numbers, native: bool):
    """The weights that all lanes are evaluated with: those being trained, or the rules' own."""
    moving = [i for i, rule in enumerate(rules) if moves_to_evaluate(rule.optimizer)]
    if not moving:
        return state["trainable"]

    def lane(state, rule_pairs, which):
        trainable = state["trainable"]
        for i in moving:
            slots = [state["optimizer"][place] for place in rules[i].places]
            moved = evaluation_weights(rules[i], slots, state["trainable"], rule_pairs)
            keep = None if len(rules) == 1 else keras.ops.equal(which, i)
            trainable = _kept(keep, moved, trainable)
        return trainable

    return vectorize.over_lanes(lane, (state, numbers["rules"], numbers["which"]), native)


def learning_rates(rules, state, numbers, native: bool):
    """float32 of shape (lanes,): where the lanes' schedules stand; None where none has one."""
    scheduled = [i for i, rule in enumerate(rules) if rate_place(rule.optimizer) is None]
    if not scheduled:
        return None

    def lane(slots, rule_pairs, which):
        rate = keras.ops.zeros((), "float32")
        for i in scheduled:
            own = [slots[place] for place in rules[i].places]
            here = learning_rate(rules[i], own, rule_pairs)
            rate = here if len(rules) == 1 else keras.ops.where(which == i, here, rate)
        return rate

    arguments = (state["optimizer"], numbers["rules"], numbers["which"])
    return vectorize.over_lanes(lane, arguments, native)


def _kept(condition, new, old):
    if condition is None:
        return list(new)
    return [keras.ops.where(condition, n, o) for n, o in zip(new, old, strict=True)]
