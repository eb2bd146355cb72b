"""One training step of one trial as a pure function of its state: the program of one lane.

It follows `keras.Model.train_step` and `test_step` of the backend in use, with the model's
variables as arguments, so a lane computes what `fit` would. The state of a lane is a dict of
lists of tensors:

- "trainable", "non_trainable" (seed generators' states among them), in the model's order;
- "optimizer", in the order of `optimizer.variables`;
- "metrics", in the order of `model.metrics_variables`: this epoch's so far.
"""

from dataclasses import dataclass

import keras
from keras import StatelessScope, tree

from tuner_app.population import functional
from tuner_app.population.errors import CannotStack
from tuner_app.population.lane_scalar import Journal
from tuner_app.population.lift import lifted
from tuner_app.population.signature import Site


@dataclass(frozen=True)
class Program:
    """A template model and the places whose numbers come from the lane.

    Args:
        model: a compiled Keras model, all of whose parts are built; its own values are not used.
        sites: places of the lifted numbers in it.
        representative: their values in one lane, float64 of shape (n,).
        structure: nested (x, y, sample_weight) whose leaves are positions in a batch's `leaves`.
        journal: what Python asked of the numbers while tracing.
    """

    model: keras.Model
    sites: tuple[Site, ...]
    representative: object
    structure: tuple
    journal: Journal

    def train_step(self, state: dict, pairs, leaves: list) -> dict:
        """The state after one batch."""
        with lifted(self.sites, self.representative, pairs, self.journal):
            losses_and_state = _differentiate(self._forward, state, leaves)
            gradients, non_trainable, metrics = losses_and_state
            trainable, slots = functional.apply_gradients(
                self.model.optimizer, state["optimizer"], gradients, state["trainable"]
            )
        return {
            "trainable": trainable,
            "non_trainable": non_trainable,
            "optimizer": slots,
            "metrics": metrics,
        }

    def test_step(self, state: dict, metrics: list, pairs, leaves: list) -> list:
        """The metrics after one batch of evaluation."""
        with lifted(self.sites, self.representative, pairs, self.journal):
            _, (_, metrics) = self._forward(
                state["trainable"], {**state, "metrics": metrics}, leaves, training=False
            )
        return metrics

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
        known = [
            *zip(model.trainable_variables, trainable, strict=True),
            *zip(model.non_trainable_variables, state["non_trainable"], strict=True),
            *zip(model.metrics_variables, state["metrics"], strict=True),
            *zip(model.optimizer.variables, state["optimizer"], strict=True),
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
