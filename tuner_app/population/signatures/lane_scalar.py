"""A Python number whose value differs by lane: it computes as the lane's tensor.

While a stack is traced, a layer's `rate`, an optimizer's `weight_decay` or a penalty's `l2` is
replaced by a `LaneScalar`. Arithmetic with tensors uses the lane's value. What Python alone can
see is answered from one representative lane and written into a `Journal`: the outcome of a
comparison (so that lanes which would branch differently are kept apart), and a conversion to a
plain float (so that the number is known to be a constant of the program, which can't be lifted).

Keras computes `1 - beta_2` in Python, in double precision; in single precision that loses five of
seven digits. So a lane's number arrives as the sum of two float32, and a sum or difference of
Python numbers is computed with Knuth's two-sum (The Art of Computer Programming 2, 4.2.2) before
it is rounded once.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Journal:
    """What was asked of lane numbers in Python while a lane's step was traced.

    `branches` holds (condition, outcome) pairs, where condition(numbers) evaluates the same
    comparison for another lane; `constants` holds the positions of numbers that were read as
    plain floats.
    """

    branches: list[tuple[Callable, bool]] = field(default_factory=list)
    constants: set[int] = field(default_factory=set)

    def outcomes(self, numbers) -> tuple[bool, ...]:
        """How a lane with these numbers would branch."""
        return tuple(bool(condition(numbers)) for condition, _ in self.branches)


def split(numbers: np.ndarray) -> np.ndarray:
    """float64 of shape (...,) as two float32 of shape (..., 2) whose sum is exact to 48 bits.

    >>> high, low = split(np.array(0.999))
    >>> float(1 - high) == 1 - 0.999, abs((1 - float(high)) - float(low) - (1 - 0.999)) < 1e-15
    (False, True)
    """
    numbers = np.asarray(numbers, "float64")
    with np.errstate(over="ignore", invalid="ignore"):
        high = numbers.astype("float32")
        low = np.where(np.isfinite(high), numbers - high, 0.0).astype("float32")
    return np.stack([high, low], axis=-1)


class LaneScalar:
    """One number of one lane.

    Args:
        recipe: function of a lane's numbers (float64 of shape (n,)) to this number.
        representative: the representative lane's numbers.
        high, low: the lane's value as two float32 tensors; low may be None for zero.
        journal: the `Journal` that notes what Python asks.
        sources: positions of the numbers that this one is computed from.
    """

    # For `isinstance(x, float)` in Keras and user code on TensorFlow; C code still sees another
    # type, so a silent read of a raw double is impossible. JAX asks `isinstance` before it asks
    # for `__jax_array__`, so there the type is told as it is.
    __class__ = property(lambda self: LaneScalar if _on_jax() else float)
    # On TensorFlow Keras then promotes it like a Python float; JAX wants a dtype of arrays.
    dtype = property(lambda self: np.dtype("float32") if _on_jax() else float)

    def __init__(self, recipe, representative, high, low, journal, sources):
        self.recipe, self.representative, self.journal = recipe, representative, journal
        self.high, self.low, self.sources = high, low, sources

    @property
    def value(self) -> float:
        return float(self.recipe(self.representative))

    def derived(self, recipe, high, low, other=None):
        sources = self.sources | (other.sources if is_lane_scalar(other) else frozenset())
        return LaneScalar(recipe, self.representative, high, low, self.journal, sources)

    def tensor(self, dtype=None):
        from keras import ops

        return self.high if dtype is None else ops.cast(self.high, dtype)

    def __tf_tensor__(self, dtype=None, name=None):
        return self.tensor(dtype)

    def __jax_array__(self):
        from jax._src.lax.lax import _convert_element_type

        # Weakly typed, as a Python float is: it follows the dtype of what it meets.
        return _convert_element_type(self.high, weak_type=True)

    def __float__(self):
        self.journal.constants |= self.sources
        return self.value

    def __int__(self):
        return int(float(self))

    def __round__(self, digits=None):
        return round(float(self), digits)

    def __hash__(self):
        return hash(float(self))

    def __repr__(self):
        return f"LaneScalar({self.value!r})"

    def __format__(self, spec):
        return format(self.value, spec)

    def __bool__(self):
        return self._branch(lambda numbers: bool(self.recipe(numbers)))

    def _branch(self, condition) -> bool:
        outcome = bool(condition(self.representative))
        self.journal.branches.append((condition, outcome))
        return outcome

    def __neg__(self):
        low = None if self.low is None else -self.low
        return self.derived(lambda numbers: -self.recipe(numbers), -self.high, low)

    def __pos__(self):
        return self

    def __abs__(self):
        return self if self >= 0 else -self


def _on_jax() -> bool:
    import keras

    return keras.backend.backend() == "jax"


class _Rest:
    """All of a LaneScalar but its tensors, compared by identity (JAX's static pytree data)."""

    def __init__(self, scalar):
        self.scalar = scalar


def register_with_jax():
    """Lets a LaneScalar pass through functions that are jitted inside JAX, such as `jnp.where`."""
    import jax

    def unflatten(rest, tensors):
        s = rest.scalar
        return LaneScalar(s.recipe, s.representative, *tensors, s.journal, s.sources)

    try:
        jax.tree_util.register_pytree_node(
            LaneScalar, lambda s: ((s.high, s.low), _Rest(s)), unflatten
        )
    except ValueError as error:
        if "Duplicate" not in str(error):
            raise


def is_lane_scalar(x) -> bool:
    return type(x) is LaneScalar


def is_number(x) -> bool:
    return is_lane_scalar(x) or isinstance(x, (int, float, np.floating, np.integer))


def _recipe(x):
    return x.recipe if is_lane_scalar(x) else lambda numbers: x


def _pair(x):
    if is_lane_scalar(x):
        return x.high, x.low
    high, low = split(x)
    return np.float32(high), (np.float32(low) if low else None)


def _two_sum(a, b):
    """a + b as two tensors whose sum is a + b before rounding."""
    high, low = a[0] + b[0], None
    shadow = high - a[0]
    low = (a[0] - (high - shadow)) + (b[0] - shadow)
    for part in (a[1], b[1]):
        low = low if part is None else low + part
    return high + low, None


def _add(a, b):
    return _two_sum(a, b)


def _sub(a, b):
    return _two_sum(a, (-b[0], None if b[1] is None else -b[1]))


def _leading(operation):
    return lambda a, b: (operation(a[0], b[0]), None)


_OPERATIONS = {
    "add": (operator.add, _add),
    "sub": (operator.sub, _sub),
    "mul": (operator.mul, _leading(operator.mul)),
    "truediv": (operator.truediv, _leading(operator.truediv)),
    "floordiv": (operator.floordiv, _leading(operator.floordiv)),
    "mod": (operator.mod, _leading(operator.mod)),
    "pow": (operator.pow, _leading(operator.pow)),
}


def _with_tensor(scalar, x, operation, reflected):
    dtype = getattr(x, "dtype", None)
    own = scalar.tensor()
    if "float" in str(getattr(dtype, "name", dtype)):
        own = scalar.tensor(getattr(dtype, "name", dtype))
    return operation(x, own) if reflected else operation(own, x)


def _binary(name, reflected):
    operation, pairs = _OPERATIONS[name]

    def method(self, other):
        if not is_number(other):
            if isinstance(other, (str, bytes, list, tuple, dict, type(None))):
                return NotImplemented
            return _with_tensor(self, other, operation, reflected)
        a, b = (other, self) if reflected else (self, other)
        ra, rb = _recipe(a), _recipe(b)
        high, low = pairs(_pair(a), _pair(b))
        return self.derived(lambda n: operation(ra(n), rb(n)), high, low, other)

    return method


def _comparison(operation):
    def method(self, other):
        if not is_number(other):
            if other is None or isinstance(other, (str, bytes, list, tuple, dict)):
                return NotImplemented
            return _with_tensor(self, other, operation, reflected=False)
        right = _recipe(other)
        return self._branch(lambda numbers: operation(self.recipe(numbers), right(numbers)))

    return method


for _name in _OPERATIONS:
    setattr(LaneScalar, f"__{_name}__", _binary(_name, reflected=False))
    setattr(LaneScalar, f"__r{_name}__", _binary(_name, reflected=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(LaneScalar, f"__{_name}__", _comparison(getattr(operator, _name)))


class LaneMath:
    """The module `math`, whose square root also takes a lane scalar."""

    def __getattr__(self, name):
        return getattr(math, name)

    @staticmethod
    def sqrt(x):
        return x**0.5 if is_lane_scalar(x) else math.sqrt(x)
