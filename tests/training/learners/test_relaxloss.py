from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax

from jaxattack.models import build
from jaxattack.training.learners import RelaxLoss, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(1)
LOGITS = RNG.standard_normal((12, 4)) * 2
Y = np.where(np.arange(12) % 2, LOGITS.argmax(axis=1), RNG.integers(0, 4, 12))
WEIGHT = np.array([1.0] * 10 + [0.0] * 2)


def value(loss, epoch, logits=LOGITS, weight=WEIGHT):
    return float(loss(jnp.asarray(logits, jnp.float32), jnp.asarray(Y), jnp.asarray(weight, jnp.float32), epoch, 0.0))


def naive(loss, epoch):
    """The rule as the paper's Algorithm 1 states it, a record at a time, in float64."""
    log_p = log_softmax(LOGITS, axis=1)
    members = [i for i in range(12) if WEIGHT[i]]
    mean = np.mean([-log_p[i, Y[i]] for i in members])
    if epoch % 2 == 0:
        return abs(mean - loss.alpha)
    if mean > loss.alpha:
        return mean
    total = 0.0
    for i in members:
        target = np.full(4, (1 - min(np.exp(log_p[i, Y[i]]), loss.upper)) / 3)
        target[Y[i]] = min(np.exp(log_p[i, Y[i]]), loss.upper)
        wrong = LOGITS[i].argmax() != Y[i]
        total += wrong * -(target * log_p[i]).sum() + log_p[i, Y[i]]
    return total / len(members)


@pytest.mark.parametrize("epoch", [0, 1, 2, 3])
@pytest.mark.parametrize("alpha", [0.5, 20.0])
@pytest.mark.parametrize("upper", [0.3, 1.0])
def test_a_batch_costs_what_the_rule_says(epoch, alpha, upper):
    loss = RelaxLoss(alpha=alpha, upper=upper)
    assert value(loss, epoch) == pytest.approx(naive(loss, epoch), rel=1e-5)


def test_the_softened_gradient_is_known_in_closed_form():
    loss = RelaxLoss(alpha=20.0, upper=0.3)
    logits = jnp.asarray(LOGITS, jnp.float32)
    slope = np.asarray(jax.grad(lambda z: loss.softened(z, jnp.asarray(Y)).sum())(logits))
    p, onehot = np.exp(log_softmax(LOGITS, axis=1)), np.eye(4)[Y]
    own = np.minimum(p[np.arange(12), Y], 0.3)
    target = np.where(onehot == 1, own[:, None], (1 - own[:, None]) / 3)
    wrong = LOGITS.argmax(axis=1) != Y
    assert 0 < wrong.sum() < 12
    np.testing.assert_allclose(slope, np.where(wrong[:, None], onehot - target, onehot - p), atol=1e-6)


def test_the_authors_code_lets_gradients_through_the_target():
    logits = jnp.asarray(LOGITS, jnp.float32)
    slopes = [
        np.asarray(jax.grad(lambda z, loss=loss: loss.softened(z, jnp.asarray(Y)).sum())(logits))
        for loss in (RelaxLoss(), RelaxLoss(stop_gradient=False))
    ]
    wrong = LOGITS.argmax(axis=1) != Y
    assert np.abs(slopes[0] - slopes[1])[wrong].max() > 0.01
    np.testing.assert_allclose(slopes[0][~wrong], slopes[1][~wrong], atol=1e-6)


def test_the_loss_of_members_is_held_at_alpha():
    x = jnp.asarray(RNG.standard_normal((40, 8)), jnp.float32)
    y = jnp.asarray(RNG.integers(0, 4, 40), jnp.int32)
    member = Membership(jnp.arange(40, dtype=jnp.int32), jnp.ones(40))
    model = build("mlp:32", (8,), 4)
    mean = {}
    for name, learner in (
        ("plain", Standard(recipe=Recipe(epochs=150, batch=20, learning_rate=0.02))),
        ("held", Standard(recipe=Recipe(epochs=150, batch=20, learning_rate=0.02), loss=RelaxLoss(alpha=0.7))),
    ):
        learnt = jax.jit(learner, static_argnums=0)(model, x, y, member, jax.random.key(0))
        log_p = jax.nn.log_softmax(model.apply(learnt, x))
        mean[name] = float(-jnp.take_along_axis(log_p, y[:, None], axis=1).mean())
    assert mean["plain"] < 0.05
    assert 0.4 < mean["held"] < 1.0


@pytest.mark.parametrize(("field", "bad"), [("alpha", 0.0), ("upper", 1.5), ("upper", 0.0), ("alpha", np.inf)])
def test_a_value_out_of_range_is_refused(field, bad):
    with pytest.raises(InputError, match=f"{field} is {bad}"):
        RelaxLoss(**{field: bad})
