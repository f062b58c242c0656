"""Every attack by attack networks through the same checks, on few models, with few passes."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from attacks.planted import DESIGNS
from scipy.special import softmax

from jaxattack.attacks.membership import RAPID, REGISTRY, random_threshold
from jaxattack.attacks.membership.learned import transfer_scores
from jaxattack.attacks.membership.references import TooFewReferences, several_shadows_of
from jaxattack.data import Halves
from jaxattack.metrics import auc, roc_curve
from jaxattack.oracle import from_function
from jaxattack.signals import compute
from jaxattack.types import Access, InputError, Inputs, Observations

MODELS, RECORDS, CLASSES = 8, 240, 4
PLANTED = (
    "phi",
    "posterior_3",
    "confidence_vector",
    "layer_gradient_norms",
    "sensitivity_10_0.001",
    "view_divergence_10",
    "round_features_5",
)
QUICK = {
    "nsh": {"branches": ((16,), (8,)), "joint": (16,)},
    "nasr": {"branches": (), "joint": (16,)},
    "nasr-federated": {"branches": (), "joint": (16,)},
    "rapid": {"joint": (16,)},
}
ATTACKS: dict[str, Any] = {
    name: replace(  # type: ignore[type-var]
        attack, network=replace(attack.network, epochs=20, learning_rate=0.01, batch=50, **QUICK.get(name, {}))
    )
    for name, attack in REGISTRY.items()
    if hasattr(attack, "network")
    and name != "nsh-joined"  # of the same class as nsh
    # Those that are shown copies of pictures are tried in test_label_only.
    and {signal.name for signal in attack.signals} <= {*PLANTED}
}
names = pytest.mark.parametrize("name", list(ATTACKS))


@cache
def planted(leak: float = 3.0, design: str = "halves", seed: int = 0) -> Observations:
    """Raw outputs that all models share but for noise, and but for the label's, which is larger for members."""
    rng = np.random.default_rng(seed)
    member = DESIGNS[design](MODELS, RECORDS, seed)
    y = np.arange(RECORDS) % CLASSES
    shared = rng.normal(0, 1, (RECORDS, CLASSES)) + 1.0 * np.eye(CLASSES)[y]
    z = shared + rng.normal(0, 1, (MODELS, RECORDS, CLASSES)) + leak * member[..., None] * np.eye(CLASSES)[y]
    return observations(z.astype(np.float32), member, y)


def observations(z: np.ndarray, member: np.ndarray, y: np.ndarray) -> Observations:
    of_model = [compute(PLANTED[:3], one, jnp.asarray(y, jnp.int32)) for one in jnp.asarray(z)]
    signals = {name: np.stack([np.asarray(one[name]) for one in of_model])[:, :, None] for name in of_model[0]}
    # Of two layers: both are large where the label's confidence is small.
    signals["layer_gradient_norms"] = np.stack([1 / (1 + np.exp(signals["phi"])), np.exp(-signals["phi"])], axis=3)
    # Confidences that are sure move little.
    p = signals["confidence_vector"]
    signals["sensitivity_10_0.001"] = np.concatenate([p, p * (1 - p)], axis=3)
    # Views of what is sure are answered alike.
    signals["view_divergence_10"] = np.sort(np.sqrt(p * (1 - p)), axis=3)
    # At ten moments a loss and the norms of two layers.
    moment = np.concatenate([np.logaddexp(0, -signals["phi"])[..., None], signals["layer_gradient_norms"]], axis=3)
    signals["round_features_5"] = np.tile(moment, 10)
    return Observations(signals=signals, member=member, label=y)


def changed(observed: Observations, **parts) -> Observations:
    return Observations(**({"signals": observed.signals, "member": observed.member, "label": observed.label} | parts))


@cache
def scores(name: str) -> np.ndarray:
    return ATTACKS[name](planted())


def area(score: np.ndarray, member: np.ndarray) -> float:
    return auc(roc_curve(score.ravel(), member.ravel()))


@names
def test_scores_are_finite_one_a_target_and_record_and_members_have_the_higher(name):
    assert scores(name).shape == planted().member.shape
    assert scores(name).dtype == np.float64
    assert np.isfinite(scores(name)).all()
    assert area(scores(name), planted().member) > 0.8


@names
def test_one_target_has_exactly_its_row_of_all_targets(name):
    np.testing.assert_array_equal(ATTACKS[name](planted(), [6, 3]), scores(name)[[6, 3]])


