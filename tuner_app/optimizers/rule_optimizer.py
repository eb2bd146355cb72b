"""The one adapter from update rules to `keras.optimizers.Optimizer`.

Everything Keras asks of an optimizer is here, once: slots as variables, dtypes, serialization,
clipping, averaging, gradient accumulation and decay masks. Hyperparameters are optimizer variables,
so they are saved with the weights, may differ by trial in a stack, and change without a retrace.
"""

import dataclasses
import numbers
from typing import ClassVar

import keras
from keras import ops

from tuner_app.errors import UserError
from tuner_app.optimizers.constructor import signature, sorted_arguments
from tuner_app.optimizers.rule import Rule
from tuner_app.optimizers.tensors import dense, plain


class RuleOptimizer(keras.optimizers.Optimizer):
    """A Keras optimizer made of a rule. Subclasses only name their `rule` and document it.

    Args:
        learning_rate: a number, a Keras LearningRateSchedule or a callable.
        weight_decay: decoupled decay: `learning_rate * weight_decay * w` is taken off each weight
            w before the rule's step. None: no decay; use 0.0 to set it later.
        l2: coupled L2 penalty: `l2 * w` is added to the gradient (after clipping) before the rule
            sees it. What follows, and `exclude_from_weight_decay`, holds for both.
        no_decay: names of variables that neither shrinks, regular expressions that match a whole
            name. The default is what Keras calls biases and the weights of normalization:
            "bias", "gamma", "beta", "scale". `()`: decay everything, as Keras does.
        no_decay_below: variables of fewer dimensions than this are not shrunk either. 2 leaves
            matrices and convolutions only.
        learning_rate_multipliers: a dict of regular expressions to numbers: the learning rate of
            a variable whose path contains the first that matches is multiplied by its number.
        **arguments: the rule's hyperparameters (numbers, or a LearningRateSchedule of the step)
            and static options, and Keras's own `clipnorm`, `clipvalue`, `global_clipnorm`,
            `use_ema`, `gradient_accumulation_steps` and so on.

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
        cls.__signature__ = signature(cls.rule)

    def __init__(self, learning_rate=None, **arguments):
        rule, options, values, arguments = sorted_arguments(type(self), arguments)
        if learning_rate is None:
            learning_rate = rule.defaults["learning_rate"]
        if isinstance(learning_rate, numbers.Real):
            rule.check("learning_rate", learning_rate)
            learning_rate = float(learning_rate)

        super().__init__(learning_rate, **arguments)
        if isinstance(self._learning_rate, keras.Variable):
            self._untrack_variable(self._learning_rate)
            self._learning_rate = self._add_scalar("learning_rate", learning_rate)
        self.rule, self.variable_options = rule, options
        # Their order matters: a saved optimizer lists its variables by number.
        self.hyperparameter_names = tuple(n for n in values if values[n] is not None)
        self.l2 = None
        for name in self.hyperparameter_names:
            scheduled = not isinstance(values[name], numbers.Real)
            value = values[name] if scheduled else self._add_scalar(name, values[name])
            super().__setattr__(name, value)

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
        elif name in self.__dict__.get("hyperparameter_names", ()) and current is not None:
            raise UserError(f"{name} follows a schedule, so it can't be set. Make it a number.")
        elif name in ("weight_decay", "l2") and value is not None and "rule" in self.__dict__:
            raise UserError(
                f"{name} was None when this optimizer was made, so it can't be set now. "
                f"Make it with {name}=0.0 and set it later."
            )
        else:
            super().__setattr__(name, value)

    @property
    def hyperparameters(self) -> dict[str, keras.Variable]:
        """The variables of the hyperparameters but for the learning rate, by name.

        Those that follow a schedule are not among them.
        """
        named = {name: getattr(self, name) for name in self.hyperparameter_names}
        return {name: v for name, v in named.items() if isinstance(v, keras.Variable)}

    def build(self, variables):
        """Makes each variable's slots, starting as the rule says."""
        if self.built:
            return
        super().build(variables)
        paths = [getattr(variable, "path", variable.name) for variable in variables]
        shapes = [tuple(variable.shape) for variable in variables]
        pairs = list(zip(paths, shapes, strict=True))
        self._rules = [self.rule.rule_for(path, shape) for path, shape in pairs]
        self._shrunk = [self.variable_options.shrinks(path, shape) for path, shape in pairs]
        self._multipliers = [self.variable_options.multiplier(path) for path in paths]
        self._slots = [
            self._add_slots(variable, rule)
            for variable, rule in zip(variables, self._rules, strict=True)
        ]
        start = self.rule.init_shared()
        self._shared_values = {name: self._add_scalar(name, x) for name, x in start.items()}

    def _add_slots(self, variable, rule):
        if self._overwrite_variable_with_gradient(variable):
            return {}
        dtype = self._compute_dtype(variable)
        path = getattr(variable, "path", variable.name).replace("/", "_").replace(":", "_")

        def starting_at(name):
            # The variable is read only when the slot is made: while a train step is traced, or in a
            # StatelessScope, it may not have its value yet.
            # A copy: JAX gives the buffers of both away.
            return lambda shape, dtype: ops.copy(rule.init_slots(dense(variable, dtype))[name])

        return {
            name: self.add_variable(
                shape=tuple(slot.shape),
                initializer=starting_at(name),
                dtype=dtype,
                layout=getattr(variable, "_layout", None) if slot.shape == variable.shape else None,
                name=f"{path}_{name}",
            )
            for name, slot in rule.init_slots(ops.zeros(variable.shape, dtype)).items()
        }

    def _apply_weight_decay(self, variables):
        """Nothing: `update_step` does it, in the update's dtype and with the multipliers."""

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # What all variables share is computed once, and handed on in the learning rate's place.
        dtypes = {self._compute_dtype(variable) for variable in trainable_variables}
        values = {dtype: self._step_values(learning_rate, dtype) for dtype in dtypes}
        if self.rule.shared is not None:
            results = self._run_shared(grads, trainable_variables, learning_rate)
            for dtype in dtypes:
                values[dtype][0].update({k: ops.cast(v, dtype) for k, v in results.items()})
        super()._backend_update_step(grads, trainable_variables, values)

    def _run_shared(self, grads, variables, learning_rate):
        strategy = getattr(self, "_distribution_strategy", None)
        if strategy is not None and strategy.num_replicas_in_sync > 1:
            raise UserError(
                f"{type(self).__name__} needs the gradients of all variables at once, which "
                "tf.distribute does not give while it trains on several replicas. "
                "Use one replica, or another optimizer."
            )
        dtype = max((self._compute_dtype(v) for v in variables), key=lambda d: int(d[5:]))
        hyperparameters, step = self._step_values(learning_rate, dtype)
        indices = [self._get_variable_index(variable) for variable in variables]
        params = [dense(variable, dtype) for variable in variables]
        grads = [
            self._penalized(dense(grad, dtype), param, index, variable, hyperparameters)
            for grad, param, index, variable in zip(grads, params, indices, variables, strict=True)
        ]
        slots = [{k: dense(v, dtype) for k, v in self._slots[i].items()} for i in indices]
        values = {name: dense(value, dtype) for name, value in self._shared_values.items()}
        results, values = self.rule.shared(params, grads, slots, values, hyperparameters, step)
        for name, variable in self._shared_values.items():
            variable.assign(ops.cast(values[name], variable.dtype))
        return results

    def _penalized(self, gradient, param, index, variable, hyperparameters):
        if self.l2 is None or not self._decays(variable, index):
            return gradient
        return gradient + hyperparameters["l2"] * param

    def _decays(self, variable, index):
        return self._shrunk[index] and self._use_weight_decay(variable)

    def update_step(self, gradient, variable, learning_rate):
        """One variable's step, by its rule."""
        dtype = self._compute_dtype(variable)
        if isinstance(learning_rate, dict):
            hyperparameters, step = learning_rate[dtype]
        else:
            hyperparameters, step = self._step_values(learning_rate, dtype)
        index = self._get_variable_index(variable)
        rule, slots = self._rules[index], self._slots[index]
        if self.variable_options.learning_rate_multipliers:
            rate = hyperparameters["learning_rate"] * self._multipliers[index]
            hyperparameters = hyperparameters | {"learning_rate": rate}
        param, gradient = dense(variable, dtype), dense(gradient, dtype)
        gradient = self._penalized(gradient, param, index, variable, hyperparameters)
        decays = self.weight_decay is not None and self._decays(variable, index)
        if rule.own_decay:
            if not decays:
                hyperparameters = hyperparameters | {"weight_decay": ops.zeros((), dtype)}
        elif decays:
            # x ← x − α λ x
            shrink = hyperparameters["learning_rate"] * hyperparameters["weight_decay"]
            param = param - shrink * param
        values = {name: dense(slot, dtype) for name, slot in slots.items()}
        param, values = rule.update(param, gradient, values, hyperparameters, step)
        self.assign(variable, ops.cast(param, variable.dtype))
        for name, slot in slots.items():
            self.assign(slot, values[name])

    def eval_param(self, variable):
        """The value of `variable` with which the model is to be evaluated and served."""
        if self.rule.eval_param is None or not self.built:
            return ops.convert_to_tensor(variable)
        dtype = self._compute_dtype(variable)
        index = self._get_variable_index(variable)
        if self._rules[index].eval_param is None:
            return ops.convert_to_tensor(variable)
        param = self._rules[index].eval_param(
            dense(variable, dtype),
            {name: dense(slot, dtype) for name, slot in self._slots[index].items()},
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
        named = {name: getattr(self, name) for name in self.hyperparameter_names}
        hyperparameters = {
            name: dense(value(self.iterations) if callable(value) else value, dtype)
            for name, value in {"learning_rate": learning_rate, **named}.items()
        }
        return hyperparameters, ops.cast(self.iterations + 1, dtype)

    def get_config(self):
        """Plain numbers and booleans, from which `from_config` makes an equal optimizer."""
        config = super().get_config() | {"weight_decay": None, "l2": None}
        if isinstance(self._learning_rate, keras.Variable):
            config["learning_rate"] = plain(self._learning_rate)
        for name in self.hyperparameter_names:
            value = getattr(self, name)
            scheduled = not isinstance(value, keras.Variable)
            config[name] = (
                keras.optimizers.schedules.serialize(value) if scheduled else plain(value)
            )
        return config | self.variable_options.config() | dataclasses.asdict(self.rule)
