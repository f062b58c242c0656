"""Poison Frogs against its closed form, gradient matching against autodiff by hand, and what both refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.poisoning.small import digits, linear, surrogate, table, target

from jaxattack.attacks.poisoning import PoisonFrogs, WitchesBrew
from jaxattack.attacks.poisoning.features import features
from jaxattack.attacks.poisoning.influence import SoftmaxRegression
from jaxattack.attacks.poisoning.poison_frogs import _collide
from jaxattack.attacks.poisoning.witches_brew import gradient, mismatch
from jaxattack.types import InputError, Model, Surrogate, Target, Variables


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_with_linear_features_the_poison_is_the_ridge_solution(beta):
    rng = np.random.default_rng(0)
    base, aim = rng.normal(size=(3, 6)).astype(np.float32), rng.normal(size=(1, 6)).astype(np.float32)
    model, variables = linear()
    a = np.asarray(variables.params["a"][0], np.float64).T  # phi = A x
    wide = np.full(6, 100.0, np.float32)
    crafted, _ = _collide(model, variables, base, aim, -wide, wide, beta, 3000)
    for b, x in zip(base.astype(np.float64), np.asarray(crafted), strict=True):
        t = aim[0].astype(np.float64)
        f, d = ((a @ (b - t)) ** 2).sum(), ((b - t) ** 2).sum()
        expected = np.linalg.solve(2 * a.T @ a / f + beta / d * np.eye(6), 2 * a.T @ a @ t / f + beta * b / d)
        np.testing.assert_allclose(x, expected, atol=5e-4)


def test_features_are_the_input_of_the_last_layer():
    model, variables = linear()
    one = jax.tree.map(lambda leaf: leaf[0], variables)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6)), jnp.float32)
    np.testing.assert_allclose(features(model, one, x), x @ one.params["a"], rtol=1e-5)


@pytest.mark.parametrize("watermark", [0.0, 0.3])
def test_frogs_collide_keep_their_label_and_the_range(watermark):
    train, own, _ = digits()
    aim = target()
    poison = PoisonFrogs(watermark=watermark)(train, 4, own=own, surrogate=surrogate(), target=aim)
    assert (poison.y == aim.wanted).all()
    assert (poison.replaces == -1).all()
    assert poison.x.dtype == np.uint8
    assert poison.notes["features: way left"] < 0.3
    poisoned, role = poison.apply(train)
    assert len(poisoned) == len(train) + 4
    assert role[-4:].all()
    assert not role[:-4].any()
    assert PoisonFrogs(watermark=watermark).name == ("poison-frogs-watermark" if watermark else "poison-frogs")


def test_mismatch_is_one_less_the_cosine_of_mean_gradients():
    train, _, _ = digits()
    model, variables = surrogate()
    one = jax.tree.map(lambda leaf: leaf[0], variables)
    x, y = jnp.asarray(train.x[:3], jnp.float32) / 127.5 - 1, jnp.asarray(train.y[:3], jnp.int32)
    flat = lambda x, y: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(gradient(model, one, x, y))])  # noqa: E731
    own = np.mean([flat(x[i : i + 1], y[i : i + 1]) for i in range(3)], axis=0)  # the mean, not the sum
    two = jnp.asarray([2])
    wanted = flat(x[:1], two)
    expected = 1 - own @ wanted / np.linalg.norm(own) / np.linalg.norm(wanted)
    actual = mismatch(model, one, x, y, gradient(model, one, x[:1], two))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("size", [16 / 255, 0.05])
def test_gradients_are_matched_within_the_size_and_the_label_stays(size):
    """Changes of 12.75 bytes came out as 13: pixels were rounded to the nearest, and not toward the record."""
    train, own, _ = digits()
    aim = target()
    attack = WitchesBrew(size=size, steps=40, restarts=2, surrogates=2)
    poison = attack(train, 12, own=own, surrogate=surrogate(), target=aim)
    moved = np.abs(poison.x.astype(int) - train.x[poison.replaces].astype(int))
    assert size * 255 - 1 < moved.max() <= size * 255
    assert (poison.y == train.y[poison.replaces]).all()
    assert (poison.y == aim.wanted).all()
    assert poison.notes["cosine after"] > poison.notes["cosine before"] + 0.1
    again = attack(train, 12, own=own, surrogate=surrogate(), target=aim)
    np.testing.assert_array_equal(again.x, poison.x)


def test_victims_trained_on_matched_gradients_take_near_targets_for_the_wanted_class():
    train, own, others = table(120), table(60, seed=1), table(60, seed=2)
    regression = SoftmaxRegression.fit(train.x, train.y, 2, 1e-2)
    weight = jnp.asarray(regression.weight, jnp.float32)
    variables = Variables({"weight": weight[None, :-1], "bias": weight[None, -1]}, {})

    def apply(variables, x):
        return x @ variables.params["weight"] + variables.params["bias"][None]

    box = Surrogate(Model(lambda _: variables, apply, lambda variables, x, _: (apply(variables, x), {})), variables)
    margin = (others.x @ regression.weight[:-1] + regression.weight[-1]) @ [-1, 1] * (2 * others.y - 1)
    near = np.flatnonzero(margin > 0)[np.argsort(margin[margin > 0])][:4]  # right before, and not far from the boundary
    attack, taken, cosines = WitchesBrew(size=0.5, steps=60, restarts=1, surrogates=1), [], []
    for place in near:
        aim = Target(others.x[place], int(others.y[place]), 1 - int(others.y[place]))
        poison = attack(train, 24, own=own, surrogate=box, target=aim)
        poisoned, _ = poison.apply(train)
        victim = SoftmaxRegression.fit(poisoned.x, poisoned.y, 2, 1e-2)  # from scratch
        taken.append((aim.x @ victim.weight[:-1] + victim.weight[-1]).argmax() == aim.wanted)
        cosines.append(poison.notes["cosine after"] - poison.notes["cosine before"])
    assert np.mean(taken) >= 0.5
    assert min(cosines) > 0


@pytest.mark.parametrize("attack", [PoisonFrogs(), WitchesBrew()])
def test_without_what_it_needs_a_targeted_attack_says_so(attack):
    train = table()
    with pytest.raises(InputError, match="give a surrogate"):
        attack(train, 1, own=train, target=target())
    with pytest.raises(InputError, match="give a target"):
        attack(train, 1, own=train, surrogate=linear())
    with pytest.raises(InputError, match="want another class"):
        attack(train, 1, own=train, surrogate=linear(), target=Target(train.x[0], 1, 1))
