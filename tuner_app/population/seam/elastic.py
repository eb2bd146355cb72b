"""RandomElasticTransform's distortion on TensorFlow, for a strength that differs by lane.

Keras's draws from TensorFlow's own generator, blurs by a kernel whose size follows the strength,
and reads pixels one image and channel at a time. Here the blur is two matrix products, and all
pixels are read at once. What is computed is the same, but for the numbers that are drawn.
"""

import tensorflow as tf

from tuner_app.population.seam.image import on_batches
from tuner_app.population.seam.random import normal


def elastic_transform(
    images,
    alpha=20.0,
    sigma=5.0,
    interpolation="bilinear",
    fill_mode="reflect",
    fill_value=0.0,
    seed=None,
    data_format=None,
):
    """`elastic_transform` of Keras's backend, for 3 sigma less than the image's size."""
    images = tf.convert_to_tensor(images)
    alpha, sigma = (tf.cast(x, images.dtype) for x in (alpha, sigma))

    def moved(x):
        batch, (height, width) = x.shape[0] or tf.shape(x)[0], x.shape[1:3]
        # Keras draws both directions with one seed, so they are one.
        noise = sigma * normal((batch, height, width), dtype=x.dtype, seed=seed)
        across, down = _blurring(width, sigma), _blurring(height, sigma)
        shift = alpha * tf.matmul(tf.matmul(down, noise), across)
        rows = tf.range(height, dtype=x.dtype)[None, :, None] + shift
        columns = tf.range(width, dtype=x.dtype)[None, None, :] + shift
        fill = tf.cast(fill_value, x.dtype)
        sides = _nearest if interpolation == "nearest" else _neighbours
        value = 0.0
        for row, by_row in sides(rows):
            for column, by_column in sides(columns):
                pixels = _read(x, row, column, fill_mode, fill)
                value += (by_row * by_column)[..., None] * pixels
        return value

    return on_batches(images, data_format, moved)


def _blurring(n, sigma):
    """(n, n), symmetric: a row of pixels times it is blurred, zeros being outside."""
    reach = 3.0 * tf.floor(sigma)

    def weights(distance):
        return tf.where(distance <= reach, tf.exp(-0.5 * (distance / sigma) ** 2), 0.0)

    place = tf.range(n, dtype=sigma.dtype)
    whole = tf.reduce_sum(weights(tf.abs(tf.range(1 - n, n, dtype=sigma.dtype))))
    return weights(tf.abs(place[:, None] - place[None])) / whole


def _nearest(x):
    return [(tf.cast(tf.round(x), tf.int32), tf.ones_like(x))]


def _neighbours(x):
    lower = tf.floor(x)
    index = tf.cast(lower, tf.int32)
    return [(index, 1 - (x - lower)), (index + 1, x - lower)]


def _read(images, row, column, fill_mode, fill):
    """Pixels at whole (row, column), int32 of shape (batch, height, width)."""
    height, width, channels = images.shape[1:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    r, c = _folded(row, height, fill_mode), _folded(column, width, fill_mode)
    image = tf.range(tf.shape(row)[0], dtype=tf.int32)[:, None, None]
    pixels = tf.gather(tf.reshape(images, (-1, channels)), (image * height + r) * width + c)
    return tf.where(inside[..., None], pixels, fill) if fill_mode == "constant" else pixels


def _folded(index, n, fill_mode):
    if fill_mode in ("constant", "nearest"):
        return tf.clip_by_value(index, 0, n - 1)
    if fill_mode == "wrap":
        return tf.math.floormod(index, n)
    along = tf.math.floormod(tf.abs(index), 2 * n)
    # Of a "mirror" Keras takes 2 n - along, which may be outside; then so is this.
    back = 2 * n - along - (1 if fill_mode == "reflect" else 0)
    return tf.where(along < n, along, back)
