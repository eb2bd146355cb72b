"""The one adapter from update rules to `keras.optimizers.Optimizer`.

Everything Keras asks of an optimizer is here, once: slots as variables, dtypes, serialization,
clipping, averaging, gradient accumulation and decay masks. Hyperparameters are optimizer variables,
so they are saved with the weights, may differ by trial in a stack, and change without a retrace.
"""

import dataclasses
import inspect
import numbers
from typing import ClassVar

import keras
from keras import ops

from tuner_app.errors import UserError, unknown
from tuner_app.optimizers.rule import Rule

# What `keras.optimizers.Optimizer` itself takes, and we hand on as it is.
KERAS_ARGUMENTS = (
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)


class RuleOptimizer(keras.optimizers.Optimizer):
    """A Keras optimizer made of a rule. Subclasses only name their `rule` and document it.

    Args:
        learning_rate: a number, a Keras LearningRateSchedule or a callable.
        weight_decay: decoupled decay: Keras takes `learning_rate * weight_decay * w` off each
            weight w before the rule's step. None: no decay; use 0.0 to set it later.
        l2: coupled L2 penalty: `l2 * w` is added to the gradient (after clipping) before the rule
            sees it. `exclude_from_weight_decay` holds for both.
        **arguments: the rule's hyperparameters (numbers) and static options, and Keras's own
            `clipnorm`, `use_ema`, `gradient_accumulation_steps` and so on.

    Raises:
        UserError: an argument has no meaning for this rule, or its value can't be right.

    A hyperparameter is read and changed as an attribute, before and after the optimizer is built:

    >>> from tuner_app.optimizers import Adam
    >>> optimizer = Adam(learning_rate=0.01)
    >>> optimizer.beta_1 = 0.8
    >>> optimizer.get_config()["beta_1"]
    0.8
    """

    rule: ClassVar[Rule]

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        cls.__signature__ = _signature(cls.rule)

    def __init__(self, learning_rate=None, **arguments):
        rule = type(self).rule
        static = {
            field.name: arguments.pop(field.name)
            for field in dataclasses.fields(rule)
            if field.name in arguments
        }
        rule = dataclasses.replace(rule, **static)
        values = {"weight_decay": None, "l2": None} | dict(rule.defaults)
        values.update({name: arguments.pop(name) for name in set(values) & set(arguments)})
        values.pop("learning_rate")
        for name in arguments:
            if name not in KERAS_ARGUMENTS:
                known = [*rule.defaults, "l2", *static, *KERAS_ARGUMENTS]
                raise unknown(f"argument of {type(self).__name__}:", name, known)
        for name, value in values.items():
            if value is None and name in ("weight_decay", "l2"):
                continue
            if not isinstance(value, numbers.Real):
                raise UserError(f"{name} must be a number; got {value!r}.")
            rule.check(name, value)

        if learning_rate is None:
            learning_rate = rule.defaults["learning_rate"]
        if isinstance(learning_rate, numbers.Real):
            rule.check("learning_rate", learning_rate)
            learning_rate = float(learning_rate)

        super().__init__(learning_rate, **arguments)
        if isinstance(self._learning_rate, keras.Variable):
            self._untrack_variable(self._learning_rate)
            self._learning_rate = self._add_scalar("learning_rate", learning_rate)
        self.rule = rule
        # Their order matters: a saved optimizer lists its variables by number.
        self.hyperparameter_names = tuple(n for n in values if values[n] is not None)
        self.l2 = None
        for name in self.hyperparameter_names:
            super().__setattr__(name, self._add_scalar(name, values[name]))

    def _add_scalar(self, name, value):
        # In float64 where the backend has it: a float64 model then follows the rule to 1e-15.
        dtype = "float64" if keras.backend.backend() == "tensorflow" else keras.config.floatx()
        return self.add_variable(
            shape=(),
            initializer=lambda shape, dtype: ops.convert_to_tensor(float(value), dtype),
            dtype=dtype,
            aggregation="only_first_replica",
            name=name,
        )

    def __setattr__(self, name, value):
        """Assigning to a hyperparameter changes its variable, so nothing is traced again."""
        current = self.__dict__.get(name)
        if isinstance(current, keras.Variable) and not name.startswith("_"):
            if isinstance(value, numbers.Real):
                self.rule.check(name, value)
            elif value is None:
                raise UserError(f"{name} can't become None once it is a number. Set it to 0.0.")
            current.assign(value)
        elif name in ("weight_decay", "l2") and value is not None and "rule" in self.__dict__:
            raise UserError(
                f"{name} was None when this optimizer was made, so it can't be set now. "
                f"Make it with {name}=0.0 and set it later."
            )
        else:
            super().__setattr__(name, value)

    @property
    def hyperparameters(self) -> dict[str, keras.Variable]:
        """The variables of the hyperparameters but for the learning rate, by name."""
        return {name: getattr(self, name) for name in self.hyperparameter_names}

    def build(self, variables):
        """Makes each variable's slots, starting as the rule says."""
        if self.built:
            return
        super().build(variables)
        self._slots = [self._add_slots(variable) for variable in variables]

    def _add_slots(self, variable):
        if self._overwrite_variable_with_gradient(variable):
            return {}
        dtype = self._compute_dtype(variable)
        path = getattr(variable, "path", variable.name).replace("/", "_").replace(":", "_")

        def starting_at(name):
            # The variable is read only when the slot is made: while a train step is traced, or in a
            # StatelessScope, it may not have its value yet.
            return lambda shape, dtype: self.rule.init_slots(_tensor(variable, dtype))[name]

        return {
            name: self.add_variable(
                shape=tuple(slot.shape),
                initializer=starting_at(name),
                dtype=dtype,
                layout=getattr(variable, "_layout", None) if slot.shape == variable.shape else None,
                name=f"{path}_{name}",
            )
            for name, slot in self.rule.init_slots(ops.zeros(variable.shape, dtype)).items()
        }

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # What all variables share is computed once, and handed on in the learning rate's place.
        dtypes = {self._compute_dtype(variable) for variable in trainable_variables}
        values = {dtype: self._step_values(learning_rate, dtype) for dtype in dtypes}
        super()._backend_update_step(grads, trainable_variables, values)

    def update_step(self, gradient, variable, learning_rate):
        """One variable's step, by the rule."""
        dtype = self._compute_dtype(variable)
        if isinstance(learning_rate, dict):
            hyperparameters, step = learning_rate[dtype]
        else:
            hyperparameters, step = self._step_values(learning_rate, dtype)
        slots = self._slots[self._get_variable_index(variable)]
        param, gradient = _tensor(variable, dtype), _tensor(gradient, dtype)
        if self.l2 is not None and self._use_weight_decay(variable):
            gradient = gradient + hyperparameters["l2"] * param
        values = {name: _tensor(slot, dtype) for name, slot in slots.items()}
        param, values = self.rule.update(param, gradient, values, hyperparameters, step)
        self.assign(variable, ops.cast(param, variable.dtype))
        for name, slot in slots.items():
            self.assign(slot, values[name])

    def eval_param(self, variable):
        """The value of `variable` with which the model is to be evaluated and served."""
        if self.rule.eval_param is None or not self.built:
            return ops.convert_to_tensor(variable)
        dtype = self._compute_dtype(variable)
        slots = self._slots[self._get_variable_index(variable)]
        param = self.rule.eval_param(
            _tensor(variable, dtype),
            {name: _tensor(slot, dtype) for name, slot in slots.items()},
            self._step_values(self.learning_rate, dtype)[0],
        )
        return ops.cast(param, variable.dtype)

    def _compute_dtype(self, variable):
        """Half-precision variables are updated in float32: a beta_2 of 0.999 is 1 in bfloat16."""
        if self.rule.double and keras.backend.backend() == "tensorflow":
            return "float64"
        dtype = keras.backend.standardize_dtype(variable.dtype)
        return "float32" if dtype in ("float16", "bfloat16") else dtype

    def _step_values(self, learning_rate, dtype):
        """The hyperparameters, and the number of this step from 1, as scalars of dtype."""
        variables = {"learning_rate": learning_rate} | self.hyperparameters
        hyperparameters = {name: _tensor(variable, dtype) for name, variable in variables.items()}
        return hyperparameters, ops.cast(self.iterations + 1, dtype)

    def get_config(self):
        """Plain numbers and booleans, from which `from_config` makes an equal optimizer."""
        config = super().get_config() | {"weight_decay": None, "l2": None}
        if isinstance(self._learning_rate, keras.Variable):
            config["learning_rate"] = _plain(self._learning_rate)
        config |= {name: _plain(variable) for name, variable in self.hyperparameters.items()}
        return config | dataclasses.asdict(self.rule)


def _tensor(x, dtype):
    """The value of x as a dense tensor. A sparse gradient (of an Embedding) becomes dense."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        x = tf.convert_to_tensor(x)
    return ops.cast(x, dtype)


def _plain(variable):
    """A scalar variable as the shortest Python float that means the same: 0.8, not 0.80000001."""
    return float(str(keras.ops.convert_to_numpy(variable)))


def _signature(rule):
    """What `help` shows of an optimizer's constructor."""
    static = {field.name: field.default for field in dataclasses.fields(rule)}
    named = {"weight_decay": None, "l2": None} | dict(rule.defaults) | static
    rate = inspect.Parameter(
        "learning_rate",
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        default=named.pop("learning_rate"),
    )
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in named.items()
    ]
    rest = inspect.Parameter("keras_arguments", inspect.Parameter.VAR_KEYWORD)
    return inspect.Signature([rate, *keywords, rest])
