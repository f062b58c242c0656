"""What attacks raise: the formulas, what they do not depend on, and a detector beside them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.perturb.losses import DLR, CrossEntropy, Loss, Margin, Penalised
from jaxattack.types import InputError, Variables

NOTHING = Variables({}, {})
Z = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
Y = np.arange(20) % 6
TARGET = (Y + 1 + np.arange(20) % 5) % 6


def naive(name, z, y, target, kappa=0.5):
    """One record's loss as the papers write it."""
    order = sorted(z, reverse=True)
    if name == "ce":
        log_p = z - np.log(np.exp(z).sum())
        return -log_p[y] if target is None else log_p[target]
    if name == "margin":
        if target is None:
            return -max(z[y] - max(np.delete(z, y)), -kappa)
        return -max(max(np.delete(z, target)) - z[target], -kappa)
    if target is None:
        return -(z[y] - max(np.delete(z, y))) / (order[0] - order[2])
    return -(z[y] - z[target]) / (order[0] - (order[2] + order[3]) / 2)


@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize(("name", "loss"), [("ce", CrossEntropy()), ("dlr", DLR()), ("margin", Margin(kappa=0.5))])
def test_each_is_its_formula(name, loss, targeted):
    assert isinstance(loss, Loss)
    ours = loss(jnp.asarray(Z), jnp.asarray(Y), jnp.asarray(TARGET) if targeted else None, None, NOTHING)
    expected = [naive(name, z.astype(float), y, t if targeted else None) for z, y, t in zip(Z, Y, TARGET, strict=True)]
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("target", [None, jnp.asarray(TARGET)])
def test_dlr_sees_neither_a_shift_nor_a_scale_of_the_logits(target):
    first = DLR()(jnp.asarray(Z), jnp.asarray(Y), target, None, NOTHING)
    second = DLR()(jnp.asarray(1000 * Z + 7), jnp.asarray(Y), target, None, NOTHING)
    np.testing.assert_allclose(first, second, rtol=1e-4)


def test_where_cross_entropy_has_no_gradient_left_dlr_has():
    z = jnp.asarray([[200.0, 0.0, -1.0, -3.0]])
    slopes = [jax.grad(lambda z, loss=loss: loss(z, jnp.asarray([0]), None, None, NOTHING).sum())(z)
              for loss in (CrossEntropy(), DLR())]  # fmt: skip
    assert not np.any(slopes[0])
    assert np.any(slopes[1])


def test_a_detector_takes_its_alarm_off_and_holds_a_record_back():
    def alarm(variables, x):
        return x[:, 0] - variables.params["threshold"]

    penalised, variables = Penalised(penalty=alarm, weight=3.0), Variables({"threshold": jnp.asarray(0.5)}, {})
    x = jnp.asarray([[0.1, 0.0], [0.9, 0.0]])
    z, y = jnp.asarray([[0.0, 1.0], [0.0, 1.0]]), jnp.asarray([0, 0])
    plain = CrossEntropy()(z, y, None, x, variables)
    np.testing.assert_allclose(penalised(z, y, None, x, variables), plain - np.array([0, 3 * 0.4]), rtol=1e-5)
    np.testing.assert_array_equal(penalised.reached(z, y, None, x, variables), [True, False])
    np.testing.assert_array_equal(CrossEntropy().reached(z, y, None, x, variables), [True, True])
    assert hash(penalised) == hash(Penalised(penalty=alarm, weight=3.0))


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="kappa is -1"):
        Margin(kappa=-1)
    with pytest.raises(InputError, match="weight is 0"):
        Penalised(penalty=lambda variables, x: x[:, 0], weight=0)
    assert [DLR().fewest_classes(targeted=targeted) for targeted in (False, True)] == [3, 4]
    assert Penalised(penalty=len, loss=DLR()).fewest_classes(targeted=False) == 3
