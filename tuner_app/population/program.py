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

from tuner_app.population import functional
from tuner_app.population.errors import CannotStack
from tuner_app.population.lift import lifted
from tuner_app.population.lifting import Lifting


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
        """(gradients, non-trainable values, metric values) after one batch; None: no gradient."""
        with self.lifted(pairs):
            return _differentiate(self._forward, state, leaves)

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

    def _forward(self, trainable, state, leaves, training=True):
        """(loss to differentiate, (non-trainable values, metric values)) of one batch."""
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
        with StatelessScope(state_mapping=known, collect_losses=True) as scope:
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
        if keras.backend.backend() == "tensorflow":
            # There the assignment would count, and the gradient would not pass through it.
            for variable, value in zip(model.trainable_variables, trainable, strict=True):
                if scope.get_current_value(variable) is not value:
                    raise CannotStack(f"it assigns {variable.path} while it runs forward")
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


def _differentiate(forward, state, leaves):
    """(gradients, non-trainable values, metric values) of `forward` at the lane's weights."""
    if keras.backend.backend() == "jax":
        import jax

        gradients, (non_trainable, metrics) = jax.grad(forward, has_aux=True)(
            state["trainable"], state, leaves
        )
        return gradients, non_trainable, metrics
    import tensorflow as tf

    trainable = state["trainable"]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(trainable)
        loss, (non_trainable, metrics) = forward(trainable, state, leaves)
    gradients = tape.gradient(loss, trainable)
    dense = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
    return dense, non_trainable, metrics
