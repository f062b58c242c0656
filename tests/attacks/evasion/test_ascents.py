"""PGD, MI-FGSM and APGD: exact on linear victims in both norms, equal to naive twins, and the same whatever is beside a record."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.evasion.linear_victims import FEATURES, INPUTS, SPAN, leaky, records, victim

from jaxattack.attacks.evasion import (
    APGD,
    BIM,
    DLR,
    FAB,
    FGSM,
    JSMA,
    MIFGSM,
    PGD,
    CarliniWagner,
    CrossEntropy,
    DeepFool,
    LeastLikely,
    Transfer,
)
from jaxattack.attacks.evasion.projected import FLAT
from jaxattack.attacks.evasion.white_box import Draw, labels_of
from jaxattack.perturb.ascent import Aim, Climb, random_changes
from jaxattack.perturb.auto_projected import auto_projected_steps, checkpoints
from jaxattack.perturb.norms import BALLS
from jaxattack.types import InputError, Inputs, Model, Variables, WhiteBox

TWO = victim(np.random.default_rng(3).standard_normal((FEATURES, 2)), np.zeros(2))
"""A linear victim of two classes: a record is fooled where size exceeds its margin / |w| in the dual norm."""


def needed(norm, x):
    across = TWO.weight[:, 0] - TWO.weight[:, 1]
    return np.abs(x @ across) / np.linalg.norm(across, 2 if norm == "l2" else 1) / SPAN


@pytest.mark.parametrize("attack", [PGD(steps=20), MIFGSM(), APGD(steps=20)], ids=lambda attack: attack.name)
@pytest.mark.parametrize(("norm", "size"), [("linf", 0.06), ("l2", 0.12)])
def test_each_fools_a_linear_victim_of_two_classes_exactly_where_the_norm_says(attack, norm, size):
    x = np.random.default_rng(4).uniform(0, 4, (200, FEATURES))  # every ball is within the box
    y, least = TWO.label(x), needed(norm, x)
    if norm == "l2" and attack.name == "pgd":  # steps of 2.5 size / steps turn by e^-1.5 and no more
        attack = replace(attack, rate=size / 2)
    evasion = replace(attack, norm=norm, size=size)(TWO.box, x, y)
    np.testing.assert_array_equal(evasion.success, least < size)
    assert 0.2 < evasion.among_right < 0.95
    far = evasion.distance.linf if norm == "linf" else evasion.distance.l2
    assert (far <= size * (1 + 1e-5)).all()


def naive_apgd(slope_of, start, x, size, steps):
    """One record in the max norm, as the paper's Algorithm 1: the best place and its loss."""
    looks = [0.0, 0.22]
    while looks[-1] < 1:
        looks.append(looks[-1] + max(looks[-1] - looks[-2] - 0.03, 0.06))
    at = {int(np.ceil(look * steps)) for look in looks[1:]}

    def inside(share):
        return np.clip(np.clip(share, x - size, x + size), 0, 1)

    place = before = inside(start)
    value, slope = slope_of(place)
    rate, best, marked, halved, history, window = 2 * size, (value, place, slope), value, True, [], 0
    for step in range(steps):
        reach = inside(place + rate * np.sign(slope))
        moved = reach if step == 0 else inside(place + 0.75 * (reach - place) + 0.25 * (place - before))
        before, place, last = place, moved, value
        value, slope = slope_of(place)
        history.append(value > last)
        window += 1
        if value > best[0]:
            best = (value, place, slope)
        if step + 1 in at:
            halve = sum(history[-window:]) < 0.75 * window or (not halved and marked >= best[0])
            if halve:
                rate, (value, place, slope) = rate / 2, best
            halved, marked, window = halve, best[0], 0
    return best


def _tanh(variables, x):
    return jnp.tanh(x @ variables.params["a"]) @ variables.params["b"]


def curved():
    """A victim of one hidden layer on the unit box, and records with its labels."""
    rng = np.random.default_rng(0)
    a, b = 3 * rng.standard_normal((FEATURES, 8)), rng.standard_normal((8, 4))
    variables = Variables({"a": jnp.asarray(a, jnp.float32), "b": jnp.asarray(b, jnp.float32)}, {})
    model = Model(lambda _: variables, _tanh, lambda variables, x, _: (_tanh(variables, x), {}))
    box = WhiteBox(model=model, variables=variables, inputs=Inputs.box(0, 1, (FEATURES,)), classes=4)
    x = rng.uniform(0.2, 0.8, (12, FEATURES))
    return box, x, labels_of(box, x)


def test_apgd_is_its_naive_twin():
    box, x, y = curved()
    model, variables = box.model, box.variables
    steps, size = 50, 0.05  # every checkpoint of fifty steps is a whole number
    aim = Aim(model, CrossEntropy(), "linf", early=False)
    ascent = auto_projected_steps(Climb(aim, variables, x, y, box.inputs, size, seed=5), steps=steps)
    change = np.asarray(random_changes(BALLS["linf"], 5, jnp.arange(12), 1, (FEATURES,)))
    ours = -jax.nn.log_softmax(_tanh(variables, jnp.asarray(ascent.example, jnp.float32)))
    slope = jax.jit(jax.value_and_grad(lambda share, y: -jax.nn.log_softmax(_tanh(variables, share[None]))[0, y]))
    for record in range(12):

        def slope_of(share, record=record):
            return (np.asarray(part, float) for part in slope(jnp.asarray(share, jnp.float32), y[record]))

        start = x[record] + size * change[record] / np.abs(change[record]).max()
        value, _, _ = naive_apgd(slope_of, start, x[record], size, steps)
        if not ascent.reached[record]:  # of those that fool it, the best that do is handed back
            np.testing.assert_allclose(ours[record, y[record]], value, rtol=2e-3)