@names
def test_a_targets_own_membership_is_not_read(name):
    member = planted().member.copy()
    member[3] = ~member[3]
    np.testing.assert_array_equal(ATTACKS[name](changed(planted(), member=member), [3]), scores(name)[[3]])


@names
def test_without_a_leak_members_are_not_told(name):
    null = planted(leak=0.0, seed=1)
    # Four standard errors, were the scores of all targets independent.
    assert area(ATTACKS[name](null), null.member) == pytest.approx(0.5, abs=4 / np.sqrt(3 * MODELS * RECORDS))


@names
@pytest.mark.parametrize("design", DESIGNS)
def test_a_target_that_leaks_nothing_is_not_told_by_shadows_that_leak(name, design):
    leaky, silent = planted(design=design), planted(leak=0.0, design=design)
    signals = {signal: values.copy() for signal, values in leaky.signals.items()}
    for signal in signals:
        signals[signal][:2] = silent.signals[signal][:2]
    score = ATTACKS[name](changed(leaky, signals=signals), [0, 1])
    assert area(score, leaky.member[:2]) == pytest.approx(0.5, abs=4 / np.sqrt(3 * 2 * RECORDS))


@names
def test_another_seed_is_another_network_and_nothing_else(name):
    other = replace(ATTACKS[name], seed=1)(planted(), [0])[0]
    assert (other != scores(name)[0]).any()
    assert np.corrcoef(other, scores(name)[0])[0, 1] > 0.8


@names
def test_nan_and_infinity_and_two_models_and_other_shapes_are_refused_with_a_sentence(name):
    signal = ATTACKS[name].signals[0].name
    broken = planted().signals[signal].copy()
    broken[5, 7, 0] = np.nan
    with pytest.raises(InputError, match="NaN or infinite in 1 models, the first of them model 5"):
        ATTACKS[name](changed(planted(), signals={**planted().signals, signal: broken}))
    with pytest.raises(InputError, match="2 models in all: observe at least 3"):
        ATTACKS[name](planted().take(slice(2)))
    flat = {**planted().signals, signal: planted().signals[signal][:, :, 0]}
    with pytest.raises(InputError, match=r"give the signal as \[model, record, query"):
        ATTACKS[name](changed(planted(), signals=flat))
    one_sided = planted().member.copy()
    one_sided[:] = True
    with pytest.raises(InputError, match=r"the shadow model has \d+ members among \d+ records|cannot score 240 of 240"):
        ATTACKS[name](changed(planted(), member=one_sided))


def test_every_class_has_its_network_whatever_its_number():
    turn = np.array([2, 0, 3, 1])  # class c becomes class turn[c], in labels and columns alike
    vectors = planted().signals["confidence_vector"][..., np.argsort(turn)]
    renamed = Observations(signals={"confidence_vector": vectors}, member=planted().member, label=turn[planted().label])
    np.testing.assert_array_equal(ATTACKS["shokri"](renamed), scores("shokri"))


def test_a_constant_answer_tells_nothing():
    constant = {"confidence_vector": np.full((MODELS, RECORDS, 1, CLASSES), 0.25, np.float32)}
    score = ATTACKS["shokri"](changed(planted(), signals=constant))
    for target in range(MODELS):
        for cls in range(CLASSES):
            assert len({*score[target, planted().label == cls]}) == 1


def test_a_class_of_few_records_is_put_to_the_network_of_all():
    label = np.where(
        np.arange(RECORDS) == 0, CLASSES, planted().label
    )  # a class of one record, which shadows know seven times
    few = changed(planted(), label=label)
    score = ATTACKS["shokri"](few, [0])[0]
    of_all = ATTACKS["shokri"](changed(planted(), label=np.zeros(RECORDS, int)), [0])[0]
    assert score[0] == of_all[0]
    others = planted().label > 0
    np.testing.assert_array_equal(score[others], scores("shokri")[0, others])


def test_the_highest_confidences_know_no_class():
    turn = np.array([2, 0, 3, 1])
    vectors = planted().signals["confidence_vector"][..., turn]
    highest = np.concatenate([-np.sort(-vectors)[..., :3], planted().signals["posterior_3"][..., -1:]], axis=3)
    renamed = Observations(signals={"posterior_3": highest}, member=planted().member, label=turn[planted().label])
    np.testing.assert_array_equal(ATTACKS["ml-leaks-1"](renamed, [2]), scores("ml-leaks-1")[[2]])


