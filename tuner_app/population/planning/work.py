"""What a step of a model takes, by its shapes: multiplications, memory, layers."""

import math

import keras

from tuner_app.population.data.held_out import MOST_ROWS

FORWARD_AND_BACKWARD = 3.0  # a backward pass multiplies twice as often as a forward one


def multiplications(model, batch_size: int) -> float:
    """A training step's multiplications, forward and twice backward, by the kernels' shapes.

    Sums of products only: what is done to single elements is left out.
    """
    return FORWARD_AND_BACKWARD * batch_size * max(_forward(model), 1.0)


def _forward(model) -> float:
    """Multiplications of one example's forward pass."""
    total = 0.0
    for layer in _called(model):
        kernels = [w for w in _kernels(layer) if len(w.shape) > 1]
        if not kernels:
            continue
        output = keras.tree.flatten(layer.output)[0].shape[1:]
        positions = math.prod(d or 1 for d in output) / (output[-1] or 1)
        if _is_recurrent(layer):
            positions = keras.tree.flatten(layer.input)[0].shape[1] or 1
        total += positions * sum(math.prod(w.shape) for w in kernels)
    return total


def _called(model) -> list:
    """The layers that the model's graph calls, those of models inside it among them."""
    layers = model._flatten_layers(include_self=False)
    return [one for one in layers if one._inbound_nodes and not isinstance(one, keras.Model)]


def _kernels(layer) -> list:
    """Weights that a layer multiplies with, its parts' included (attention, a bidirectional)."""
    parts = [part for part in layer._flatten_layers() if part is layer or not part._inbound_nodes]
    owners = [part for part in parts if not isinstance(part, keras.layers.Embedding)]
    return [weight for part in owners for weight in part._trainable_variables]


def _is_recurrent(layer) -> bool:
    return any(
        isinstance(part, (keras.layers.RNN, keras.layers.TimeDistributed))
        for part in layer._flatten_layers()
    )


def has_convolutions(model) -> bool:
    return any(getattr(layer, "kernel_size", None) for layer in model._flatten_layers())


def weighted_layers(model) -> int:
    """How many layers have weights to train: each is some operations to start, or to compile."""
    return max(1, sum(bool(layer._trainable_variables) for layer in model._flatten_layers()))


def weights(model) -> int:
    """How many numbers are trained."""
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


def activations(model, batch_size: int) -> int:
    """The numbers that a step's forward pass hands from layer to layer."""
    return batch_size * sum(_output_size(layer) for layer in _called(model))


def _output_size(layer) -> int:
    return math.prod(d or 1 for d in keras.tree.flatten(layer.output)[0].shape[1:])


def _kept_by_steps(layer) -> int:
    """The numbers that a recurrence keeps of one example for the way back: each step's gates, which
    are as many as its kernels have columns, before and after their activation."""
    steps = keras.tree.flatten(layer.input)[0].shape[1] or 1
    columns = sum(w.shape[-1] for w in _kernels(layer) if len(w.shape) > 1)
    return steps * columns


def lane_bytes(model, batch_size: int, held_out: int = 0) -> float:
    """Bytes of one lane: its state, old and new, gradients, and activations with their patches.

    Args:
        held_out: how many examples each epoch is evaluated on: many at once, each layer's input
            being let go of when its output is there.
    """
    weights = sum(math.prod(v.shape) for v in model.variables)
    slots = 2 * sum(math.prod(v.shape) for v in model.trainable_variables)
    outputs = patches = largest = 0
    for layer in model._flatten_layers():
        if not layer._inbound_nodes:
            continue
        output = math.prod(d or 1 for d in keras.tree.flatten(layer.output)[0].shape[1:])
        if _is_recurrent(layer):
            output = max(output, _kept_by_steps(layer))
        outputs += output
        kernel = getattr(layer, "kernel_size", None)
        inputs = keras.tree.flatten(layer.input)
        taken = sum(math.prod(d or 1 for d in one.shape[1:]) for one in inputs)
        if kernel:  # a convolution is a product with patches of its input
            taken *= math.prod(kernel)
            patches += taken
        largest = max(largest, taken + output)
    training = batch_size * (2 * outputs + 2 * patches)
    evaluating = min(held_out, MOST_ROWS) * largest
    return 4.0 * (3 * weights + 2 * slots + max(training, evaluating))
