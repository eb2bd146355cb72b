"""What the spaces here share: the data's spec, the optimizers on offer, the compilation."""

import keras
import keras_tuner

from search_spaces import hyperparameters
from tuner_app.errors import UserError

STEPS_WITHOUT_SIZE = 1000


class SearchSpace(keras_tuner.HyperModel):
    """A `HyperModel` that knows the data's spec. A subclass writes `outputs(hp, inputs)`.

    Args:
        spec: `tuner_app.data.DataSpec`.
        optimizers: Names from `tuner-app list optimizers`, at least one.
        steps: Training steps of a whole trial; None: 20 epochs of batches of 32.
        losses: Names from `tuner-app list losses`; () for the task's usual one.

    Raises:
        UserError: The space does not suit the data.
    """

    kinds = ("image", "tabular")
    model_class = keras.Model

    def __init__(self, spec, optimizers=("adam",), steps=None, losses=()):
        super().__init__(name=type(self).__module__.rpartition(".")[2].strip("_"))
        if spec.kind not in self.kinds:
            raise UserError(
                f"Space {self.name!r} is for {' and '.join(self.kinds)} data, but {spec.name!r} is "
                f"{spec.kind}. Choose another space: `tuner-app list spaces`."
            )
        self.spec = spec
        self.optimizers = tuple(optimizers)
        self.steps = steps or default_steps(spec)
        self.losses = tuple(losses)

    def outputs(self, hp, inputs):
        """Logits or predicted numbers, of shape (batch, `width`), from a batch of inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define outputs(hp, inputs).")

    def build(self, hp):
        inputs = keras.Input(self.spec.input_shape, dtype=self.spec.input_dtype, name="features")
        model = self.model_class(inputs, self.outputs(hp, inputs), name=self.name)
        optimizer = hyperparameters.optimizer(hp, self.optimizers, self.steps)
        if self.losses:
            loss = hyperparameters.loss(hp, self.losses, self.spec.task)
        else:
            loss = default_loss(self.spec)
        model.compile(optimizer, loss=loss, metrics=default_metrics(self.spec))
        return model

    def head(self, penalty):
        """The last layer; its numbers stay float32 under mixed precision, as losses need."""
        width = self.spec.num_classes if self.spec.task == "classification" else 1
        return keras.layers.Dense(
            width, kernel_regularizer=penalty, dtype="float32", name="predictions"
        )


def default_steps(spec):
    """Steps of 20 epochs of batches of 32, or 1000 where the number of examples is unknown."""
    examples = (spec.sizes or {}).get("train")
    return 20 * -(-examples // 32) if examples else STEPS_WITHOUT_SIZE


def default_loss(spec):
    """Cross-entropy from logits for classes, mean squared error for numbers."""
    if spec.task == "classification":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return keras.losses.MeanSquaredError()


def default_metrics(spec):
    """`accuracy` for classes, `mean_absolute_error` for numbers."""
    return ["accuracy"] if spec.task == "classification" else ["mean_absolute_error"]
