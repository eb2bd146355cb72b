"""Geometric image transforms on TensorFlow as a gather with interpolation.

`tf.raw_ops.ImageProjectiveTransformV3` has no vectorized form. What is computed here follows its
kernel (tensorflow/core/kernels/image/image_ops.h): the same coordinates, fill modes and rounding.
"""

import tensorflow as tf
from keras.backend import image_data_format

from tuner_app.population.compiled.seam.convolution import depthwise_conv
from tuner_app.population.errors import CannotStack


def affine_transform(
    images,
    transform,
    interpolation="bilinear",
    fill_mode="constant",
    fill_value=0,
    data_format=None,
):
    images, transform = tf.convert_to_tensor(images), tf.convert_to_tensor(transform)
    return on_batches(
        images,
        data_format,
        lambda x: _project(x, _rows(transform), interpolation, fill_mode, fill_value),
    )


def perspective_transform(
    images, start_points, end_points, interpolation="bilinear", fill_value=0, data_format=None
):
    from keras.src.backend.tensorflow.image import compute_homography_matrix

    start, end = (tf.cast(points, tf.float32) for points in (start_points, end_points))
    start, end = (p[None] if len(p.shape) == 2 else p for p in (start, end))
    transform = _rows(compute_homography_matrix(start, end))
    return on_batches(
        tf.convert_to_tensor(images),
        data_format,
        lambda x: _project(x, transform, interpolation, "constant", fill_value),
    )


def _rows(transform):
    transform = tf.cast(transform, tf.float32)
    return transform[None] if len(transform.shape) == 1 else transform


def on_batches(images, data_format, function):
    """`function` of images of shape (batch, height, width, channels)."""
    single = len(images.shape) == 3
    images = images[None] if single else images
    first = (data_format or image_data_format()) == "channels_first"
    images = tf.transpose(images, (0, 2, 3, 1)) if first else images
    images = function(images)
    images = tf.transpose(images, (0, 3, 1, 2)) if first else images
    return images[0] if single else images


def _project(images, transforms, interpolation, fill_mode, fill_value):
    """Each output pixel (x, y) is read at (a0 x + a1 y + a2, b0 x + b1 y + b2) / (c0 x + c1 y + 1).

    Args:
        images: (batch, height, width, channels), a static shape.
        transforms: float32 of shape (batch, 8), or (1, 8) for all.
    """
    _, height, width, _ = images.shape
    a0, a1, a2, b0, b1, b2, c0, c1 = (t[:, None, None] for t in tf.unstack(transforms, axis=1))
    x = tf.range(width, dtype=tf.float32)[None, None, :]
    y = tf.range(height, dtype=tf.float32)[None, :, None]
    depth = c0 * x + c1 * y + 1.0
    at_infinity = tf.equal(depth, 0.0)
    safe = tf.where(at_infinity, tf.ones_like(depth), depth)
    column = _folded((a0 * x + a1 * y + a2) / safe, width, fill_mode)
    row = _folded((b0 * x + b1 * y + b2) / safe, height, fill_mode)
    fill = tf.cast(fill_value, images.dtype)
    if interpolation == "nearest":
        value = _read(images, _round(row), _round(column), fill)
    else:
        value = _bilinear(images, row, column, fill)
    return tf.where(at_infinity[..., None], fill, value)


def _bilinear(images, row, column, fill):
    top, left = tf.floor(row), tf.floor(column)
    down, right = row - top, column - left

    def weigh(weight, r, c):
        return tf.cast(weight, images.dtype)[..., None] * _read(images, r, c, fill)

    upper = weigh(1 - right, top, left) + weigh(right, top, left + 1)
    lower = weigh(1 - right, top + 1, left) + weigh(right, top + 1, left + 1)
    return (
        tf.cast(1 - down, images.dtype)[..., None] * upper
        + tf.cast(down, images.dtype)[..., None] * lower
    )


def _round(x):
    """To the nearest whole number, halves away from zero (C's round, not TensorFlow's)."""
    return tf.sign(x) * tf.floor(tf.abs(x) + 0.5)


def _read(images, row, column, fill):
    """Pixels at whole (row, column), `fill` outside; row and column broadcast to (batch, H, W)."""
    batch, height, width, channels = images.shape
    row = tf.broadcast_to(row, (batch, height, width))
    column = tf.broadcast_to(column, (batch, height, width))
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    r = tf.cast(tf.clip_by_value(row, 0.0, height - 1.0), tf.int32)
    c = tf.cast(tf.clip_by_value(column, 0.0, width - 1.0), tf.int32)
    image = tf.range(batch, dtype=tf.int32)[:, None, None]
    place = (image * height + r) * width + c
    flat = tf.reshape(images, (batch * height * width, channels))
    pixels = tf.reshape(tf.gather(flat, tf.reshape(place, [-1])), images.shape)
    return tf.where(inside[..., None], pixels, fill)


