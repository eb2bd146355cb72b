"""What two trials must have in common to share one compiled program.

`describe(model)` walks a compiled model, its layers, penalties, constraints, losses, optimizer
and schedules, and returns for the body and for the optimizer a *structure* (a hashable value
without the names that Keras numbers by itself) and *numbers* (every float found, in a fixed order,
with the place it was found in). Models of equal structure differ in numbers and variables only.
Trials of one body structure share forward and backward pass, whatever their optimizer. Whatever
the walk does not understand is part of the structure by type, so a difference makes another stack,
and the check of a new signature against plain Keras covers the rest.

>>> import keras
>>> def build(rate, units=3):
...     layers = [keras.layers.Input((4,)), keras.layers.Dense(units), keras.layers.Dropout(rate)]
...     model = keras.Sequential(layers)
...     model.compile("sgd", "mse")
...     return model
>>> a, b, c = (describe(build(*choice)) for choice in ((0.1,), (0.2,), (0.2, 5)))
>>> a.body.structure == b.body.structure, b.body.structure == c.body.structure
(True, False)
>>> numbers = zip(a.body.sites, a.body.numbers, b.body.numbers)
>>> [site.label for site, x, y in numbers if x != y]
['Dropout.rate']
"""

import functools
import hashlib
import re
import types
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
from keras import tree

from tuner_app.population.errors import CannotStack

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


@dataclass(frozen=True)
class Site:
    """Where one number lives: `owner.attribute`, then `path` inside its tuples, lists, dicts."""

    owner: object
    attribute: str
    path: tuple = ()

    @property
    def label(self) -> str:
        inside = "".join(f"[{step!r}]" for step in self.path)
        return f"{type(self.owner).__name__}.{self.attribute}{inside}"


@dataclass(frozen=True)
class Part:
    """One part of a compiled model.

    Args:
        structure: what trials must share, hashable.
        numbers: its numbers, float64 of shape (n,).
        sites: where they live, in this trial's own objects.
    """

    structure: tuple
    numbers: np.ndarray
    sites: tuple[Site, ...]


@dataclass(frozen=True)
class Description:
    """A compiled model: the body (layers, losses, metrics) and the rule (the optimizer)."""

    body: Part
    rule: Part

    def without_sites(self) -> "Description":
        """The same without references to the model's objects, which would keep it in memory."""
        parts = (Part(p.structure, p.numbers, ()) for p in (self.body, self.rule))
        return Description(*parts)

    @property
    def structure(self) -> tuple:
        return (self.body.structure, self.rule.structure)

    @property
    def numbers(self) -> np.ndarray:
        return np.concatenate([self.body.numbers, self.rule.numbers])

    @property
    def sites(self) -> tuple[Site, ...]:
        return (*self.body.sites, *self.rule.sites)


def describe(model) -> Description:
    """The description of a compiled, built Keras model.

    Raises CannotStack where the model trains by code of its own.
    """
    refuse_custom_training(model)
    walk = _Walk()
    variables = tuple((tuple(v.shape), v.dtype, v.trainable) for v in model.variables)
    losses = getattr(model, "_compile_loss", None)
    body = (
        variables,
        walk.visit(model),
        walk.visit(losses and losses._user_loss),
        walk.fixed(losses and losses._user_loss_weights),
        walk.fixed(_user_metrics(model)),
    )
    rule_walk = _Walk()
    rule = rule_walk.visit(model.optimizer)
    return Description(walk.part(body), rule_walk.part(rule))


def refuse_custom_training(model) -> None:
    """Raises CannotStack if the model is not compiled and built, or trains by its own step."""
    if not isinstance(model, keras.Model):
        raise CannotStack(f"not a Keras model but {type(model).__name__}")
    if not model.compiled or model.optimizer is None:
        raise CannotStack("the model is not compiled")
    if not model.built or not model.variables and not model.layers:
        raise CannotStack("the model has no input shape yet, so it is not built")
    for name in ("train_step", "test_step", "fit", "make_train_function"):
        if getattr(type(model), name) is not getattr(keras.Model, name):
            raise CannotStack(f"{type(model).__name__} has its own {name}")


def _user_metrics(model):
    metrics = model._compile_metrics
    if metrics is None:
        return None
    return (metrics._user_metrics, metrics._user_weighted_metrics)


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


class _Walk:
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
            inner = site and Site(site.owner, site.attribute, (*site.path, key))
            visited = self.visit(value, inner, integers)
            yield (str(key), visited) if named else visited

    def _array(self, array):
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        return ("array", array.shape, str(array.dtype), digest)

    def _class(self, cls):
        if "<locals>" not in cls.__qualname__:
            return ("class", cls.__module__, cls.__qualname__)
        # A class made anew for each trial: equal if its methods are.
        methods = [
            (name, self._function(f))
            for name, f in sorted(vars(cls).items())
            if isinstance(f, types.FunctionType)
        ]
        return ("class", cls.__qualname__, *methods)

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
        constants = tuple(
            c if not isinstance(c, types.CodeType) else c.co_code for c in code.co_consts
        )
        return (
            "code",
            code.co_code,
            repr(constants),
            code.co_names,
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
                self._topology(value),
                *self._own(value, "model"),
            )
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

    def _topology(self, model):
        """The graph of a functional model, or the order of a sequential one's layers."""
        if isinstance(model, keras.Sequential):
            return (
                "sequential",
                tuple(tuple(i.shape) for i in model.inputs),
                *(self.visit(layer) for layer in model.layers),
            )
        if not hasattr(model, "_nodes"):
            return ("subclass", *(self.visit(layer) for layer in model._layers))
        order = {id(operation): i for i, operation in enumerate(model._operations)}

        def place(x):
            if not isinstance(x, keras.KerasTensor):
                return self.visit(x)
            history = x._keras_history
            return (
                "from",
                order.get(id(history.operation)),
                history.node_index,
                history.tensor_index,
            )

        used = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
        graph = []
        for operation in model._operations:
            calls = []
            for node in operation._inbound_nodes:
                if id(node) in used:
                    arguments = (node.arguments.args, node.arguments.kwargs)
                    calls.append(tuple(repr(place(a)) for a in tree.flatten(arguments)))
            shape = (
                tuple(operation.output.shape)
                if not operation._inbound_nodes[0].arguments.keras_tensors
                else ()
            )
            graph.append((self.visit(operation), shape, tuple(calls)))
        outputs = tuple(repr(place(x)) for x in tree.flatten(model._outputs_struct))
        inputs = tuple(repr(place(x)) for x in tree.flatten(model._inputs_struct))
        return ("functional", tuple(graph), inputs, outputs)
