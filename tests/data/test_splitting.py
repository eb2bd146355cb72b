"""Which example goes where, and in what order."""

import numpy as np
import pytest

from tuner_app.data.batching import epoch_order
from tuner_app.data.moments import moments
from tuner_app.data.splitting import carve, check_classes, check_size, divide
from tuner_app.errors import UserError


@pytest.mark.parametrize("stratified", [False, True])
@pytest.mark.parametrize("size", [10, 97, 1797])
def test_every_example_is_in_exactly_one_part(size, stratified):
    labels = np.arange(size) % 3 if stratified else None
    parts = carve(size, (0.15, 0.15), seed=5, labels=labels)
    assert sorted(np.concatenate(parts)) == list(range(size))
    assert len(parts[1]) == pytest.approx(0.15 * size, abs=2)
    assert len(parts[2]) == pytest.approx(0.15 * size, abs=2)


def test_classes_keep_their_share_and_the_rarest_is_in_every_part():
    labels = np.repeat([0, 1, 2], [400, 97, 3])
    parts = carve(500, (0.15, 0.15), seed=0, labels=labels)
    counts = np.array([np.bincount(labels[part], minlength=3) for part in parts])
    assert counts[:, 2].tolist() == [1, 1, 1]
    assert counts[1].tolist() == [60, 15, 1]
    assert (counts.sum(axis=0) == [400, 97, 3]).all()


def test_rounding_does_not_add_up_over_many_small_classes():
    """100 classes of 10: 1.5 of each would be 2 of each, a fifth of the data for each split."""
    labels = np.arange(1000) % 100
    parts = carve(1000, (0.15, 0.15), seed=0, labels=labels)
    assert [len(part) for part in parts] == [700, 150, 150]
    for part in parts[1:]:
        assert set(np.bincount(labels[part], minlength=100)) == {1, 2}


def test_the_seed_alone_decides():
    same = [carve(200, (0.2,), seed=3, labels=np.arange(200) % 2) for _ in range(2)]
    other = carve(200, (0.2,), seed=4, labels=np.arange(200) % 2)
    assert all((a == b).all() for a, b in zip(*same, strict=True))
    assert set(same[0][1]) != set(other[1])


@pytest.mark.parametrize("validation", [None, 20])
@pytest.mark.parametrize("test", [None, 30])
def test_given_splits_are_kept_and_the_rest_is_carved_from_train(validation, test):
    labels = np.arange(200 + (validation or 0) + (test or 0)) % 4
    train, *held_out = divide(200, validation, test, seed=1, labels=labels)
    start = 200
    for part, size in zip(held_out, (validation, test), strict=True):
        if size is None:
            assert part.max() < 200 and len(part) == 30
        else:
            assert part.tolist() == list(range(start, start + size))
            start += size
    assert sorted(np.concatenate([train, *held_out])) == list(range(start))


def test_too_few_examples_and_rare_classes_are_refused():
    with pytest.raises(UserError, match="it has 1 example, too few to split"):
        check_size("it", 1)
    with pytest.raises(UserError, match="only one class, 'a'"):
        check_classes("it", ["a"], [50])
    with pytest.raises(
        UserError, match="class 'b' has 2 examples, and each class needs at least 3"
    ):
        check_classes("it", ["a", "b"], [50, 2])


def test_an_epoch_is_a_permutation_and_differs_from_the_next():
    orders = [epoch_order(50, 7, epoch) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert not (orders[0] == orders[1]).all() and not (orders[1] == orders[2]).all()
    assert not (orders[0] == epoch_order(50, 8, 0)).all()


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_moments_in_pieces_equal_numpys(pieces):
    random = np.random.default_rng(0)
    values = random.normal([1e6, 0, 3], [1, 5, 1e-3], (200, 3))
    values[random.random(values.shape) < 0.2] = np.nan
    mean, variance = moments(np.array_split(values, pieces))
    np.testing.assert_allclose(mean, np.nanmean(values, axis=0), rtol=1e-12)
    np.testing.assert_allclose(variance, np.nanvar(values, axis=0), rtol=1e-9)


def test_constant_and_empty_columns_have_variance_one():
    values = np.array([[0.1, np.nan]] * 7)
    mean, variance = moments([values[:3], values[3:]])
    np.testing.assert_allclose(mean, [0.1, 0], rtol=1e-15)
    assert variance.tolist() == [1, 1]
