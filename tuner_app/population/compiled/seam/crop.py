"""RandomCrop's slice, whose start differs by lane, as a gather."""

from keras import ops


def crop_images(original):
    """`RandomCrop.transform_images` for a start that is a tensor."""

    def transform_images(self, images, transformation, training=True):
        top, left = transformation
        if not training or isinstance(top, int):
            return original(self, images, transformation, training)
        images = ops.cast(images, self.compute_dtype)
        n = len(images.shape)
        rows, columns = (ops.arange(size, dtype="int32") for size in (self.height, self.width))
        images = ops.take(images, top + rows, axis=n + self.height_axis)
        return ops.take(images, left + columns, axis=n + self.width_axis)

    return transform_images
