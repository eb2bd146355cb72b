"""RandomElasticTransform's distortion, for a strength that differs by lane.

Keras's draws from the backend's own generator, blurs by a kernel whose size follows the strength,
and reads pixels one image and channel at a time. Here the blur is two matrix products, and all
pixels are read at once. What is computed is the same, but for the numbers that are drawn.
"""

import keras
from keras import ops

from tuner_app.population.compiled.seam import windows

if keras.backend.backend() == "jax":
    from tuner_app.population.compiled.seam.random_on_jax import normal
else:
    from tuner_app.population.compiled.seam.random import normal


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
    images = ops.convert_to_tensor(images)
    kind = images.dtype
    alpha, sigma = (ops.cast(ops.convert_to_tensor(x), kind) for x in (alpha, sigma))

    def moved(x):
        batch, height, width = ops.shape(x)[:3]
        # Keras draws both directions with one seed, so they are one.
        noise = sigma * normal((batch, height, width), dtype=kind, seed=seed)
        across, down = _blurring(width, sigma), _blurring(height, sigma)
        shift = alpha * ops.matmul(ops.matmul(down, noise), across)
        rows = ops.arange(height, dtype=kind)[None, :, None] + shift
        columns = ops.arange(width, dtype=kind)[None, None, :] + shift
        fill = ops.cast(fill_value, kind)
        sides = _nearest if interpolation == "nearest" else _neighbours
        value = 0.0
        for row, by_row in sides(rows):
            for column, by_column in sides(columns):
                pixels = _read(x, row, column, fill_mode, fill)
                value += (by_row * by_column)[..., None] * pixels
        return value

    single = len(images.shape) == 3
    images = ops.expand_dims(images, 0) if single else images
    images = windows.on_channels_last(moved, images, data_format)
    return images[0] if single else images


def _blurring(n, sigma):
    """(n, n), symmetric: a row of pixels times it is blurred, zeros being outside."""
    reach = 3.0 * ops.floor(sigma)

    def weights(distance):
        return ops.where(distance <= reach, ops.exp(-0.5 * (distance / sigma) ** 2), 0.0)

    place = ops.arange(n, dtype=sigma.dtype)
    whole = ops.sum(weights(ops.abs(ops.arange(1 - n, n, dtype=sigma.dtype))))
    return weights(ops.abs(place[:, None] - place[None])) / whole


def _nearest(x):
    return [(ops.cast(ops.round(x), "int32"), ops.ones_like(x))]


def _neighbours(x):
    lower = ops.floor(x)
    index = ops.cast(lower, "int32")
    return [(index, 1 - (x - lower)), (index + 1, x - lower)]


def _read(images, row, column, fill_mode, fill):
    """Pixels at whole (row, column), int32 of shape (batch, height, width)."""
    height, width, channels = images.shape[1:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    r, c = _folded(row, height, fill_mode), _folded(column, width, fill_mode)
    image = ops.arange(ops.shape(row)[0], dtype="int32")[:, None, None]
    place = (image * height + r) * width + c
    pixels = ops.take(ops.reshape(images, (-1, channels)), place, axis=0)
    return ops.where(inside[..., None], pixels, fill) if fill_mode == "constant" else pixels


def _folded(index, n, fill_mode):
    if fill_mode in ("constant", "nearest"):
        return ops.clip(index, 0, n - 1)
    if fill_mode == "wrap":
        return ops.mod(index, n)
    along = ops.mod(ops.abs(index), 2 * n)
    # Of a "mirror" Keras takes 2 n - along, which may be outside; then so is this.
    back = 2 * n - along - (1 if fill_mode == "reflect" else 0)
    return ops.where(along < n, along, back)
