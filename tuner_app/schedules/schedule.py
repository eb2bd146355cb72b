"""What schedules share: numbers checked once, kept as attributes, cast when they are used."""

import inspect
import math
import numbers

import keras
from keras import ops

from tuner_app.errors import UserError

Base = keras.optimizers.schedules.LearningRateSchedule
register = keras.saving.register_keras_serializable(package="tuner_app")


class Schedule(Base):
    """Keeps the constructor's arguments as attributes and as the config."""

    def _keep(self, **parameters):
        self._keep_stretches(**parameters)
        for name, value in parameters.items():
            if name.endswith("steps") and value == 0:
                raise UserError(f"{name} must be at least 1; got {value!r}.")

    def _keep_stretches(self, **parameters):
        """The same, for steps that may be none."""
        for name, value in parameters.items():
            check(name, value)
            setattr(self, name, value)

    def get_config(self):
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}


def check(name, value):
    """Raises UserError unless value is a number, zero or more."""
    if not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
        raise UserError(f"{name} must be a number, zero or more; got {value!r}.")


def number(value):
    """A number, or a lane's tensor, as a tensor in Keras's float type."""
    return ops.cast(value, keras.config.floatx())
