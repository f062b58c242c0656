"""The loss of HAMP against its definition, its gradient in closed form, and where training leaves confidences."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from scipy.stats import entropy

from jaxattack.models import build
from jaxattack.training.learners import CrossEntropy, HighEntropy, Standard
from jaxattack.training.learners.high_entropy import label_mass
from jaxattack.training.recipe import Recipe
from jaxattack.types import InputError, Membership

RNG = np.random.default_rng(1)
CLASSES = 4
LOGITS = RNG.standard_normal((12, CLASSES)) * 2
Y = RNG.integers(0, CLASSES, 12)
WEIGHT = np.array([1.0] * 10 + [0.0] * 2)


def naive_target(gamma, classes, label):
    """A one-hot label lowered step by step."""
    hundredths = 100
    while True:
        target = np.full(classes, (1 - hundredths / 100) / (classes - 1))
        target[label] = hundredths / 100
        if entropy(target) >= gamma * np.log(classes):
            return target
        hundredths -= 1


def value(loss, epoch=0):
    arrays = jnp.asarray(LOGITS, jnp.float32), jnp.asarray(Y), jnp.asarray(WEIGHT, jnp.float32)
    return float(loss(*arrays, epoch, 0.0))


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("formula", ["paper", "reference_code"])
def test_a_batch_costs_what_the_definition_says(gamma, alpha, formula):
    costs = []
    for row, label in zip(LOGITS[:10], Y[:10], strict=True):
        log_p, target = log_softmax(row), naive_target(gamma, CLASSES, label)
        divergence = entropy(target, np.exp(log_p)) / (CLASSES if formula == "reference_code" else 1)
        costs.append(divergence - alpha * entropy(np.exp(log_p)))
    loss = HighEntropy(gamma=gamma, alpha=alpha, formula=formula)
    assert value(loss) == pytest.approx(np.mean(costs), rel=1e-5)


@pytest.mark.parametrize(("gamma", "mass"), [(0.5, 0.68), (0.9, 0.26), (0.95, 0.18), (0.0, 1.0)])
def test_the_label_of_thirty_classes_keeps_a_known_mass(gamma, mass):
    assert label_mass(gamma, 30) == mass


@given(gamma=st.floats(0, 0.999), classes=st.integers(2, 300))
def test_soft_labels_have_the_entropy_and_a_label(gamma, classes):
    mass = label_mass(gamma, classes)
    assert 1 / classes <= mass <= 1
    rest = (1 - mass) / (classes - 1)
    reached = entropy([mass, *[rest] * (classes - 1)])
    assert reached >= gamma * np.log(classes) - 1e-9


def test_the_gradient_is_known_in_closed_form():
    loss = HighEntropy(gamma=0.8, alpha=0.3)
    slope = jax.grad(lambda z: loss.of_records(z, jnp.asarray(Y)).sum())(jnp.asarray(LOGITS, jnp.float32))
    log_p = log_softmax(LOGITS, axis=1)
    p, target = np.exp(log_p), np.stack([naive_target(0.8, CLASSES, label) for label in Y])
    expected = p - target + 0.3 * p * (log_p + entropy(p, axis=1)[:, None])
    np.testing.assert_allclose(slope, expected, atol=1e-5)


def test_without_entropy_it_is_cross_entropy():
    assert value(HighEntropy(gamma=0.0, alpha=0.0)) == pytest.approx(value(CrossEntropy()), rel=1e-6)


def test_members_are_left_at_the_mass_of_their_soft_labels():
    x = jnp.asarray(RNG.standard_normal((40, 8)), jnp.float32)
    y = jnp.asarray(RNG.integers(0, CLASSES, 40), jnp.int32)
    member = Membership(jnp.arange(40, dtype=jnp.int32), jnp.ones(40))
    model = build("mlp:32", (8,), CLASSES)
    recipe, mean = Recipe(epochs=150, batch=20, learning_rate=0.02), {}
    for name, loss in (("plain", CrossEntropy()), ("soft", HighEntropy(gamma=0.8, alpha=0.0))):
        learnt = jax.jit(Standard(recipe=recipe, loss=loss), static_argnums=0)(model, x, y, member, jax.random.key(0))
        p = jax.nn.softmax(model.apply(learnt, x))
        mean[name] = float(jnp.take_along_axis(p, y[:, None], axis=1).mean())
    assert mean["plain"] > 0.95
    assert mean["soft"] == pytest.approx(label_mass(0.8, CLASSES), abs=0.03)


@pytest.mark.parametrize(
    ("field", "bad"), [("gamma", 1.0), ("gamma", -0.1), ("alpha", -1.0), ("alpha", np.inf), ("formula", "code")]
)
def test_a_value_out_of_range_is_refused(field, bad):
    with pytest.raises(InputError, match=f"{field} is {bad!r}"):
        HighEntropy(**{field: bad})