def _folded(x, length, fill_mode):
    """Coordinates outside [0, length - 1] brought inside as the fill mode says."""
    if fill_mode == "constant":
        return x
    last = float(length - 1)
    if fill_mode == "nearest" or length <= 1:
        return tf.clip_by_value(x, 0.0, last)
    if fill_mode == "wrap":
        below = x + length * (_whole(-x / last) + 1)
        above = x - length * _whole(x / last)
    else:  # reflect: dcba|abcd|dcba
        period = 2.0 * length
        shifted = period * _whole(-x / period) + x
        below = tf.where(shifted < -length, shifted + period, -shifted - 1)
        wrapped = x - period * _whole(x / period)
        above = tf.where(wrapped >= length, period - wrapped - 1, wrapped)
    folded = tf.where(x < 0, below, tf.where(x > last, above, x))
    return tf.clip_by_value(folded, 0.0, last)


def _whole(x):
    """Towards zero, as a cast in C."""
    return tf.sign(x) * tf.floor(tf.abs(x))


def resize_as_products(original):
    """`tf.image.resize` as two matrix products: every method but "nearest" is linear along each
    axis, so its matrix is what it makes of the unit images. "nearest" is too, with zeros and ones.
    """

    def resize(images, size, method="bilinear", antialias=False, **named):
        images = tf.convert_to_tensor(images)
        kind = images.dtype
        n = len(images.shape)
        height, width = images.shape[n - 3], images.shape[n - 2]

        def matrix(old, new, axis):
            with tf.init_scope():
                shape = [new, old] if axis == 0 else [old, new]
                unit = tf.eye(old)[None, :, :, None]
                found = original(unit, shape, method=method, antialias=antialias, **named)
                found = tf.cast(found[0, :, :, 0], tf.float32).numpy()
            return found if axis == 0 else found.T

        rows, columns = matrix(height, int(size[0]), 0), matrix(width, int(size[1]), 1)
        images = tf.cast(images, tf.float32)
        images = tf.einsum("oh,...hwc->...owc", rows, images)
        images = tf.einsum("pw,...owc->...opc", columns, images)
        # Like the original: "nearest" keeps the dtype, the others give float32.
        return tf.cast(images, kind) if method == "nearest" else images

    return resize


def rgb_to_hsv(images, data_format=None):
    images = tf.convert_to_tensor(images)
    axis = -1 if (data_format or image_data_format()) == "channels_last" else -3
    r, g, b = tf.unstack(images, axis=axis)
    value = tf.maximum(tf.maximum(r, g), b)
    spread = value - tf.minimum(tf.minimum(r, g), b)
    sixth = tf.where(
        spread > 0, 1.0 / (6.0 * tf.where(spread > 0, spread, tf.ones_like(spread))), 0.0
    )
    hue = tf.where(
        tf.equal(r, value),
        (g - b) * sixth,
        tf.where(tf.equal(g, value), (b - r) * sixth + 2 / 6, (r - g) * sixth + 4 / 6),
    )
    hue = tf.where(spread > 0, tf.where(hue < 0, hue + 1, hue), tf.zeros_like(hue))
    saturation = tf.math.divide_no_nan(spread, tf.maximum(value, 0))
    return tf.stack([hue, saturation, value], axis=axis)


def hsv_to_rgb(images, data_format=None):
    images = tf.convert_to_tensor(images)
    axis = -1 if (data_format or image_data_format()) == "channels_last" else -3
    hue, saturation, value = tf.unstack(images, axis=axis)
    red = tf.clip_by_value(tf.abs(hue * 6 - 3) - 1, 0, 1)
    green = tf.clip_by_value(2 - tf.abs(hue * 6 - 2), 0, 1)
    blue = tf.clip_by_value(2 - tf.abs(hue * 6 - 4), 0, 1)
    dim = 1 - saturation
    return tf.stack([(dim + saturation * c) * value for c in (red, green, blue)], axis=axis)


def gaussian_blur(images, kernel_size=(3, 3), sigma=(1.0, 1.0), data_format=None):
    images = tf.convert_to_tensor(images)
    sigma = tf.cast(sigma, images.dtype)

    def profile(size, width):
        x = tf.range(size, dtype=images.dtype) - (size - 1) / 2
        weights = tf.exp(-0.5 * (x / width) ** 2)
        return weights / tf.reduce_sum(weights)

    width, height = (tf.get_static_value(n) if tf.is_tensor(n) else n for n in kernel_size)
    if width is None or height is None:
        raise CannotStack("the size of its blur is drawn at random")
    across, down = profile(int(width), sigma[0]), profile(int(height), sigma[1])
    size = (int(width), int(height), 1, 1)

    def blurred(x):
        # Reshaped, not transposed, as Keras does it.
        kernel = tf.reshape(tf.tensordot(down, across, axes=0), size)
        kernel = tf.tile(kernel, [1, 1, x.shape[-1], 1])
        return depthwise_conv(x, kernel, 1, "same", data_format="channels_last")

    return on_batches(images, data_format, blurred)
