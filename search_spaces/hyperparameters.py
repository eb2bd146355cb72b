"""Blocks that any space reuses: optimizer and schedule, loss, regularization, augmentation.

Each draws its hyperparameters from `hp` and returns what a Keras model takes. Their numbers never
change a model's shape: a strength of 0 is a number like any other, so that trials which differ in
numbers alone can be trained together.
"""

from dataclasses import dataclass

from tuner_app import losses
from tuner_app import optimizers as rules
from tuner_app.regularization import (
    L1L2,
    Dropout,
    MixUp,
    Noise,
    RandomFlip,
    RandomRotation,
    RandomShift,
)
from tuner_app.schedules import (
    Blend,
    CosineDecay,
    ExponentialDecay,
    Fixed,
    StepDecay,
    WarmUp,
)

SCHEDULES = ("constant", "exponential", "cosine", "step", "warm_up")


def optimizer(hp, names, steps):
    """An optimizer of a type, learning rate, schedule and weight decay that `hp` chooses.

    Hyperparameters: `optimizer`, the type; for each type, active only when it is chosen, those that
    it has a range for, as TYPE_NAME (`adam_learning_rate`, `keras_adam_beta_1`, ...);
    `weight_decay`, decoupled, unless the rule has a range of its own; and those of `schedule`.

    Args:
        hp: `keras_tuner.HyperParameters`.
        names: Names from `tuner-app list optimizers`, at least one.
        steps: Training steps of a whole trial.

    Returns:
        A `keras.optimizers.Optimizer`.

    Raises:
        UserError: An unknown optimizer.
    """
    offers = {name: rules.offer(name) for name in names}
    chosen = hp.Choice("optimizer", list(names))
    for name, offer in offers.items():
        prefix = name.replace(":", "_")
        with hp.conditional_scope("optimizer", [name]):
            drawn = {key: number(hp, f"{prefix}_{key}", offer, key) for key in offer.ranges}
        if name == chosen:
            settings = drawn
    without = [name for name, offer in offers.items() if "weight_decay" not in offer.ranges]
    if without:
        with hp.conditional_scope("optimizer", without):
            weight_decay = hp.Float("weight_decay", 1e-6, 1e-2, sampling="log")
    if chosen in without:
        settings["weight_decay"] = weight_decay
    settings["learning_rate"] = schedule(hp, settings["learning_rate"], steps)
    for key, share in offers[chosen].of_steps.items():
        settings[key] = max(1.0, round(share * steps))
    return offers[chosen].make(**settings)


def loss(hp, names, task):
    """A loss of a kind and with numbers that `hp` chooses.

    Hyperparameters: `loss`, the kind; for each kind, active only when it is chosen, the numbers
    that it has a range for, as KIND_NAME (`CategoricalFocal_gamma`). Its value is no objective
    then: losses of different kinds or numbers can't be compared.

    Args:
        hp: `keras_tuner.HyperParameters`.
        names: Names from `tuner-app list losses`, at least one.
        task: "classification" (logits, truth as class numbers) or "regression".

    Returns:
        A `keras.losses.Loss`: of several kinds, a `LossBlend` of all, in which the chosen one has
        weight 1, so that models with different losses differ in numbers alone.

    Raises:
        UserError: An unknown loss, or one that is not for the task.
    """
    offers = {name: losses.offer(name, task) for name in names}
    chosen = hp.Choice("loss", list(names))
    kinds = []
    for name, offer in offers.items():
        with hp.conditional_scope("loss", [name]):
            drawn = {key: number(hp, f"{name}_{key}", offer, key) for key in offer.ranges}
        # An inactive hyperparameter is None: any number will do where the weight is 0.
        drawn = {key: value for key, value in drawn.items() if name == chosen}
        kinds.append(offer.make(**offer.fixed, **drawn))
    if len(kinds) == 1:
        return kinds[0]
    return losses.LossBlend(kinds, [float(name == chosen) for name in names])


def number(hp, name, offer, key):
    """One hyperparameter of an optimizer or a loss, over the range that is offered for it."""
    span, default = offer.ranges[key], offer.defaults.get(key)
    if isinstance(span, (tuple, list)) and not hasattr(span, "low"):
        return hp.Choice(name, list(span), default=default if default in span else None)
    inside = default is not None and span.low <= default <= span.high
    return hp.Float(
        name, span.low, span.high, sampling=span.scale, default=default if inside else None
    )


