"""A missing record read off the weights of a network, by an adversary who knows all others."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits

import jaxattack as ja
from jaxattack import Dataset, InputError, Recipe, Variables
from jaxattack.attacks.reconstruction.informed import fixed_start, nearest_other, train_shadows
from jaxattack.attacks.reconstruction.reconstructor import Reconstructor

RECIPE = Recipe(epochs=15, batch=64, optimizer="sgd", learning_rate=0.2)
CONFIG = Reconstructor(components=100, width=96, epochs=40, batch=32)
SMALL = Reconstructor(components=20, width=16, epochs=3)


def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return Dataset(x=(x[order] / 16).astype(np.float32), y=y[order], classes=10, name="digits")


@pytest.fixture(scope="module")
def shadows():
    """The fixed records, the others, and a network of 8 tanh units for each of the others."""
    both = digits()
    fixed, others = both.take(np.arange(60)), both.take(np.arange(60, 410))
    model = fixed_start(ja.models.build("mlp:8", (64,), 10, activation="tanh"), 3)
    return fixed, others, train_shadows(model, RECIPE, fixed, others)


def cut(variables, models):
    return jax.tree.map(lambda leaf: leaf[models], variables)


def test_reconstructions_are_closer_than_the_nearest_record_that_is_known(shadows):
    fixed, others, variables = shadows
    taught, victims = np.arange(300), np.arange(300, 350)
    fitted = CONFIG.fit(cut(variables, taught), others.x[taught])
    found = fitted(cut(variables, victims))
    error = ((found - others.x[victims]) ** 2).mean(axis=1)
    baseline = nearest_other(others.x[victims], np.concatenate([fixed.x, others.x[taught]]))
    assert found.shape == (50, 64)
    assert (error < baseline).mean() >= 0.8
    assert fitted.loss[-1] < fitted.loss[0] / 3


def test_shadow_models_start_alike_and_a_record_moves_the_kernel_along_itself(shadows):
    fixed, others, variables = shadows
    model = fixed_start(ja.models.build("mlp:8", (64,), 10, activation="tanh"), 3)
    first, second = model.init(jax.random.key(0)), model.init(jax.random.key(1))
    assert jax.tree.all(jax.tree.map(np.array_equal, first, second))
    # What is orthogonal to every known record has moved along the other record alone.
    moved = np.asarray(variables.params["layers"][0]["kernel"])[0] - np.asarray(first.params["layers"][0]["kernel"])
    basis = np.linalg.qr(fixed.x.T.astype(float), mode="complete")[0][:, np.linalg.matrix_rank(fixed.x) :]
    left, other = basis.T @ moved, basis.T @ others.x[0]
    along = np.outer(other, other @ left) / (other @ other)
    assert np.linalg.norm(left - along) < 1e-3 * np.linalg.norm(moved)


def test_the_same_seed_makes_the_same_reconstructor(shadows):
    _, others, variables = shadows
    victims = cut(variables, np.arange(5))
    one, same, other = (SMALL.fit(variables, others.x, seed=seed)(victims) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_records_keep_their_shape_and_range(shadows):
    _, others, variables = shadows
    images = 255 * others.x.reshape(-1, 8, 8, 1)
    fitted = SMALL.fit(variables, images)
    found = fitted(cut(variables, np.arange(7)))
    assert found.shape == (7, 8, 8, 1)
    assert 0 <= found.min() < 100 < found.max() <= 255


def test_parameters_that_read_no_record_are_enough_for_a_start():
    # Parameters without a matrix over features: the record is a linear function of them.
    rng = np.random.default_rng(0)
    records = rng.standard_normal((400, 6)).astype(np.float32)
    told = Variables({"told": records @ rng.standard_normal((6, 9)).astype(np.float32)}, {})
    config = Reconstructor(components=9, width=64, epochs=60)
    fitted = config.fit(cut(told, np.arange(300)), records[:300])
    error = ((fitted(cut(told, np.arange(300, 400))) - records[300:]) ** 2).mean()
    assert error < 0.1 * records.var()


def test_the_nearest_other_is_what_a_loop_finds():
    rng = np.random.default_rng(0)
    target, other = rng.standard_normal((4, 3, 2)), rng.standard_normal((9, 3, 2))
    expected = [min(((a - b) ** 2).mean() for b in other) for a in target]
    np.testing.assert_allclose(nearest_other(target, other), expected)


@pytest.mark.parametrize("name", ["components", "width", "epochs", "batch", "learning_rate"])
def test_a_reconstructor_out_of_range_is_refused(name):
    with pytest.raises(InputError, match=f"{name} is 0"):
        Reconstructor(**{name: 0})


def test_what_does_not_fit_is_refused(shadows):
    fixed, others, variables = shadows
    with pytest.raises(InputError, match="one for each shadow model"):
        SMALL.fit(variables, others.x[:20])
    with pytest.raises(InputError, match="at least ten"):
        SMALL.fit(cut(variables, np.arange(5)), others.x[:5])
    same = jax.tree.map(lambda leaf: np.repeat(leaf[:1], 20, axis=0), variables)
    with pytest.raises(InputError, match="all equal"):
        SMALL.fit(same, others.x[:20])
    fitted = SMALL.fit(variables, others.x)
    with pytest.raises(InputError, match="give models alike"):
        fitted(Variables({"kernel": np.zeros((1, 64, 10))}, {}))
    with pytest.raises(InputError, match="diverged"):
        fitted(jax.tree.map(lambda leaf: leaf[:1] * np.nan, variables))
    narrow = Dataset(x=others.x[:, :9], y=others.y, classes=10, name="narrow")
    with pytest.raises(InputError, match="records of one kind"):
        train_shadows(ja.models.build("softmax", (64,), 10), RECIPE, fixed, narrow)
