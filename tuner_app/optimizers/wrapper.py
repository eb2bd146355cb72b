"""A rule that changes what another rule does: cautious, Lookahead, SAM, weight averaging."""

import copy
import dataclasses
import functools
import importlib
from collections.abc import Mapping
from typing import ClassVar

import keras

from tuner_app.errors import UserError
from tuner_app.optimizers.rule import Rule


@dataclasses.dataclass(frozen=True)
class Wrapper(Rule):
    """A rule around an inner one, which is named by the static option `inner`.

    The inner rule is that of a name of `tuner-app list optimizers`, or of a class that was
    registered by `keras.saving.register_keras_serializable`, as "package>Class". Its
    hyperparameters are the wrapper's too, beside the wrapper's own, and so are its slots.

    Attributes:
        own_defaults, own_ranges, own_fractions: the wrapper's own part of `defaults` and so on.
    """

    inner: str = "adamw"

    own_defaults: ClassVar[Mapping] = {}
    own_ranges: ClassVar[Mapping] = {}
    own_fractions: ClassVar[frozenset] = frozenset()

    def __post_init__(self):
        for name in set(self.own_defaults) & set(self.inner_rule.defaults):
            raise self._refused(f"both have a hyperparameter that is called {name}.")
        self.check_inner(self.inner_rule)

    def check_inner(self, inner: Rule) -> None:
        """Raises UserError where this wrapper can't be around that rule."""

    def _refused(self, reason):
        return UserError(
            f"{type(self).__name__.removesuffix('Rule')} can't be around {self.inner!r}: {reason}"
        )

    @property
    def inner_rule(self) -> Rule:
        return self.__dict__.get("_of_variable") or named(self.inner)

    @property
    def defaults(self):
        return dict(self.inner_rule.defaults) | self.own_defaults

    @property
    def ranges(self):
        return dict(self.inner_rule.ranges) | self.own_ranges

    @property
    def fractions(self):
        return self.inner_rule.fractions | self.own_fractions

    @property
    def double(self):
        return self.inner_rule.double

    @property
    def own_decay(self):
        return self.inner_rule.own_decay

    @property
    def shared(self):
        return self.inner_rule.shared

    @property
    def eval_param(self):
        return self.inner_rule.eval_param

    @property
    def averages(self):
        return self.inner_rule.averages

    def inner_point(self, param, slots, hyperparameters):
        """Where the inner rule has its variable evaluated."""
        at = self.inner_rule.eval_param
        return param if at is None else at(param, slots, hyperparameters)

    def init_slots(self, param):
        return self.inner_rule.init_slots(param)

    def init_shared(self):
        return self.inner_rule.init_shared()

    def rule_for(self, path, shape):
        inner = self.inner_rule.rule_for(path, shape)
        if inner is self.inner_rule:
            return self
        rule = copy.copy(self)
        object.__setattr__(rule, "_of_variable", inner)
        return rule

    def work(self, shape):
        return self.inner_rule.work(shape)

    def check(self, name, value):
        if name in self.own_defaults:
            super().check(name, value)
        else:
            self.inner_rule.check(name, value)


@functools.cache
def named(name: str) -> Rule:
    """The rule of a command-line name, or of a registered class.

    Raises:
        UserError: there is none.
    """
    from tuner_app.optimizers.rule_optimizer import RuleOptimizer

    if ">" in name:
        found = keras.saving.get_registered_object(name)
    else:
        try:
            # Not by `get`, since the package may still be importing this very rule.
            module = importlib.import_module(f"tuner_app.optimizers.{name}")
        except (ImportError, TypeError):
            module = None
        found = next(
            (
                item
                for item in vars(module).values()
                if getattr(item, "__module__", None) == module.__name__
                and isinstance(item, type)
                and issubclass(item, RuleOptimizer)
            )
            if module
            else iter(()),
            None,
        )
    rule = getattr(found, "rule", None)
    if rule is None:
        raise UserError(
            f"inner is {name!r}, expected a name from `tuner-app list optimizers` or a registered "
            "optimizer class as 'package>Class'."
        )
    return rule
