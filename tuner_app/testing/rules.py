"""What any Keras optimizer should do, as tests to run on your own: with pytest, or by a call.

    class TestMine(RuleConformance):
        optimizer = MyRule              # a class, or a function that makes a new one
        reference = my_numpy_update     # where there is one: (x, g, state, t, learning_rate) -> x

    check_rule(MyRule)                  # the same tests; one AssertionError that names all failures

Only Keras's public interface is asked for, so that an optimizer that knows nothing of this package
can be tested, Keras's own among them. Where a rule has a good reason to differ, override that test
and say why.
"""

import functools
import inspect
import json
import numbers
import tempfile
from pathlib import Path

import keras
import numpy as np

from tuner_app.testing.keras_options import KerasOptions
from tuner_app.testing.problems import PROBLEMS
from tuner_app.testing.stacking import STACKING, alone, stacked, trained
from tuner_app.testing.stepping import Compiled, step, values_of, variables_at
from tuner_app.testing.trajectories import GRADIENTS, START, assert_equal, finite, number

_QUIET = [np.full(shape, 0.5) for shape in ((), (3,), (2, 1, 2, 3))] + [np.zeros((2, 3))]
_RATES = [4.0**-k for k in range(-3, 8)]


class RuleConformance(KerasOptions):
    """Tests of an optimizer.

    Attributes:
        optimizer: The class, or a function of keyword arguments that makes a new optimizer.
        arguments: Keyword arguments that every optimizer of the tests is made with.
        reference: The equations in NumPy, `reference(x, g, state, t, learning_rate) -> x`: one
            tensor, its gradient, a dict of its own that starts empty, and the step from 1. With
            `reference.whole = True` x and g are lists of all tensors. None: there is none.
        steps: Steps in which every shared problem should have got `fall` times better, at some
            learning rate.
        fall: See `steps`.
        stacks: Whether trials of it are to be trained stacked; if not, they must be refused, as
            all are on torch.
        settle: Good steps after which a NaN among the gradients should have shown itself.
    """

    optimizer = None
    arguments: dict = {}
    reference = None
    steps = 200
    fall = 5.0
    stacks = True
    settle = 4

    def __init_subclass__(cls, **arguments):
        super().__init_subclass__(**arguments)
        for name in ("optimizer", "reference"):
            if inspect.isfunction(vars(cls).get(name)):
                setattr(cls, name, staticmethod(vars(cls)[name]))

    def make(self, **arguments) -> keras.optimizers.Optimizer:
        """A new optimizer."""
        if self.optimizer is None:
            raise AssertionError("Say in `optimizer` which class is to be tested.")
        return self.optimizer(**{**self.arguments, **arguments})

    # The tests.

    def test_it_follows_its_reference(self):
        if self.reference is None:
            return
        rate = 2.0**-7  # the same number in every float type
        double = keras.backend.backend() != "jax" or _jax_has_float64()
        for dtype, tolerance in [("float32", 1e-4)] + [("float64", 1e-6)] * double:
            for problem in PROBLEMS:
                variables = variables_at(problem.start, dtype)
                optimizer, states = self.make(learning_rate=rate), [{} for _ in variables]
                for t in range(1, 21):
                    x = values_of(variables)
                    g = problem.gradient(x)
                    # Never so long that it diverges, and as the variables' type has them: what is
                    # tested is the update alone.
                    length = max(1.0, *(np.abs(a).max() for a in g))
                    g = [np.asarray(np.asarray(a / length, dtype), "float64") for a in g]
                    if getattr(self.reference, "whole", False):
                        want = self.reference(x, g, states[0], t, rate)
                    else:
                        trio = zip(x, g, states, strict=True)
                        want = [self.reference(a, b, s, t, rate) for a, b, s in trio]
                    got = step(optimizer, variables, g)
                    where = f"in {dtype}, problem {problem.name}, step {t}"
                    assert_equal(got, want, tolerance, f"does not follow its reference {where}")

    def test_it_converges(self):
        if not isinstance(self.arguments.get("learning_rate", 0.0), numbers.Real):
            rates = [None]  # a schedule of the user's
        else:
            usual = number(self.make().learning_rate)
            rates = sorted({usual, *_RATES}, key=lambda rate: abs(np.log(rate / usual)))
        made = [self.make() for _ in PROBLEMS]
        compiled = Compiled(made, [variables_at(problem.start) for problem in PROBLEMS])
        best = {problem.name: np.inf for problem in PROBLEMS}
        for rate in rates:
            compiled.reset()
            for optimizer in made:
                if rate is not None:
                    optimizer.learning_rate = rate
            for problem, left in zip(PROBLEMS, self._run(compiled), strict=True):
                best[problem.name] = min(best[problem.name], left)
            if max(best.values()) <= 1 / self.fall:
                break
        assert compiled.traces == 1, "a new learning rate had the step traced again"
        worse = {name: f"{left:.2g}" for name, left in best.items() if left > 1 / self.fall}
        assert not worse, (
            f"in {self.steps} steps the loss of {worse} of its start is left, at the best of "
            f"{len(rates)} learning rates; expected {1 / self.fall:g} at most"
        )

    def _run(self, compiled) -> list[float]:
        """For each problem, the share of its loss (above the least) that is left at the end."""
        points = [list(problem.start) for problem in PROBLEMS]
        first = [
            problem.loss(p) - problem.least for problem, p in zip(PROBLEMS, points, strict=True)
        ]
        left = [np.inf] * len(PROBLEMS)
        with np.errstate(all="ignore"):
            for t in range(self.steps):
                gradients = [p.gradient(x) for p, x in zip(PROBLEMS, points, strict=True)]
                points = compiled([[np.clip(a, -1e30, 1e30) for a in g] for g in gradients])
                if t >= self.steps - 10:  # the best of the last ones: a rule may swing
                    for i, (problem, x) in enumerate(zip(PROBLEMS, points, strict=True)):
                        share = (problem.loss(x) - problem.least) / first[i]
                        left[i] = min(left[i], share) if np.isfinite(share) else left[i]
        return left

    def test_saved_and_reloaded_it_takes_the_identical_next_step(self):
        optimizer = self._unusual()
        config = optimizer.get_config()
        assert json.loads(json.dumps(config)) == config, "get_config() is not plain JSON"
        named = set(_float_defaults(self.optimizer)) - set(config)
        assert not named, f"get_config() lacks {sorted(named)}: lost when a model is saved"
        model = trained(optimizer, steps=3)
        model.optimizer.learning_rate = number(model.optimizer.learning_rate) * 0.5
        trained(model, steps=1, first=3)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            loaded = keras.models.load_model(path, custom_objects=_named(optimizer))
        again, now = loaded.optimizer.get_config(), model.optimizer.get_config()
        differing = sorted(name for name in config if again.get(name) != now[name])
        assert not differing, f"after loading, {differing} of get_config() differ"
        # Like Keras's own, compiled anew: else one would be traced, and the other not.
        loaded.run_eagerly = model.run_eagerly
        for first in (4, 5, 6):
            want = trained(model, steps=1, first=first).get_weights()
            got = trained(loaded, steps=1, first=first).get_weights()
            for a, b in zip(got, want, strict=True):
                assert np.array_equal(a, b), f"step {first - 3} after loading is another"

    def _unusual(self):
        """An optimizer whose floats are not its defaults, so that one that is lost is seen."""
        usual = _float_defaults(self.optimizer)
        unusual = {name: 0.9 * value for name, value in usual.items() if name not in self.arguments}
        return self.make(**unusual)

    def test_a_new_learning_rate_needs_no_new_trace(self):
        settings = {"learning_rate": 0.5} | dict.fromkeys(self._live(), 0.9)
        compiled = Compiled([self.make()], [variables_at(START)])
        eager, variables = self.make(), variables_at(START)
        for gradients in GRADIENTS:
            got = compiled([gradients])[0]
            want = step(eager, variables, gradients)
            assert_equal(got, want, 1e-3, "compiled, it steps otherwise", since=START)
            for optimizer in (compiled.optimizers[0], eager):
                for name, factor in settings.items():
                    setattr(optimizer, name, number(getattr(optimizer, name)) * factor)
        assert compiled.traces == 1, f"traced again after {sorted(settings)} changed"

    def _live(self) -> list[str]:
        """Names of hyperparameters, but for the learning rate, that are variables."""
        return [
            name
            for name in _float_defaults(self.optimizer)
            if isinstance(getattr(self.make(), name, None), keras.Variable)
            and name != "learning_rate"
        ]

    def test_stacked_equals_alone(self):
        rates = [number(self.make().learning_rate) * factor for factor in (1.0, 0.5)]
        makers = [
            functools.partial(_at_rate, make, rate)
            for make, rate in zip((self.make, self._unusual), rates, strict=True)
        ]
        weights, refused = stacked(makers)
        if not self.stacks or keras.backend.backend() not in STACKING:
            assert refused, "it stacks: take `stacks = False` away"
            return
        assert not refused, f"it does not stack: {refused}"
        for maker, (start, got) in zip(makers, weights, strict=True):
            assert_equal(got, alone(maker), 1e-3, "a stacked trial differs from one alone", start)

    def test_sparse_gradients_are_refused_or_handled(self):
        tokens = np.array([[1, 4, 1], [6, 2, 4]])
        target = np.random.default_rng(4).normal(size=(2, 3, 2)).astype("float32")
        dense = np.zeros((7, 2))
        np.add.at(dense, tokens, target)  # of the sum of target times the looked-up rows
        start = [np.random.default_rng(3).normal(size=(7, 2))]
        optimizer, twins = self.make(), []
        for _ in range(2):
            twins.append(keras.layers.Embedding(7, 2, name="embedding"))
            twins[-1].build()
            twins[-1].set_weights(start)
        layer, variables = twins[0], twins[1].trainable_variables
        model = keras.Sequential([layer])
        model.compile(self.make(), lambda t, y: keras.ops.sum(t * y), run_eagerly=_eagerly())
        for _ in range(3):
            want = step(optimizer, variables, [dense])
            try:
                model.train_on_batch(tokens, target)
            except Exception:
                return  # refused
            got = [np.asarray(w, "float64") for w in layer.get_weights()]
            assert_equal(got, want, 1e-3, "an embedding's gradient acts otherwise", since=start)

    def test_gradients_of_zero(self):
        variables, optimizer = variables_at(_QUIET), self.make()
        for value in (0.0, 0.0, 0.0, 1.0, -0.5, 0.25):
            after = step(optimizer, variables, [np.full(s.shape, value) for s in _QUIET])
            assert finite(after), f"a gradient of {value:g} after zeros gives NaN"
        assert finite(values_of(optimizer.variables)), "zero gradients leave NaN in its state"

    def test_a_gradient_that_is_no_number_shows_itself_or_does_no_harm(self):
        variables, optimizer = variables_at(START), self.make()
        step(optimizer, variables, GRADIENTS[0])
        step(optimizer, variables, GRADIENTS[1])
        try:
            step(optimizer, variables, [np.full_like(START[0], np.nan), GRADIENTS[2][1]])
        except Exception:
            return  # refused
        for t in range(self.settle):
            after = step(optimizer, variables, GRADIENTS[t % 6])
        unharmed = finite(after) and finite(values_of(optimizer.variables))
        assert unharmed or not finite(after), (
            "after a NaN its state holds NaN while the weights look well: nobody would notice"
        )


def _at_rate(make, rate: float):
    optimizer = make()
    optimizer.learning_rate = rate
    return optimizer


def _eagerly() -> bool:
    return keras.backend.backend() == "tensorflow"


def _jax_has_float64() -> bool:
    import jax

    return bool(jax.config.jax_enable_x64)


def _named(optimizer) -> dict:
    return {type(optimizer).__name__: type(optimizer)}


def _float_defaults(optimizer) -> dict[str, float]:
    """The floats that its constructor takes by name, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(optimizer).parameters.items()
        if isinstance(parameter.default, float)
    }