def test_checkpoints_are_the_papers():
    assert list(np.flatnonzero(checkpoints(100)) + 1) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert list(checkpoints(100)[[21, 40, 56]]) == [22, 19, 16]
    assert checkpoints(1)[0] == 1


@pytest.mark.parametrize(
    "attack", [PGD(steps=5, restarts=2), APGD(steps=5, restarts=2)], ids=lambda attack: attack.name
)
def test_what_happens_to_a_record_depends_on_its_number_alone(attack):
    box, x, y = curved()
    tight = replace(attack, size=0.2, steps=2, early=False)
    every = tight.craft(box, x, y, Draw(seed=3)).x
    some = tight.craft(box, x[[7, 2]], y[[7, 2]], Draw(seed=3, record=np.array([7, 2]))).x
    np.testing.assert_allclose(some, every[[7, 2]], atol=1e-5)
    assert np.abs(every - tight.craft(box, x, y, Draw(seed=4)).x).max() > 0.01


def test_of_several_classes_only_targets_find_every_record_that_a_ball_reaches():
    weight = np.random.default_rng(0).standard_normal((FEATURES, 4))
    both = victim(weight, np.zeros(4))
    x = np.random.default_rng(1).uniform(1.4, 2.6, (100, FEATURES))
    z = x @ weight
    y = z.argmax(axis=1)
    with np.errstate(invalid="ignore"):
        far = (z.max(axis=1, keepdims=True) - z) / np.abs(weight[:, y].T[:, :, None] - weight[None]).sum(axis=1) / SPAN
    exact = np.nanmin(far, axis=1) < 0.1
    targets = APGD(targets=3, loss=DLR(), steps=30)(both.box, x, y)
    np.testing.assert_array_equal(targets.success, exact)
    one, many = (PGD(steps=10, restarts=restarts)(both.box, x, y) for restarts in (1, 8))
    assert one.success.sum() < many.success.sum() <= exact.sum()
    assert many.gradients > one.gradients


def test_a_saturated_model_has_no_gradient_of_the_cross_entropy_and_says_so():
    both = leaky()
    both = victim(1e4 * both.weight, 1e4 * both.bias)
    x, y = records(both, 30)
    blind = PGD(size=0.1, steps=10)(both.box, x, y)
    assert blind.notes[FLAT] > 10
    seeing = PGD(size=0.1, steps=10, loss=DLR())(both.box, x, y)
    assert FLAT not in seeing.notes
    assert seeing.among_right == 1 > blind.among_right


def test_an_attack_that_stops_at_its_own_boundary_goes_on_for_another():
    both = leaky()
    x, y = records(both, 20)
    near = PGD().craft(both.box, x, y, Draw())
    far = PGD().for_transfer().craft(both.box, x, y, Draw())
    assert far.gradients > near.gradients
    through = Transfer(craft=PGD())(both.oracle, x, y, surrogate=both.box)
    np.testing.assert_array_equal(through.example, np.clip(far.x, INPUTS.low, INPUTS.high))


def test_categories_stay_as_they_are():
    both = leaky(inputs=replace(INPUTS, categories=np.array([0, 7, 0, 0, 0, 0])))
    x, y = records(both, 10)
    for attack in (
        FGSM(),
        BIM(steps=3),
        LeastLikely(steps=3),
        PGD(steps=3),
        APGD(steps=3, norm="l2", size=0.3),
        FAB(steps=3),
        CarliniWagner(steps=3),
        JSMA(),
        DeepFool(),
    ):
        example = attack.craft(both.box, x, y, Draw()).x
        np.testing.assert_array_equal(example[:, 1], x[:, 1])  # to the last bit: a service takes whole numbers alone
        assert (example != x).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PGD(size=0.0), "size is 0.0"),
        (lambda: PGD(size=1.5), "size is 1.5"),
        (lambda: PGD(norm="l1"), "norm is 'l1': give one of linf, l2"),
        (lambda: PGD(rate=0.0), "rate is 0.0"),
        (lambda: PGD(restarts=0), "restarts is 0"),
        (lambda: MIFGSM(momentum=-1), "momentum is -1"),
        (lambda: APGD(targets=2, restarts=2), "leave one of them out"),
        (lambda: APGD(targets=-1), "targets is -1"),
        (lambda: APGD(loss=DLR())(TWO.box, *records(TWO, 2)), "needs 3 classes and the victim has 2"),
        (lambda: APGD(targets=9)(leaky().box, *records(leaky(), 2)), "9 targets needs 10 classes and the victim has 4"),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_steps_along_the_gradient_stay_in_the_ball_and_leave_alone_what_does_not_matter():
    weight = TWO.weight.copy()
    weight[0] = 0.0
    blind = victim(weight, np.zeros(2))
    x = np.random.default_rng(4).uniform(0, 4, (50, FEATURES))
    evasion = PGD(size=0.06, steps=40, direction="l2", random=False)(blind.box, x, blind.label(x))
    np.testing.assert_allclose(evasion.example[:, 0], x[:, 0], atol=1e-6)
    assert 0 < evasion.distance.linf.max() <= 0.06 * (1 + 1e-5)
    across = np.abs(weight[:, 0] - weight[:, 1])
    far = np.abs(x @ (weight[:, 0] - weight[:, 1])) / SPAN
    # A step along the gradient is no shorter than what the largest ball of the 2-norm within this one would need.
    assert evasion.success[far < 0.06 * np.linalg.norm(across) * 0.99].all()
    assert not evasion.success[far > 0.06 * across.sum() * 1.01].any()
    with pytest.raises(InputError, match="all would be alike"):
        PGD(restarts=2, random=False)