def test_a_supervised_network_is_taught_the_other_half_and_never_what_it_scores():
    attack = replace(ATTACKS["nsh"], supervised=True)
    assert not attack.references
    before = attack(planted(), [3])
    assert area(before, planted().member[[3]]) > 0.8
    record = int(np.flatnonzero(~planted().member[3])[0])
    member = planted().member.copy()
    member[3, record] = True
    after = attack(changed(planted(), member=member), [3])
    assert after[0, record] == pytest.approx(before[0, record], abs=0.1)  # but for the share of members in its half
    moved = np.abs(after - before)[0] > 1e-3
    assert 0 < moved.sum() <= RECORDS // 2 + 1
    null = planted(leak=0.0, seed=1)
    assert area(attack(null), null.member) == pytest.approx(0.5, abs=4 / np.sqrt(3 * MODELS * RECORDS))


def test_features_of_rapid_are_a_loss_and_how_far_it_is_from_models_without_the_record():
    seen = {}

    class Shown(RAPID):
        """RAPID that notes what its networks are shown."""

        def _case(self, target, *rest):
            seen[target] = super()._case(target, *rest)
            return seen[target]

    shown = Shown(**{field.name: getattr(ATTACKS["rapid"], field.name) for field in fields(RAPID)})
    shown(planted(), [0])
    case = seen[0]
    loss = np.logaddexp(0, -planted().signals["phi"][:, :, 0].astype(np.float64))
    member = planted().member
    (shadow,) = case.shadows
    for model, others in ((0, range(2, MODELS)), (shadow.model, range(4, MODELS))):  # pairs share no members
        for record in range(0, RECORDS, 37):
            without = [other for other in others if not member[other, record]][:2]  # as many as the shadow has
            expected = loss[model, record], loss[model, record] - loss[without, record].mean()
            np.testing.assert_allclose(case.features(model)[record], expected, rtol=1e-4, atol=1e-5)


def test_rapid_refuses_a_shadow_without_references():
    with pytest.raises(
        TooFewReferences, match=r"the shadow of model 0 has them at fewer than 10 records: observe at least 6"
    ):
        ATTACKS["rapid"](planted().take(slice(4)))


def test_the_third_adversary_of_ml_leaks_calls_a_tenth_of_random_inputs_members():
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(3, 4))
    access = Access(level="logit", classes=4, inputs=Inputs.box(-1, 1, (3,)))
    drawn = []

    def logits(x):
        drawn.append(x)
        return x @ weight

    victim = from_function(logits, access)
    threshold = random_threshold(victim)
    assert victim.ledger.queries == 1000
    p = np.sort(softmax(np.concatenate(drawn) @ weight, axis=1))[:, -1]
    assert (np.log(p / (1 - p)) >= threshold - 1e-9).sum() == 100
    confident = from_function(lambda x: softmax(x @ weight, axis=1), replace(access, level="probability"))
    assert random_threshold(confident) == pytest.approx(threshold, rel=1e-6)
    with pytest.raises(InputError, match="answers labels alone"):
        random_threshold(from_function(lambda x: (x @ weight).argmax(axis=1), replace(access, level="label")))
    with pytest.raises(InputError, match="share is 1"):
        random_threshold(victim, share=1.0)


def test_shadows_are_so_many_references_and_none_of_the_targets_own():
    member = Halves()(6, 40, 0)
    own = several_shadows_of(member, np.arange(6), "independent", 8)
    assert [[shadow.model for shadow in shadows] for shadows in own] == [
        [2, 3, 4, 5], [3, 4, 5, 2], [4, 5, 0, 1], [5, 0, 1, 4], [0, 1, 2, 3], [1, 2, 3, 0],
    ]  # fmt: skip
    assert [len(shadows) for shadows in several_shadows_of(member, np.arange(6), "independent", 3)] == [3] * 6
    assert [len(shadows) for shadows in several_shadows_of(member, np.array([1]), "leave-one-out", 8)] == [5]


def test_shadows_of_another_data_set_teach_one_network_for_all_targets():
    elsewhere = planted(seed=5).take(slice(MODELS - 1))
    score = transfer_scores(ATTACKS["shokri"], elsewhere, planted(), [4, 2])
    assert area(score, planted().member[[4, 2]]) > 0.8
    alone = transfer_scores(ATTACKS["shokri"], elsewhere, planted().take(np.array([4])))
    np.testing.assert_allclose(alone, score[:1], rtol=1e-5, atol=1e-5)
    other = changed(elsewhere, signals={"confidence_vector": elsewhere.signals["confidence_vector"][..., :3]})
    with pytest.raises(InputError, match="shokri reads 3 features of the shadows and 4 of the targets"):
        transfer_scores(ATTACKS["shokri"], other, planted())