def schedule(hp, learning_rate, steps):
    """The learning rate as a schedule over the `steps` of a trial.

    Hyperparameters: `schedule`; for exponential and step decay `decay_to`, the share of the
    learning rate that is left at the end; for step decay `drops`, in how many equal drops; for
    warm-up `warm_up_share`, the share of the steps in which the rate rises from nearly 0. Cosine
    decay, and the decay after a warm-up, end at 0.

    Returns:
        A `Blend` of all kinds, in which the chosen one has weight 1: models with different
        schedules then differ in numbers alone.
    """
    chosen = hp.Choice("schedule", list(SCHEDULES))
    with hp.conditional_scope("schedule", ["exponential", "step"]):
        decay_to = hp.Float("decay_to", 0.01, 0.5, sampling="log", default=0.1)
    with hp.conditional_scope("schedule", ["step"]):
        drops = hp.Int("drops", 1, 4, default=2)
    with hp.conditional_scope("schedule", ["warm_up"]):
        warm_up_share = hp.Float("warm_up_share", 0.02, 0.3, default=0.1)

    # An inactive hyperparameter is None: any number will do where the weight is 0.
    decay_to, drops, warm_up_share = decay_to or 1.0, drops or 1, warm_up_share or 0.0
    # A drop after each of `drops` equal stretches, the last of them before the end.
    stretch = steps // (drops + 1) or 1
    rising = round(warm_up_share * steps)
    kinds = {
        "constant": Fixed(learning_rate),
        "exponential": ExponentialDecay(learning_rate, steps, decay_to),
        "cosine": CosineDecay(learning_rate, steps),
        "step": StepDecay(learning_rate, stretch, decay_to ** (1 / drops)),
        "warm_up": WarmUp(CosineDecay(learning_rate, max(1, steps - rising)), rising),
    }
    return Blend(list(kinds.values()), [float(kind == chosen) for kind in kinds])


@dataclass(frozen=True)
class Regularization:
    """What a space puts on its layers: `penalty` on their weights, `dropout` between them."""

    l1: float
    l2: float
    dropout_rate: float

    def penalty(self):
        """A penalty for a layer's `kernel_regularizer`."""
        return L1L2(self.l1, self.l2)

    def dropout(self):
        """A new dropout layer."""
        return Dropout(self.dropout_rate)


def regularization(hp):
    """Penalties on the weights and dropout, each with a strength.

    Hyperparameters: `l1` and `l2`, log-scaled; `dropout`, from 0.

    Returns:
        A `Regularization`.
    """
    return Regularization(
        l1=hp.Float("l1", 1e-8, 1e-4, sampling="log"),
        l2=hp.Float("l2", 1e-8, 1e-3, sampling="log"),
        dropout_rate=hp.Float("dropout", 0.0, 0.5, step=0.05),
    )


def augmentation(hp, spec):
    """Layers that change images while training, each with a strength that may be 0.

    Hyperparameters: `shift` (part of the size), `rotation` (degrees), `flip` (probability), `noise`
    (standard deviation), `mix_up` (alpha). The last layer is a `MixUp`, so the model has to be a
    `tuner_app.regularization.MixUpModel`, which blends the labels too.

    Args:
        hp: `keras_tuner.HyperParameters`.
        spec: `tuner_app.data.DataSpec` of images, (height, width, channels).

    Returns:
        A function from a batch of images to a batch of images; without layers for other data.
    """
    if spec.kind != "image":
        return lambda inputs: inputs
    layers = (
        RandomShift(hp.Float("shift", 0.0, 0.15, step=0.05)),
        RandomRotation(hp.Float("rotation", 0.0, 15.0, step=5.0)),
        RandomFlip(hp.Float("flip", 0.0, 0.5, step=0.5)),
        Noise(hp.Float("noise", 0.0, 0.2, step=0.05)),
        MixUp(hp.Float("mix_up", 0.0, 0.4, step=0.1)),
    )

    def augmented(images):
        for layer in layers:
            images = layer(images)
        return images

    return augmented
