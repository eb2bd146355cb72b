"""Convolutions as matrix products of patches, which have a stacked form on both backends.

A convolution whose kernel differs by lane is a grouped convolution: TensorFlow has no vectorized
form for it, and XLA's on the CPU is several times slower than patches times a matrix (one kernel
tap at a time, as slices). Each function has the signature of the one it replaces in
`keras.src.backend.<backend>.nn`; channels come last inside.
"""

import math

from keras import ops
from keras.src.backend.common.backend_utils import compute_conv_transpose_output_shape

from tuner_app.population.compiled.seam import windows


def _convolve(inputs, kernel, strides=1, padding="valid", dilation_rate=1):
    size, (channels, filters) = kernel.shape[:-2], kernel.shape[-2:]
    n = len(size)
    strides, dilation = windows.each(strides, n), windows.each(dilation_rate or 1, n)
    taps, out = windows.taps(inputs, size, strides, padding.lower(), dilation)
    groups = inputs.shape[-1] // channels
    batch = inputs.shape[0]
    rows = batch * math.prod(out)
    if groups == 1:
        # A plain matrix product: rows of patches times the kernel as a matrix.
        patches = ops.reshape(ops.concatenate(taps, -1), (rows, len(taps) * channels))
        outputs = ops.matmul(patches, ops.reshape(kernel, (len(taps) * channels, filters)))
        return ops.reshape(outputs, (batch, *out, filters))
    patches = ops.reshape(ops.stack(taps, -2), (rows, len(taps), groups, channels))
    patches = ops.reshape(
        ops.transpose(patches, (2, 0, 1, 3)), (groups, rows, len(taps) * channels)
    )
    matrix = ops.reshape(kernel, (len(taps) * channels, groups, filters // groups))
    outputs = ops.matmul(patches, ops.transpose(matrix, (1, 0, 2)))
    return ops.reshape(ops.transpose(outputs, (1, 0, 2)), (batch, *out, filters))


def _depthwise(inputs, kernel, strides=1, padding="valid", dilation_rate=1):
    size, (channels, multiplier) = kernel.shape[:-2], kernel.shape[-2:]
    n = len(size)
    strides, dilation = windows.each(strides, n), windows.each(dilation_rate or 1, n)
    taps, out = windows.taps(inputs, size, strides, padding.lower(), dilation)
    flat = ops.reshape(kernel, (len(taps), channels, multiplier))
    outputs = sum(ops.expand_dims(tap, -1) * flat[i] for i, tap in enumerate(taps))
    return ops.reshape(outputs, (inputs.shape[0], *out, channels * multiplier))


def _transposed(inputs, kernel, strides=1, padding="valid", output_padding=None, dilation_rate=1):
    """Zeros between the inputs, then a convolution with the kernel turned around."""
    size, filters = kernel.shape[:-2], kernel.shape[-2]
    n = len(size)
    strides, dilation = windows.each(strides, n), windows.each(dilation_rate or 1, n)
    target = compute_conv_transpose_output_shape(
        inputs.shape, size, filters, strides, padding, output_padding, "channels_last", dilation
    )[1:-1]
    x, pads = inputs, []
    for axis, s in enumerate(strides, start=1):
        x = _spread(x, axis, s)
    for k, d in zip(size, dilation, strict=True):
        pads.append([(k - 1) * d] * 2)
    x = ops.pad(x, [[0, 0], *pads, [0, 0]])
    axes = tuple(range(n))
    turned = ops.transpose(ops.flip(kernel, axes), (*axes, n + 1, n))
    full = _convolve(x, turned, 1, "valid", dilation)
    return _fitted(full, inputs.shape[1:-1], target, size, strides, dilation, padding)


def _spread(x, axis, stride):
    """x with stride - 1 zeros between neighbours along one axis."""
    if stride == 1:
        return x
    shape = list(x.shape)
    spaced = ops.stack([x, *[ops.zeros_like(x)] * (stride - 1)], axis + 1)
    merged = ops.reshape(spaced, (*shape[:axis], shape[axis] * stride, *shape[axis + 1 :]))
    keep = (shape[axis] - 1) * stride + 1
    return merged[(slice(None),) * axis + (slice(0, keep),)]


def _fitted(full, inputs, target, size, strides, dilation, padding):
    """`full` cut, or filled with zeros at its end, to what TensorFlow gives for `padding`."""
    spans, pads = [slice(None)], [[0, 0]]
    for n, t, k, s, d, f in zip(
        inputs, target, size, strides, dilation, full.shape[1:-1], strict=True
    ):
        cut = 0
        if padding.lower() == "same":
            cut = max((n - 1) * s + (k - 1) * d + 1 - t, 0) // 2
        spans.append(slice(cut, min(cut + t, f)))
        pads.append([0, max(cut + t - f, 0)])
    return ops.pad(full[tuple(spans)], [*pads, [0, 0]])


def conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    return windows.on_channels_last(
        lambda x: _convolve(x, kernel, strides, padding, dilation_rate), inputs, data_format
    )


def depthwise_conv(inputs, kernel, strides=1, padding="valid", data_format=None, dilation_rate=1):
    return windows.on_channels_last(
        lambda x: _depthwise(x, kernel, strides, padding, dilation_rate), inputs, data_format
    )


def separable_conv(
    inputs,
    depthwise_kernel,
    pointwise_kernel,
    strides=1,
    padding="valid",
    data_format=None,
    dilation_rate=1,
):
    def both(x):
        x = _depthwise(x, depthwise_kernel, strides, padding, dilation_rate)
        return _convolve(x, pointwise_kernel)

    return windows.on_channels_last(both, inputs, data_format)


def conv_transpose(
    inputs,
    kernel,
    strides=1,
    padding="valid",
    output_padding=None,
    data_format=None,
    dilation_rate=1,
):
    return windows.on_channels_last(
        lambda x: _transposed(x, kernel, strides, padding, output_padding, dilation_rate),
        inputs,
        data_format,
    )
