"""The embedded TFDS builder: scikit-learn's handwritten digits, 1,797 images of 8 by 8."""

import tensorflow_datasets as tfds


class Digits(tfds.core.GeneratorBasedBuilder):
    """Handwritten digits, written by 13 people, values 0 to 16. No download: scikit-learn has them.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998 (its test set).
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits of 8 by 8 pixels, values 0 to 16.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            # Keeps scikit-learn's order, so that every way to read them gives the same rows.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        images, labels = rows()
        for key, (image, label) in enumerate(zip(images, labels, strict=True)):
            yield key, {"image": image, "label": int(label)}


def rows():
    """Images, uint8 of shape (1797, 8, 8, 1), and labels, int64 of shape (1797,)."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images.astype("uint8").reshape(-1, 8, 8, 1), labels
