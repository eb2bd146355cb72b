"""One training step of one trial as a pure function of its state: the program of one lane.

It follows `keras.Model.train_step` and `test_step` of the backend in use, with the model's
variables as arguments, so a lane computes what `fit` would. The state of a lane is a dict of
lists of tensors:

- "trainable", "non_trainable" (seed generators' states among them), in the model's order;
- "optimizer", the slots: those of the lane's rule where its `places` say;
- "metrics", in the order of `model.metrics_variables`: this epoch's so far.
"""

from dataclasses import dataclass

import keras
from keras import StatelessScope, tree

from tuner_app.population.backend import sharing
from tuner_app.population.errors import CannotStack
from tuner_app.population.models import functional
from tuner_app.population.signatures.lift import lifted
from tuner_app.population.signatures.lifting import Lifting


@dataclass(frozen=True)
class Program:
    """The template model of a stack, as functions of one lane.

    Args:
        model: a compiled Keras model, all of whose parts are built; its own values are not used.
        lifting: its lifted numbers; `pairs` below are a lane's values of them.
        structure: nested (x, y, sample_weight) whose leaves are positions in a batch's `leaves`.
    """

    model: keras.Model
    lifting: Lifting
    structure: tuple

    def gradients(self, state: dict, pairs, leaves: list):
        """(state, gradients) after one batch's forward and backward pass; None: no gradient."""
        with self.lifted(pairs):
            return _differentiate(self, state, leaves)

    def test_step(self, state: dict, metrics: list, pairs, leaves: list) -> list:
        """The metrics after one batch of evaluation."""
        with self.lifted(pairs):
            _, (_, metrics) = self._forward(
                state["trainable"], {**state, "metrics": metrics}, leaves, training=False
            )
        return metrics

    def lifted(self, pairs):
        """While open, the model's lifted numbers are a lane's."""
        lifting = self.lifting
        return lifted(lifting.sites, lifting.representative, pairs, lifting.journal)

    def results(self, metrics: list) -> dict:
        """The epoch's logs (name to scalar tensor) from the metrics' variables."""
        with StatelessScope(
            state_mapping=list(zip(self.model.metrics_variables, metrics, strict=True))
        ):
            return self.model.get_metrics_result()

    def _unpacked(self, leaves):
        return tree.map_structure(lambda i: None if i is None else leaves[i], self.structure)

    def _forward(self, trainable, state, leaves, training=True, scope_of=StatelessScope):
        """(loss to differentiate, (non-trainable values, metric values)) of one batch.

        Args:
            scope_of: makes the scope in which the model is called.
        """
        model = self.model
        x, y, sample_weight = self._unpacked(leaves)
        # Only an optimizer that scales the loss is asked for anything here.
        scaled = model.optimizer.variables if _scales_loss(model.optimizer) else []
        known = [
            *zip(model.trainable_variables, trainable, strict=True),
            *zip(model.non_trainable_variables, state["non_trainable"], strict=True),
            *zip(model.metrics_variables, state["metrics"], strict=True),
            *zip(scaled, state["optimizer"], strict=False),
        ]
        with sharing.apart(), scope_of(state_mapping=known, collect_losses=True) as scope:
            if model._call_has_training_arg:
                y_pred = model(x, training=training)
            else:
                y_pred = model(x)
            loss = model._compute_loss(
                x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training
            )
            batch = next(a for a in tree.flatten(x) if a is not None).shape[0]
            model._loss_tracker.update_state(loss, sample_weight=batch)
            if type(model).compute_metrics is not keras.Model.compute_metrics:
                model.compute_metrics(x, y, y_pred, sample_weight)
            elif model._compile_metrics is not None:
                model._compile_metrics.update_state(y, y_pred, sample_weight)
            if training:
                loss = model.optimizer.scale_loss(loss)
        _refuse_hidden_state(scope, known)
        new = {id(v): scope.get_current_value(v) for v, _ in known}
        non_trainable = [new[id(v)] for v in model.non_trainable_variables]
        return loss, (non_trainable, [new[id(v)] for v in model.metrics_variables])


def apply_rule(rule, slots: list, gradients: list, weights: list, pairs):
    """(weights, slots) after one update of one lane by `rule`'s optimizer."""
    lifting = rule.lifting
    with lifted(lifting.sites, lifting.representative, pairs, lifting.journal):
        return functional.apply_gradients(rule.optimizer, slots, gradients, weights)


