"""One walk over a compiled model: hashable values of its parts, and the numbers met on the way."""

import functools
import hashlib
import re
import types
from functools import cache

import keras
import numpy as np
from keras import tree

from tuner_app.population.errors import CannotStack
from tuner_app.population.signatures.description import Part, Site
from tuner_app.population.signatures.topology import topology

# Attributes of a bare layer or optimizer that say what it computes; the rest is Keras's own.
_LAYER_MEANING = {"activity_regularizer", "_trainable", "_dtype_policy", "supports_masking"}
_OPTIMIZER_MEANING = {
    "weight_decay",
    "clipnorm",
    "global_clipnorm",
    "clipvalue",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "_learning_rate",
}
# Names are numbered by Keras; a seed lives on in the state of a SeedGenerator, which is a variable.
_NOT_MEANING = {
    "name",
    "_name",
    "seed",
    "_initial_seed",
    "_init_seed",
    "built",
    "_build_shapes_dict",
}
_CALLER_SEED = {"seed"}  # in a class that is not Keras's own, a seed may be used as a constant


@cache
def _infrastructure() -> dict[str, frozenset]:
    """Names of the attributes that every layer, model and optimizer has."""
    inputs = keras.Input((1,))
    functional = keras.Model(inputs, keras.layers.Identity()(inputs))
    sequential = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    for model in (functional, sequential):
        model.compile("sgd", "mse")
    layer = keras.layers.Layer()
    layer.build((1, 1))
    return {
        "layer": frozenset(vars(layer)) - _LAYER_MEANING,
        "model": frozenset(vars(functional)) | frozenset(vars(sequential)) - _LAYER_MEANING,
        "optimizer": frozenset(vars(keras.optimizers.Optimizer(0.1))) - _OPTIMIZER_MEANING,
        "operation": frozenset(vars(keras.Operation())),
    }


