"""That Keras's own options act on an optimizer as they should: tests of `RuleConformance`."""

import keras
import numpy as np

from tuner_app.testing.stacking import trained
from tuner_app.testing.stepping import step, values_of, variables_at
from tuner_app.testing.trajectories import GRADIENTS, START, assert_equal, finite, number


class KerasOptions:
    """Clipping, averaging, gradient accumulation and mixed precision of what `make` makes."""

    def test_clipping(self):
        def clipped(limit, norm):
            return lambda gs: [g * min(1.0, limit / norm(g, gs)) for g in gs]

        def length(*arrays):
            return np.sqrt(sum((a**2).sum() for a in arrays))

        for options, clip in (
            ({"clipvalue": 0.3}, lambda gs: [np.clip(g, -0.3, 0.3) for g in gs]),
            ({"clipnorm": 0.3}, clipped(0.3, lambda g, gs: length(g))),
            ({"global_clipnorm": 0.3}, clipped(0.3, lambda g, gs: length(*gs))),
        ):
            one, other = variables_at(START), variables_at(START)
            with_option, by_hand = self.make(**options), self.make()
            for gradients in GRADIENTS:
                got = step(with_option, one, gradients)
                want = step(by_hand, other, clip(gradients))
            assert_equal(got, want, 1e-3, f"{options} does not clip", since=START)

    def test_averaging(self):
        variables, other = variables_at(START), variables_at(START)
        averaged, plain = self.make(use_ema=True, ema_momentum=0.75), self.make()
        average = None
        for gradients in GRADIENTS:
            got = step(averaged, variables, gradients)
            want = step(plain, other, gradients)
            assert_equal(got, want, 1e-5, "use_ema changes the training itself", since=START)
            pairs = zip(average or want, want, strict=True)
            average = [0.75 * a + 0.25 * x for a, x in pairs]
        averaged.finalize_variable_values(variables)
        got = values_of(variables)
        assert_equal(got, average, 1e-4, "use_ema does not end at the average", since=START)

    def test_gradient_accumulation(self):
        one, other = variables_at(START), variables_at(START)
        accumulating, plain = self.make(gradient_accumulation_steps=2), self.make()
        for first, second in zip(GRADIENTS[::2], GRADIENTS[1::2], strict=True):
            before = values_of(one)
            held = step(accumulating, one, first)
            assert all(map(np.array_equal, held, before)), "it moved before all were accumulated"
            got = step(accumulating, one, second)
            mean = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
            want = step(plain, other, mean)
        assert_equal(got, want, 1e-3, "accumulated gradients do not act as their mean", START)

    def test_mixed_precision(self):
        # Eagerly, Keras's own loss scaling fails on JAX, whatever it scales.
        if keras.backend.backend() != "jax":
            self._check_loss_scaling()
        model = trained(self.make(), steps=3, policy="mixed_bfloat16")
        for weight in model.trainable_variables:
            assert weight.dtype == "float32", f"under mixed precision {weight.path} lost its type"
        assert finite(model.get_weights()), "mixed_bfloat16 training gives NaN"

    def _check_loss_scaling(self):
        scaled = keras.optimizers.LossScaleOptimizer(self.make(), initial_scale=2.0**10)
        one, other, plain = variables_at(START), variables_at(START), self.make()
        scaled.build(one)
        for t, gradients in enumerate(GRADIENTS):
            if t == 3:
                before = values_of(one)
                overflow = [np.full_like(g, np.inf) for g in gradients]
                after = step(scaled, one, overflow)
                assert all(map(np.array_equal, after, before)), "an overflow is not skipped"
            scale = number(scaled.dynamic_scale)
            got = step(scaled, one, [scale * g for g in gradients])
            want = step(plain, other, gradients)
            assert_equal(got, want, 1e-4, "a scaled loss changes the step", since=START)
