"""Recurrences on TensorFlow: short ones unrolled, and never by a fused kernel.

A loop over time keeps its outputs in a TensorList, which has no XLA kernel once vectorized, and
no gradient where one recurrence feeds another. Unrolled it is a plain sequence of operations:
faster, but tracing and compiling grow with the length (7 s for 16 steps of an LSTM, 28 s for 50),
so a longer sequence keeps its loop and runs without XLA.
"""

import functools

import keras

LONGEST_UNROLLED = 24  # time steps


def unrolled(original):
    """`backend.rnn` that unrolls sequences of a known, short length."""

    @functools.wraps(original)
    def rnn(step_function, inputs, *arguments, unroll=False, time_major=False, **named):
        steps = keras.tree.flatten(inputs)[0].shape[0 if time_major else 1]
        short = steps is not None and steps <= LONGEST_UNROLLED
        return original(
            step_function,
            inputs,
            *arguments,
            unroll=unroll or short,
            time_major=time_major,
            **named,
        )

    return rnn


def no_fused_kernel(*_, **__):
    """In place of `backend.lstm` and `gru`, whose cuDNN kernels have no stacked form."""
    raise NotImplementedError  # Keras's way to say: use the loop


def has_long(model) -> bool:
    """Whether a recurrent layer of the model is known to keep its loop over time."""
    recurrent = (keras.layers.RNN, keras.layers.Bidirectional)
    for layer in model._flatten_layers():
        if isinstance(layer, recurrent) and layer._inbound_nodes:
            steps = keras.tree.flatten(layer.input)[0].shape[1]
            if steps is None or steps > LONGEST_UNROLLED:
                return True
    return False