def moves_to_evaluate(optimizer) -> bool:
    """Whether a rule of ours says to evaluate its model at another point than it trains."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return getattr(getattr(inner, "rule", None), "eval_param", None) is not None


def evaluation_weights(rule, slots: list, weights: list, pairs) -> list:
    """One lane's weights at the point where `rule`'s optimizer has its model evaluated."""
    lifting, optimizer = rule.lifting, rule.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = [
        *zip(inner._trainable_variables, weights, strict=True),
        *zip(optimizer.variables, slots, strict=True),
    ]
    with (
        lifted(lifting.sites, lifting.representative, pairs, lifting.journal),
        StatelessScope(state_mapping=known),
    ):
        return [inner.eval_param(variable) for variable in inner._trainable_variables]


def learning_rate(rule, slots: list, pairs):
    """One lane's learning rate at its present step, by `rule`'s optimizer."""
    lifting, optimizer = rule.lifting, rule.optimizer
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    known = list(zip(optimizer.variables, slots, strict=True))
    with (
        lifted(lifting.sites, lifting.representative, pairs, lifting.journal),
        StatelessScope(state_mapping=known),
    ):
        rate = keras.ops.convert_to_tensor(inner._get_current_learning_rate())
    return keras.ops.cast(rate, "float32")


def _scales_loss(optimizer) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _refuse_hidden_state(scope, known):
    """Raises CannotStack if the step changed a variable that is not part of the lane's state."""
    hidden = set(scope.state_mapping) - {id(v) for v, _ in known}
    if not hidden:
        return
    if id(keras.src.random.seed_generator.global_seed_generator().state) in hidden:
        raise CannotStack("it draws random numbers without a SeedGenerator of its own")
    raise CannotStack("it changes a variable that no layer, metric or optimizer owns")


class _Assigning(StatelessScope):
    """A scope in which an assignment to a trainable variable does what it does to `tf.Variable`.

    It counts, and no gradient passes through it: that of the variable is the sum of those of all
    that it has held. On JAX it is as if the variable were a tensor, and what it held last is lost.

    Args:
        tape: a `tf.GradientTape` that is recording.
        trainable: the variables; state_mapping: as in StatelessScope, theirs first.
    """

    def __init__(self, tape, trainable, state_mapping, **keywords):
        super().__init__(state_mapping=state_mapping, **keywords)
        self._tape, self._trainable = tape, trainable
        self.held = {id(v): [self.get_current_value(v)] for v in trainable}

    def add_update(self, update):
        variable, value = update
        if id(variable) in self.held:
            import tensorflow as tf

            value = tf.stop_gradient(value)
            self._tape.watch(value)
            self.held[id(variable)].append(value)
        super().add_update((variable, value))

    def trainable(self) -> list:
        """The variables' last values."""
        for variable in self._trainable:
            if self.get_current_value(variable) is not self.held[id(variable)][-1]:
                raise CannotStack(f"it assigns {variable.path} on a condition")
        return [self.held[id(variable)][-1] for variable in self._trainable]

    def gradients(self, loss) -> list:
        """Of the loss, by each variable; None where it does not depend on it."""
        import tensorflow as tf

        found = self._tape.gradient(loss, list(self.held.values()))
        dense = [[tf.convert_to_tensor(g) for g in of_one if g is not None] for of_one in found]
        return [tf.add_n(of_one) if of_one else None for of_one in dense]


def _differentiate(program, state, leaves):
    """(state, gradients) after one batch's forward and backward pass."""
    trainable = state["trainable"]
    if keras.backend.backend() == "jax":
        import jax

        gradients, (non_trainable, metrics) = jax.grad(program._forward, has_aux=True)(
            trainable, state, leaves
        )
    else:
        import tensorflow as tf

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(trainable)
            scopes = []

            def scope_of(**keywords):
                scopes.append(_Assigning(tape, program.model.trainable_variables, **keywords))
                return scopes[-1]

            loss, (non_trainable, metrics) = program._forward(
                trainable, state, leaves, scope_of=scope_of
            )
        trainable, gradients = scopes[0].trainable(), scopes[0].gradients(loss)
    state = {**state, "trainable": trainable, "non_trainable": non_trainable, "metrics": metrics}
    return state, gradients
