"""Generators and the attacks in their latent space: against data whose shape is known, and on real digits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.inversion.white_boxes import digits, generators_shared, linear

from jaxattack.attacks.inversion import Gmi, Ppa, Prior
from jaxattack.attacks.inversion.generator.latent import Aim, descend_latent, generate
from jaxattack.attacks.inversion.generator.ppa import _views
from jaxattack.training.generators.gan import advance, start
from jaxattack.training.generators.learn import learn
from jaxattack.training.generators.prior import decode, networks, realness, unit
from jaxattack.types import InputError, Inputs

RNG = np.random.default_rng(0)
LINE = np.outer(RNG.random(200), np.tile([1.0, 0.5, 0.0], 20)).astype(np.float32)
"""Records on a line in sixty dimensions."""


@pytest.fixture(scope="module", autouse=True)
def _shared():
    with generators_shared():
        yield


TOLD = []


@pytest.fixture(scope="module")
def vae():
    return learn("vae", LINE, 2, 600, 0, lambda *what: TOLD.append(what))


@pytest.mark.parametrize("kind", ["vae", "dae"])
def test_an_autoencoder_makes_records_like_those_it_learnt_from_and_finds_them_more_real(kind, vae):
    # One number is all that a line has: of two, most codes would be those of no record.
    vae = vae if kind == "vae" else learn(kind, LINE, 1, 600, 0, None)
    z = np.random.default_rng(1).normal(size=(500, vae.networks.latent)).clip(-1.5, 1.5).astype(np.float32)
    u = np.asarray(decode(vae.networks, vae.variables, z))
    assert u.min() >= 0
    assert u.max() <= 1
    np.testing.assert_allclose(u[:, 1], 0.5 * u[:, 0], atol=0.12)
    assert u[:, 2].max() < 0.08
    assert np.std(u[:, 0]) > 0.1
    on, off = (np.asarray(realness(vae.networks, vae.variables, jnp.asarray(x))) for x in (LINE, LINE[:, ::-1].copy()))
    assert on.mean() > off.mean()


def test_a_gans_penalty_keeps_the_critics_slope_near_one_and_its_generator_near_the_data():
    nets = networks("gan", 2, 60)
    state = start(nets, jax.random.key(0))
    state = advance(nets, jnp.asarray(LINE), jax.random.key(1), state, jnp.int32(0), jnp.int32(150))
    slope = jax.vmap(jax.grad(lambda u: nets.critic.apply(state[0][1], u[None])[0, 0]))(jnp.asarray(LINE))
    assert 0.2 < float(jnp.linalg.norm(slope, axis=1).mean()) < 2
    z = jax.random.normal(jax.random.key(2), (500, 2))
    u = np.asarray(decode(nets, state[0], z))
    np.testing.assert_allclose(u.mean(axis=0), LINE.mean(axis=0), atol=0.2)


def test_training_tells_how_far_it_is(vae):
    assert TOLD == [("vae steps", 250, 600), ("vae steps", 500, 600), ("vae steps", 600, 600)]


def test_latent_descent_finds_the_made_record_that_a_linear_victim_likes_best(vae):
    """On the line the victim's logit rises with the first feature: the end of the line is the answer."""
    victim = linear(np.vstack([[[4.0, -4.0]], np.zeros((59, 2))]))
    found = descend_latent(
        victim, vae, Aim("margin", 1.0, 0.0), np.zeros((2, 2), np.float32), np.array([0, 1]), steps=200,
        learning_rate=0.05,
    )  # fmt: skip
    high, low = generate(vae, victim.inputs, found.best)
    assert high[0] > 0.85 > 0.15 > low[0]
    np.testing.assert_allclose(high[1], 0.5 * high[0], atol=0.1)


def test_views_are_shifts_with_repeated_edges():
    x = np.arange(12.0).reshape(1, 3, 4)
    views = _views(x)[0]
    np.testing.assert_array_equal(views[0], x[0])
    np.testing.assert_array_equal(views[1], x[0][[1, 2, 2]])
    np.testing.assert_array_equal(views[4], x[0][:, [0, 0, 1, 2]])
    assert _views(np.ones((2, 5))).shape == (2, 1, 5)


@pytest.mark.parametrize("attack", [Gmi(prior=Prior(steps=600), steps=200, restarts=4), Ppa(prior=Prior(steps=600))])
def test_real_digits_are_made_from_other_peoples(attack):
    victim = digits()
    found = attack(victim.inside, np.arange(10), pool=victim.pool)
    assert (victim.twin(found.x).label == np.arange(10)).mean() >= 0.9
    member = victim.dataset.x[victim.member]
    means = np.stack([member[victim.dataset.y[victim.member] == k].mean(axis=0).ravel() for k in range(10)])
    corr = [np.corrcoef(x.ravel(), mean)[0, 1] for x, mean in zip(found.x, means, strict=True)]
    assert np.mean(corr) > 0.6
    # What the generator makes without the victim is of no class that was asked for.
    assert len(found.draws) >= 32
    unguided = [np.corrcoef(x.ravel(), mean)[0, 1] for x in found.draws for mean in means]
    assert np.mean(unguided) < np.mean(corr) - 0.2


def test_bad_pools_are_refused():
    inputs = Inputs.box(0, 1, (60,))
    with pytest.raises(InputError, match="pool has 5 records"):
        unit(inputs, LINE[:5])
    with pytest.raises(InputError, match="NaN or infinity"):
        unit(inputs, np.full((20, 60), np.nan))
    with pytest.raises(InputError, match="give a pool"):
        Ppa()(linear(np.ones((3, 2))), np.array([0]))
    with pytest.raises(InputError, match="records of shape"):
        Gmi()(linear(np.ones((3, 2))), np.array([0]), pool=np.ones((20, 4)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Prior(kind="flow"), "kind is 'flow'"),
        (lambda: Prior(latent=0), "latent is 0"),
        (lambda: Gmi(weight=0), "weight is 0"),
        (lambda: Ppa(candidates=2), "candidates is 2 and restarts 8"),
        (lambda: Ppa(learning_rate=-1.0), "learning_rate is -1.0"),
    ],
)
def test_a_value_out_of_range_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()
