"""The conformance suite of rules: on ours, on Keras's, and on some that are broken on purpose."""

import keras
import pytest
from keras import ops

from tuner_app import catalogue, optimizers
from tuner_app.population import CannotStack
from tuner_app.testing import RuleConformance, check_rule


def momentum(x, g, state, t, learning_rate):
    state["v"] = 0.9 * state.get("v", 0.0) + g
    return x - learning_rate * state["v"]


class TestMomentum(RuleConformance):
    optimizer = optimizers.Momentum
    reference = momentum


@pytest.mark.parametrize("name", catalogue.names("optimizers"))
def test_no_gradient_and_gradients_that_are_no_numbers(name):
    class Rule(RuleConformance):
        optimizer = optimizers.get(name)

    Rule().test_gradients_of_zero()
    Rule().test_a_gradient_that_is_no_number_shows_itself_or_does_no_harm()


class Descent(keras.optimizers.Optimizer):
    """Gradient descent with a memory, right in all: the broken ones differ from it in one thing."""

    def __init__(self, learning_rate=0.01, memory=0.5, **options):
        super().__init__(learning_rate, **options)
        self.memory = memory

    def build(self, variables):
        super().build(variables)
        self.means = self.add_optimizer_variables(variables, "mean")

    def direction(self, gradient, mean):
        return mean

    def update_step(self, gradient, variable, learning_rate):
        gradient = ops.convert_to_tensor(gradient)
        mean = self.means[self._get_variable_index(variable)]
        rate = ops.cast(learning_rate, variable.dtype)
        self.assign(mean, self.memory * mean + gradient)
        self.assign_sub(variable, rate * self.direction(gradient, mean))

    def get_config(self):
        return super().get_config() | {"memory": self.memory}


class Ascent(Descent):
    def direction(self, gradient, mean):
        return -mean


class Forgetful(Descent):
    def get_config(self):
        return keras.optimizers.Optimizer.get_config(self)


class Untracked(Descent):
    def build(self, variables):
        keras.optimizers.Optimizer.build(self, variables)
        self.means = [keras.Variable(ops.zeros(v.shape)) for v in variables]
        self._untracked = [self.means]

    def save_own_variables(self, store):
        """Forgets its means."""

    def load_own_variables(self, store):
        """Forgets its means."""


class Unclipped(Descent):
    def _clip_gradients(self, grads):
        return grads


class Unaveraged(Descent):
    def finalize_variable_values(self, variables):
        """Leaves them."""


class Hurried(Descent):
    def __init__(self, *arguments, gradient_accumulation_steps=None, **options):
        super().__init__(*arguments, **options)


class Normed(Descent):
    def direction(self, gradient, mean):
        return gradient / ops.sqrt(ops.sum(gradient * gradient))


class Hiding(Descent):
    def direction(self, gradient, mean):
        return ops.where(ops.isfinite(mean), mean, ops.zeros_like(mean))


class Fixed(Descent):
    """Counts its steps in Python: compiled, it stands at the first."""

    def update_step(self, gradient, variable, learning_rate):
        self.count = getattr(self, "count", 0) + 1
        super().update_step(gradient, variable, learning_rate / self.count)


class Squaring(Descent):
    """As Keras's own Adam: rows that occur twice in a batch are squared before they are added."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * ops.square(gradient))


BROKEN = {
    "it_follows_its_reference": Ascent,
    "it_converges": Ascent,
    "saved_and_reloaded_it_takes_the_identical_next_step": Forgetful,
    "saved_and_reloaded_it_takes_the_identical_next_step ": Untracked,
    "clipping": Unclipped,
    "averaging": Unaveraged,
    "gradient_accumulation": Hurried,
    "gradients_of_zero": Normed,
    "a_gradient_that_is_no_number_shows_itself_or_does_no_harm": Hiding,
    "a_new_learning_rate_needs_no_new_trace": Fixed,
    "sparse_gradients_are_refused_or_handled": Squaring,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found_out(name):
    test = f"test_{name.strip()}"

    class Right(RuleConformance):
        optimizer = Descent
        arguments = {"memory": 0.25}
        steps = 50

        def reference(x, g, state, t, learning_rate):
            state["v"] = 0.25 * state.get("v", 0.0) + g
            return x - learning_rate * state["v"]

    class Wrong(Right):
        optimizer = BROKEN[name]

    getattr(Right(), test)()
    with pytest.raises(AssertionError):
        getattr(Wrong(), test)()


def test_a_call_names_all_that_failed(monkeypatch):
    for name in [n for n in dir(RuleConformance) if n.startswith("test_")]:
        if name not in ("test_clipping", "test_averaging", "test_gradients_of_zero"):
            monkeypatch.setattr(RuleConformance, name, lambda self: None)

    class Both(Unclipped, Unaveraged):
        pass

    with pytest.raises(
        AssertionError, match=r"Both: 2 of 12 tests failed:\n  averaging: .*\n.*clip"
    ):
        check_rule(Both, memory=0.25)
    check_rule(Descent, memory=0.25)


def test_what_does_not_stack_is_to_be_refused():
    class Rule(RuleConformance):
        optimizer = Fixed
        stacks = False

    Rule().test_stacked_equals_alone()


def test_on_a_backend_without_stacks_only_the_refusal_is_asked_for(monkeypatch):
    def refused(*arguments, **options):
        raise CannotStack("this backend has no stacked form")

    class Rule(RuleConformance):
        optimizer = Descent

    monkeypatch.setattr("tuner_app.population.Population", refused)
    with pytest.raises(AssertionError, match="no stacked form"):
        Rule().test_stacked_equals_alone()
    monkeypatch.setattr("tuner_app.testing.rules.STACKING", ())
    Rule().test_stacked_equals_alone()