def _code(code: types.CodeType) -> tuple:
    """What a function's code computes, with that of the functions inside it."""
    constants = (_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return (code.co_code, code.co_names, *constants)


class Walk:
    """One walk over one model; `numbers` and `sites` grow as it goes."""

    def __init__(self):
        self.numbers, self.sites, self.seen = [], [], {}
        self.keep = []  # objects whose id is in `seen` must outlive the walk

    def part(self, structure) -> Part:
        return Part(structure, np.array(self.numbers, "float64"), tuple(self.sites))

    def fixed(self, value):
        """The description of a value whose numbers are constants of the program."""
        return self.visit(value, site=None)

    def visit(self, value, site=None, integers=False):
        if value is None or isinstance(value, (bool, str, bytes, type(Ellipsis))):
            return value
        if isinstance(value, (float, np.floating)):
            return self._number(value, site)
        if isinstance(value, (int, np.integer)):
            return self._number(value, site) if integers else int(value)
        if isinstance(value, (tuple, list)):
            return (isinstance(value, tuple), *self._items(enumerate(value), site, integers))
        if isinstance(value, dict):
            return ("dict", *self._items(value.items(), site, integers, named=True))
        if isinstance(value, (set, frozenset)):
            return ("set", *sorted(repr(v) for v in value))
        if isinstance(value, keras.KerasTensor):
            return ("symbol", tuple(value.shape), value.dtype)
        if isinstance(value, keras.Variable):
            return ("variable", tuple(value.shape), value.dtype, value.trainable)
        if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
            if "resource" in str(value.dtype):  # of TensorFlow's: what is behind it can't be read
                raise CannotStack("a layer looks values up in a table of TensorFlow's")
            array = keras.ops.convert_to_numpy(value)
            if array.shape == () and array.dtype.kind == "f":
                return self._number(float(array), site)  # as Keras's L1 keeps its coefficient
            return self._array(array)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, (types.FunctionType, types.MethodType, functools.partial)):
            return self._function(value)
        return self._object(value)

    def _number(self, value, site):
        if site is None:
            return ("constant", repr(float(value)))
        self.numbers.append(float(value))
        self.sites.append(site)
        return ("number", len(self.numbers) - 1)

    def _items(self, items, site, integers, named=False):
        for key, value in items:
            visited = self.visit(value, site and site.below(key), integers)
            yield (str(key), visited) if named else visited

    def _array(self, array):
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return ("array", array.shape, str(array.dtype), digest)

    def _class(self, cls):
        if "<locals>" not in cls.__qualname__:
            return ("class", cls.__module__, cls.__qualname__)
        # A class made anew for each trial: equal if its bases, methods and attributes are.
        if id(cls) in self.seen:
            return ("again", self.seen[id(cls)])
        self._remember(cls)
        bases = [self._class(base) for base in cls.__bases__]
        members = [
            (name, self._member(member))
            for name, member in sorted(vars(cls).items())
            if isinstance(member, types.FunctionType) or not name.startswith(("__", "_abc_"))
        ]
        return ("class", cls.__qualname__, *bases, *members)

    def _member(self, member):
        if isinstance(member, staticmethod | classmethod):
            return (type(member).__name__, self._function(member.__func__))
        if isinstance(member, property):
            parts = (member.fget, member.fset, member.fdel)
            return ("property", *(part and self._function(part) for part in parts))
        return self.fixed(member)

    def _function(self, function):
        if isinstance(function, functools.partial):
            parts = (function.func, function.args, function.keywords)
            return ("partial", *(self.fixed(part) for part in parts))
        if isinstance(function, types.MethodType):
            return ("method", self._function(function.__func__), self.visit(function.__self__))
        if not hasattr(function, "__code__") or "<" not in function.__qualname__:
            return ("function", function.__module__, function.__qualname__)
        if id(function) in self.seen:
            return ("again", self.seen[id(function)])
        self._remember(function)
        code = function.__code__
        cells = []
        for cell in function.__closure__ or ():
            try:
                cells.append(self.fixed(cell.cell_contents))
            except ValueError:  # an empty cell
                cells.append("empty")
        return (
            "code",
            *_code(code),
            *cells,
            self.fixed(function.__defaults__),
            self.fixed(function.__kwdefaults__),
        )

    def _remember(self, value):
        self.seen[id(value)] = len(self.seen)
        self.keep.append(value)

    def _object(self, value):
        if id(value) in self.seen:
            return ("again", self.seen[id(value)])
        self._remember(value)
        if isinstance(value, keras.DTypePolicy):
            return ("dtype", value.name)
        if isinstance(value, re.Pattern):
            return ("pattern", value.pattern)
        if isinstance(value, keras.random.SeedGenerator):
            return ("seed generator",)
        if isinstance(value, keras.initializers.Initializer):
            return ("initializer", self._class(type(value)))
        if isinstance(value, keras.metrics.Metric):
            try:
                config = value.get_config()
            except NotImplementedError:
                raise CannotStack(f"the metric {value.name} has no get_config") from None
            config["name"] = re.sub(r"_\d+$", "", config.get("name") or "")
            return ("metric", self._class(type(value)), self.fixed(config))
        if isinstance(value, keras.Model):
            return (
                "model",
                self._class(type(value)),
                topology(value, self.visit),
                *self._own(value, "model"),
            )
        if isinstance(value, keras.layers.AugMix):
            # Once a trace: a trial would depend on what was traced before it.
            raise CannotStack("AugMix draws what it does by Python's own random numbers")
        if isinstance(value, keras.layers.TFSMLayer) and value.weights:
            raise CannotStack("TFSMLayer calls a function of a SavedModel, with weights of its own")
        if isinstance(value, keras.layers.JaxLayer) and keras.backend.backend() == "tensorflow":
            kind = type(value).__name__
            raise CannotStack(f"{kind}: TensorFlow can't vectorize the operation XlaCallModule")
        if isinstance(value, keras.layers.Layer):
            return ("layer", self._class(type(value)), *self._own(value, "layer"))
        if isinstance(value, keras.optimizers.Optimizer):
            return ("optimizer", self._class(type(value)), *self._optimizer(value))
        if isinstance(value, keras.Operation):
            return ("operation", self._class(type(value)), *self._own(value, "operation"))
        if isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
            return (
                "schedule",
                self._class(type(value)),
                *self._attributes(value, set(), integers=True),
            )
        if hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
            return ("object", self._class(type(value)), *self._attributes(value, set()))
        return ("opaque", self._class(type(value)))

    def _own(self, value, kind):
        return self._attributes(value, _infrastructure()[kind])

    def _attributes(self, value, skip, integers=False):
        own_class = not type(value).__module__.startswith("keras.")
        hidden = _NOT_MEANING - (_CALLER_SEED if own_class else set())
        for name, attribute in sorted(vars(value).items()):
            if name in skip or name in hidden or name.startswith("_tf_trackable"):
                continue
            if name.startswith(("_self_", "_obj_reference", "_unconditional")):
                continue  # TensorFlow's own tracking
            yield (name, self.visit(attribute, Site(value, name), integers))

    def _optimizer(self, optimizer):
        skip = _infrastructure()["optimizer"] | {"_exclude_from_weight_decay_cache"}
        yield ("excluded", self._excluded(optimizer))
        for name, attribute in sorted(vars(optimizer).items()):
            holds_variables = (
                any(isinstance(v, keras.Variable) for v in tree.flatten(attribute))
                if isinstance(attribute, (list, tuple, keras.Variable))
                else False
            )
            if name in skip or name in _NOT_MEANING or holds_variables or attribute == []:
                continue  # slots follow from the rest
            if name.startswith(("_self_", "_tf_trackable", "_obj_reference", "_unconditional")):
                continue
            if name in ("_exclude_from_weight_decay", "_distribution_strategy"):
                continue
            yield (name, self.visit(attribute, Site(optimizer, name)))

    def _excluded(self, optimizer):
        """Positions of the variables that `exclude_from_weight_decay` was given."""
        keys = getattr(optimizer, "_exclude_from_weight_decay", None)
        if not keys:
            return ()
        known = optimizer._trainable_variables_indices
        if not all(key in known for key in keys):
            raise CannotStack(
                "the optimizer excludes variables from weight decay that it has not built"
            )
        return tuple(sorted(known[key] for key in keys))
