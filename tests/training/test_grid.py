"""Networks of a grid learn in one program what each would learn alone, from a plain optimizer and plain batches."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxattack.models.attribute_grid import ATTRIBUTES, Codes, GridNetwork
from jaxattack.training.grid import BATCH, GridRecipe, schedule, share_of, train_grid
from jaxattack.types import Dataset, InputError

GRID = GridNetwork(shape=(4, 4, 1), classes=2, filters=2, width=3)
RECIPE = GridRecipe(steps=8, sgd=0.05, momentum=0.8, adam=0.01, rmsprop=0.01)
CODES = np.array([[0, 0, 1, 1, 2, 0, 0, 0, 0], [1, 0, 0, 0, 1, 1, 1, 1, 1], [3, 0, 1, 1, 0, 2, 2, 2, 6]], np.int32)


def dataset(records, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(records) % 2
    x = rng.integers(0, 120, (records, 4, 4, 1)) + 100 * y[:, None, None, None]
    return Dataset(x=x.astype(np.uint8), y=y, classes=2, name="blocks")


@pytest.fixture(scope="module")
def trained():
    pool, fresh = dataset(160), dataset(40, seed=1)
    return pool, next(train_grid(GRID, RECIPE, pool, fresh, CODES, np.arange(3), chunk=4, seed=5))


@jax.jit
def gradient(weights, codes, patches, y):
    """Of the mean loss of a batch, by no optimizer's way."""

    def loss(weights):
        return optax.softmax_cross_entropy_with_integer_labels(GRID.logits(weights, codes, patches), y).mean()

    return jax.grad(loss)(weights)


def step(optimizer, state, slope, number):
    """The change of a weight, written out in NumPy, by SGD with momentum, Adam (Kingma and Ba 2015) or RMSprop (Hinton)."""
    first, second = state.get("first", 0), state.get("second", 0)
    if optimizer == 0:
        state["first"] = slope + 0.8 * first
        return -0.05 * state["first"]
    if optimizer == 1:
        state["first"], state["second"] = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        size = np.sqrt(state["second"] / (1 - 0.999**number)) + 1e-8
        return -0.01 * state["first"] / (1 - 0.9**number) / size
    state["second"] = 0.9 * second + 0.1 * slope**2
    return -0.01 * slope / np.sqrt(state["second"] + 1e-8)


def alone(codes, pool, net):
    """The same network without the program: batches of 64, 128 or 256 records, and one optimizer."""
    code = Codes(*(int(each) for each in codes))
    start, _ = jax.random.split(jax.random.fold_in(jax.random.key(5), net))
    weights = jax.tree.map(np.asarray, GRID.init(start, jnp.asarray(codes)))
    patches, y = GRID.patches(jnp.asarray(pool.x, jnp.float32) / 127.5 - 1), jnp.asarray(pool.y)
    states = [{} for _ in weights]
    order = schedule(code.data, len(pool), RECIPE.steps, seed=5, net=net)
    for number, rows in enumerate(order.reshape(-1, BATCH * 2**code.batch), start=1):
        parts = [gradient(weights, jnp.asarray(codes), patches[part], y[part]) for part in rows.reshape(-1, BATCH)]
        slopes = jax.tree.map(lambda *each: np.mean(each, axis=0), *parts)
        moves = [step(code.optimizer, *each, number) for each in zip(states, slopes, strict=True)]
        weights = type(weights)(*(np.float32(w + move) for w, move in zip(weights, moves, strict=True)))
    return weights


@pytest.mark.parametrize("net", range(3))
def test_a_network_of_the_zoo_is_the_one_trained_alone(trained, net):
    pool, chunk = trained
    ours = jax.tree.map(lambda leaf: leaf[net], chunk.weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), ours, alone(CODES[net], pool, net))


def test_a_network_does_not_depend_on_the_chunk(trained):
    pool, chunk = trained
    own = next(train_grid(GRID, RECIPE, pool, dataset(40, seed=1), CODES[1:2], np.array([1]), chunk=4, seed=5))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a[0], b[1]), own.weights, chunk.weights)


def test_shares_are_all_records_halves_and_quarters():
    names = ATTRIBUTES[-1].values
    rows = {name: np.arange(100)[share_of(number, 100)] for number, name in enumerate(names)}
    assert len(rows["all"]) == 100
    np.testing.assert_array_equal(np.concatenate([rows["half 0"], rows["half 1"]]), rows["all"])
    np.testing.assert_array_equal(np.concatenate([rows[f"quarter {number}"] for number in range(4)]), rows["all"])


def test_each_pass_sees_every_record_of_the_share_once():
    order = schedule(1, 2 * 96, 6, seed=0, net=3).ravel()
    for start in range(0, len(order) - 95, 96):
        np.testing.assert_array_equal(np.sort(order[start : start + 96]), np.arange(96))
    assert (schedule(1, 192, 6, seed=0, net=3) != schedule(1, 192, 6, seed=0, net=4)).any()


def test_too_few_records_are_refused():
    with pytest.raises(InputError, match="has 40 records to train on"):
        next(train_grid(GRID, RECIPE, dataset(40), dataset(8), CODES, np.arange(3), chunk=3))
    with pytest.raises(InputError, match="momentum is 1"):
        GridRecipe(momentum=1.0)
