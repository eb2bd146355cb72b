"""The windows of a convolution or a pooling: one slice of the inputs for each position in them."""

import itertools
import math

from keras import ops
from keras.backend import image_data_format


def each(value, n) -> list[int]:
    """`value` for each of n axes."""
    return [int(value)] * n if isinstance(value, int) else [int(v) for v in value]


def on_channels_last(function, inputs, data_format):
    """`function(x)` on channels-last data, whatever `data_format` says."""
    inputs = ops.convert_to_tensor(inputs)
    n = len(inputs.shape)
    if (data_format or image_data_format()) == "channels_last":
        return function(inputs)
    outputs = function(ops.transpose(inputs, (0, *range(2, n), 1)))
    return ops.transpose(outputs, (0, n - 1, *range(1, n - 1)))


def taps(x, size, strides, padding, dilation, fill=0.0):
    """For each position of a window, in row-major order, the inputs there, and the output's shape.

    x is padded with `fill` as TensorFlow does for "same" or "valid".
    """
    x, out = _padded(x, size, strides, padding, dilation, fill)
    found = []
    for position in itertools.product(*(range(k) for k in size)):
        spans = [
            slice(p * d, p * d + (o - 1) * s + 1, s)
            for p, d, o, s in zip(position, dilation, out, strides, strict=True)
        ]
        found.append(x[(slice(None), *spans, slice(None))])
    return found, out


def _padded(x, size, strides, padding, dilation, fill):
    """x padded, and the output's spatial shape."""
    lengths = x.shape[1:-1]
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    if padding == "valid":
        out = [(n - r) // s + 1 for n, r, s in zip(lengths, reach, strides, strict=True)]
        if min(out) < 1:
            raise ValueError(f"a window that reaches {reach} does not fit into {tuple(lengths)}")
        return x, out
    out = [math.ceil(n / s) for n, s in zip(lengths, strides, strict=True)]
    pads = [[0, 0]]
    for n, o, r, s in zip(lengths, out, reach, strides, strict=True):
        total = max((o - 1) * s + r - n, 0)
        pads.append([total // 2, total - total // 2])
    return ops.pad(x, [*pads, [0, 0]], constant_values=fill), out
