"""Images read at fractional positions, by plain gathers, so that it stacks on every backend."""

from keras import ops


def sample(images, rows, columns):
    """Each image read at its own positions, bilinearly; outside it the nearest edge pixel counts.

    Args:
        images: (n, height, width, channels), floating point. Only n may be unknown while tracing.
        rows: (n, height', width') float32, 0 at the top pixel's centre.
        columns: The same shape, 0 at the left pixel's centre.

    Returns:
        (n, height', width', channels) in the images' dtype. Whole-number positions inside the image
        give back its pixels exactly.

    >>> from keras import ops
    >>> image = ops.reshape(ops.array([[0.0, 1.0], [2.0, 3.0]]), (1, 2, 2, 1))
    >>> float(sample(image, ops.full((1, 1, 1), 0.5), ops.full((1, 1, 1), 1.0))[0, 0, 0, 0])
    2.0
    """
    count = ops.shape(images)[0]
    height, width, channels = images.shape[1:]
    rows = ops.clip(rows, 0.0, height - 1.0)
    columns = ops.clip(columns, 0.0, width - 1.0)
    top, left = ops.floor(rows), ops.floor(columns)
    bottom, right = ops.minimum(top + 1.0, height - 1.0), ops.minimum(left + 1.0, width - 1.0)
    down = ops.cast((rows - top)[..., None], images.dtype)
    across = ops.cast((columns - left)[..., None], images.dtype)

    pixels = ops.reshape(images, (-1, channels))
    first = ops.reshape(ops.arange(count, dtype="int32") * (height * width), (-1, 1, 1))

    def at(row, column):
        return ops.take(pixels, first + ops.cast(row * width + column, "int32"), axis=0)

    upper = (1 - across) * at(top, left) + across * at(top, right)
    lower = (1 - across) * at(bottom, left) + across * at(bottom, right)
    return (1 - down) * upper + down * lower


def grid(height, width):
    """The positions of an image's own pixels: rows (1, height, 1) and columns (1, 1, width)."""
    rows = ops.reshape(ops.arange(height, dtype="float32"), (1, height, 1))
    columns = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, width))
    return rows, columns
