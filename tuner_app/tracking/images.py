"""A sheet of the validation images that the best trial gets wrong, for TensorBoard's Images tab."""

import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tensorboard.compat.proto import summary_pb2
from tensorboard.plugins.image import metadata
from tensorboard.util import tensor_util

from tuner_app.results.class_outputs import log_probabilities
from tuner_app.tracking.event_file import EventFile
from tuner_app.tracking.tensorboard import FOLDER

RUN = "best_trial"
TAG = "misclassified"
SIDE = 72  # pixels of an image on the sheet
LINE = 14  # pixels of a line of text
GAP = 6
BACKGROUND, TRUE, PREDICTED = (32, 33, 36), (129, 201, 149), (242, 139, 130)


def write_misclassified(project, trial_id, model, spec, split, most=48):
    """Writes the sheet for a trained model; it replaces the one of an earlier best trial.

    Args:
        project: The project directory.
        trial_id: Whose model it is.
        model: A Keras model from features to logits or probabilities.
        spec: The data's `DataSpec`; for other data than images with classes nothing is written.
        split: The validation `Split`.
        most: The most images on the sheet.

    Returns:
        How many examples of the split are wrong; None where there is no sheet for such data.
    """
    if spec.kind != "image" or spec.task != "classification":
        return None
    count, wrong = misclassified(model, split, most)
    summaries = []
    if wrong:
        picture = sheet(*zip(*wrong, strict=True), spec.class_names)
        text = (
            f"Trial {trial_id}: {count} validation examples wrong, the surest mistakes first. "
            "Green: the true class. Red: the predicted one."
        )
        summaries = [image_summary(TAG, picture, text)]
    EventFile(Path(project) / FOLDER / RUN).write(summaries, step=0)
    return count


def misclassified(model, split, most):
    """How many examples are wrong, and the `most` surest: (image, true label, predicted label)."""
    count, kept = 0, []
    for images, labels in split.batches(256).as_numpy_iterator():  # JAX takes no tensors of tf.data
        logs = log_probabilities(model.predict_on_batch(images), getattr(model, "loss", None))
        predicted = logs.argmax(axis=1)
        rows = np.arange(len(labels))
        # By how much the wrong class's logit beats the true one's.
        surplus = logs[rows, predicted] - logs[rows, labels]
        wrong = np.flatnonzero(predicted != labels)
        count += len(wrong)
        kept += [(surplus[i], images[i], int(labels[i]), int(predicted[i])) for i in wrong]
        kept = sorted(kept, key=lambda item: -item[0])[:most]
    return count, [item[1:] for item in kept]


def sheet(images, labels, predicted, class_names):
    """One picture of all images, each with its true and its predicted class below.

    Args:
        images: Arrays (height, width, channels) of any range; one channel is grey, of other numbers
            than 3 the first is shown. All are scaled by the sheet's smallest and largest value.
        labels, predicted: Integers, as many as images.
        class_names: Names by label.

    Returns:
        uint8 array (height, width, 3).

    >>> sheet([np.zeros((8, 8, 1))] * 3, [0, 0, 1], [1, 1, 0], ("cat", "dog")).shape
    (224, 162, 3)
    """
    columns = math.ceil(math.sqrt(len(images)))
    rows = math.ceil(len(images) / columns)
    width, height = SIDE + GAP, SIDE + 2 * LINE + 2 * GAP
    picture = Image.new("RGB", (columns * width + GAP, rows * height), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(LINE - 2)
    low, high = min(image.min() for image in images), max(image.max() for image in images)
    for place, (image, label, prediction) in enumerate(zip(images, labels, predicted, strict=True)):
        left = GAP + place % columns * width
        top = GAP + place // columns * height
        tile = Image.fromarray(pixels(image, low, high))
        # Nearest: the pixels of a small image are to be seen as they are.
        scale = Image.Resampling.NEAREST if max(tile.size) < SIDE else Image.Resampling.BILINEAR
        picture.paste(tile.resize((SIDE, SIDE), scale), (left, top))
        for line, index, colour in ((0, label, TRUE), (1, prediction, PREDICTED)):
            name = fitted(str(class_names[index]), font)
            draw.text((left, top + SIDE + line * LINE), name, colour, font)
    return np.asarray(picture)


def pixels(image, low, high):
    """An image as uint8 (height, width, 3)."""
    if image.shape[-1] != 3:
        image = np.repeat(image[..., :1], 3, axis=-1)
    scaled = (image.astype("float64") - low) / max(high - low, 1e-12)
    return np.round(255 * scaled).astype("uint8")


def fitted(name, font):
    """As much of a name as fits below its image."""
    while font.getlength(name) > SIDE:
        name = name[:-2] + "…"
    return name


def image_summary(tag, picture, description):
    """TensorBoard's summary of a uint8 picture (height, width, 3), with text in Markdown."""
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, "PNG", optimize=True)
    height, width = picture.shape[:2]
    parts = [str(width).encode(), str(height).encode(), encoded.getvalue()]
    return summary_pb2.Summary(
        value=[
            summary_pb2.Summary.Value(
                tag=tag,
                tensor=tensor_util.make_tensor_proto(np.array(parts, dtype=object)),
                metadata=metadata.create_summary_metadata(None, description),
            )
        ]
    )
