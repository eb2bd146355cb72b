"""What the best model gets wrong on the validation examples: measured once, then kept.

What was found lies beside the trial's weights as `mistakes.json`, so that a report is made without
TensorFlow from then on.
"""

import base64
import io
import json
import os
from pathlib import Path
from typing import Any

from tuner_app.errors import UserError
from tuner_app.results import export
from tuner_app.results.class_outputs import log_probabilities
from tuner_app.results.winner import winner
from tuner_app.store import SearchReader
from tuner_app.store.json_text import exportable

FILE = "mistakes.json"
MOST_EXAMPLES = 24  # shown
MOST_ROWS = 10_000  # validation examples looked at
SIDE = 64  # pixels of a shown image, at most
MOST_PAIRS = 400  # of (true, predicted) numbers


def of(directory: str | Path) -> dict[str, Any] | None:
    """The mistakes of a search's best model, measured now unless they were before.

    Returns None where they can't be had: no completed trial, no weights, or data that are not there
    any more; a report has its other parts all the same.
    """
    with SearchReader(directory) as reader:
        config = export.configuration(reader)
        try:
            trial, _ = winner(reader)
        except UserError:
            return None
    folder = Path(directory) / f"trial_{trial.trial_id}"
    weights = folder / export.WEIGHTS
    if not weights.is_file():
        return None
    kept = _kept(folder / FILE, weights)
    if kept is not None:
        return kept
    from tuner_app import data, environment

    environment.import_quietly()
    try:
        dataset = data.load(config.dataset, seed=config.seed)
        model = export.trained(config, dataset.spec, trial, weights)
    except UserError:
        return None
    found = measured(model, dataset, trial.trial_id)
    _keep(folder / FILE, found)
    return found


def measured(model: Any, dataset: Any, trial_id: str) -> dict[str, Any]:
    """A model's mistakes on the validation split.

    Args:
        model: From features to logits, probabilities or standardised numbers.
        dataset: The `Dataset`.
        trial_id: Whose model it is.
    """
    features, targets = _examples(dataset.validation)
    outputs = model.predict(features, verbose=0)
    told = {"trial_id": trial_id, "task": dataset.spec.task, "examples": len(targets)}
    if dataset.spec.task == "classification":
        told |= _of_classes(
            features,
            targets,
            log_probabilities(outputs, getattr(model, "loss", None)),
            dataset.spec,
        )
    else:
        told |= _of_numbers(targets, outputs, dataset.spec)
    return exportable(told)


def _examples(split: Any) -> tuple[Any, Any]:
    import numpy as np

    if split.in_memory:
        features, targets = split.arrays()
        return features[:MOST_ROWS], targets[:MOST_ROWS]
    features, targets, rows = [], [], 0
    for x, y in split.batches(256).as_numpy_iterator():
        features.append(x)
        targets.append(y)
        rows += len(y)
        if rows >= MOST_ROWS:
            break
    return np.concatenate(features), np.concatenate(targets)


def _of_classes(features: Any, labels: Any, logs: Any, spec: Any) -> dict[str, Any]:
    import numpy as np

    predicted = logs.argmax(axis=1)
    counts = np.zeros((spec.num_classes, spec.num_classes), int)
    np.add.at(counts, (labels, predicted), 1)
    sure = np.exp(logs)
    wrong = np.flatnonzero(predicted != labels)
    # The surest mistakes first: wrong labels and odd examples are among them.
    wrong = wrong[np.argsort(-sure[wrong, predicted[wrong]], kind="stable")]
    examples = [
        {
            "row": int(row),
            "true": int(labels[row]),
            "predicted": int(predicted[row]),
            "sure": round(float(sure[row, predicted[row]]), 4),
            "image": _picture(features[row]) if spec.kind == "image" else None,
        }
        for row in wrong[:MOST_EXAMPLES]
    ]
    names = spec.class_names or tuple(map(str, range(spec.num_classes)))
    return {
        "classes": [str(name) for name in names],
        "confusion": counts.tolist(),
        "wrong": len(wrong),
        "shown": examples,
    }


def _of_numbers(targets: Any, outputs: Any, spec: Any) -> dict[str, Any]:
    """True and predicted numbers in the target's own unit, evenly chosen."""
    import numpy as np

    true = np.ravel(targets) * spec.target_std + spec.target_mean
    predicted = np.ravel(outputs) * spec.target_std + spec.target_mean
    errors = predicted - true
    chosen = np.linspace(0, len(true) - 1, min(len(true), MOST_PAIRS)).round().astype(int)
    worst = np.argsort(-np.abs(errors), kind="stable")[:10]
    return {
        "mean_absolute_error": float(np.abs(errors).mean()),
        "root_mean_squared_error": float(np.sqrt((errors**2).mean())),
        "pairs": [[float(f"{true[i]:.6g}"), float(f"{predicted[i]:.6g}")] for i in chosen],
        "worst": [
            {"row": int(i), "true": float(true[i]), "predicted": float(predicted[i])} for i in worst
        ],
    }


def _picture(image: Any) -> str:
    """An image (height, width, channels) of any range as a PNG in a data address."""
    import numpy as np
    from PIL import Image

    low, high = float(image.min()), float(image.max())
    pixels = np.round(255 * (image.astype("float64") - low) / max(high - low, 1e-12))
    if pixels.shape[-1] != 3:
        picture = Image.fromarray(pixels[..., 0].astype("uint8"))
    else:
        picture = Image.fromarray(pixels.astype("uint8"))
    picture.thumbnail((SIDE, SIDE))
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(encoded.getvalue()).decode()


def _kept(file: Path, weights: Path) -> dict[str, Any] | None:
    """What was found before, unless the weights are newer."""
    try:
        if file.stat().st_mtime < weights.stat().st_mtime:
            return None
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _keep(file: Path, found: dict[str, Any]) -> None:
    beside = file.with_name(f"unfinished.{file.name}")
    try:
        beside.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
        os.replace(beside, file)
    except OSError:
        pass  # a directory that can only be read: measured again the next time
