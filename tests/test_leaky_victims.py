"""Signals, defences and learners by name: on models that have learnt their members by heart, and on models that have not.

Labels follow no rule, so that a model is right about members alone. Models that have learnt as many of what is called a
member as of the others know nothing of who is which.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import jaxattack.signals as registry
from jaxattack.data import Halves, random_labels
from jaxattack.defences import (
    DEFENCES,
    HAMP,
    MemGuard,
    Noise,
    PredictionPoisoning,
    Purifier,
    ReverseSigmoid,
    Round,
    Temperature,
    TopK,
)
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import build
from jaxattack.signals import SIGNALS, lookup
from jaxattack.training import Placement, Recipe, train_ensemble
from jaxattack.training.learners import (
    DMP,
    DPSGD,
    L2,
    LEARNERS,
    PATE,
    SELENA,
    AdversarialRegularisation,
    AdversarialTraining,
    ConfidencePenalty,
    DeepEnsemble,
    Distillation,
    Federated,
    FixMatch,
    HighEntropy,
    LabelSmoothing,
    Mixup,
    NeuGuard,
    ParameterNoise,
    Pruning,
    RelaxLoss,
    Stacking,
    Standard,
)
from jaxattack.types import DetectingDefence, Observations, Reserving, Viewing

DATA = random_labels(records=80, features=8, classes=4)
MORE = random_labels(records=40, features=8, classes=4, seed=1)  # for learners that need records set aside
MODELS = 4
MEMBER = Halves()(MODELS, len(DATA), 0)
RECIPE = Recipe(epochs=120, batch=20, learning_rate=0.01)
# Whether more of it, or less, speaks for a member, as the signal's paper says; one for every kind of signal.
DIRECTIONS = {
    "phi": 1, "correct": 1, "loss": -1, "hinge": 1, "entropy": -1, "modified_entropy": -1,
    "gradient_norm": -1, "input_gradient_norm": -1, "view_correct": 1, "max_confidence": 1,
    "softmax_t2": 1, "taylor_t2": 1, "posterior_3": 1, "confidence_vector": 1, "gradient_norm_0": -1,
    "layer_gradient_norms": -1,
    "noise_robustness_10_0.3": 1, "merlin_10_0.1": 1, "boundary_distance_60": 1, "flip_robustness_10_0.03": 1, "sensitivity_10_0.001": 1,
    "phi_mean2": 1,
}  # fmt: skip
# Of pictures alone.
MOVED = {"translation_correct_1": 1}
PICTURES = dataclasses.replace(DATA, x=np.tanh(DATA.x).reshape(-1, 2, 4, 1))
# Not asked while models are trained: tests/audit/test_optimising.py.
OPTIMISED = {registry.YoqoQuery, registry.OsloQueries, registry.CanaryQueries}
DISTILLED = {registry.Trajectory}  # tests/audit/test_trajectories.py
# Of models that were trained in their own way: tests/training/learners/test_fixmatch.py and test_federated.py.
TAUGHT = {registry.ViewDivergence, registry.RoundFeatures}
RELATED = {registry.Imitation, registry.NearestPhi}  # to other models, or other records: tests/audit/test_imitations.py
named = pytest.mark.parametrize("name", [*DIRECTIONS, *MOVED])


def half_of_each(member: np.ndarray) -> np.ndarray:
    """Other members: half of a model's members and half of the others; the two models of a pair share them out."""
    other = np.zeros_like(member)
    for model in range(0, len(member), 2):
        for side in (member[model], ~member[model]):
            other[model, np.flatnonzero(side)[::2]] = True
        other[model + 1] = ~other[model]
    return other


def sweep(learner, signals=(), defences=(), member=MEMBER, data=DATA) -> Observations:
    model, reserve = build("mlp:64", data.shape, data.classes), 0
    placement, records = Placement(chunk=MODELS, vmap=MODELS), np.arange(len(data))
    if isinstance(learner, Reserving):
        reserve, none = len(MORE), np.zeros((len(member), len(MORE)), bool)
        data = dataclasses.replace(data, x=np.concatenate([data.x, MORE.x]), y=np.concatenate([data.y, MORE.y]))
        member = np.hstack([member, none])
    return train_ensemble(
        model, learner, data, member, signals=signals, defences=defences, reserve=reserve, placement=placement
    )[1].take_records(records)  # fmt: skip


def sweeps(member=MEMBER) -> Observations:
    """Of the records as a table, with what is asked of pictures."""
    learner = Standard(recipe=RECIPE)
    table = sweep(learner, tuple(DIRECTIONS), member=member)
    pictures = sweep(learner, tuple(MOVED), member=member, data=PICTURES)
    return dataclasses.replace(table, signals={**pictures.signals, **table.signals})


def area(observed, name, direction=1) -> float:
    values = observed.signal(name)[:, :, 0]
    if name in MOVED:  # how many copies are right
        values = values.mean(axis=2)
    elif values.ndim == 3:  # the last layer's norm; the label's own confidence, the last of a posterior
        own = DATA.y if name.startswith(("confidence_vector", "sensitivity")) else np.full(len(DATA), -1)
        values = values[:, np.arange(len(DATA)), own]
    return auc(roc_curve(direction * values.astype(np.float64).ravel(), MEMBER.ravel()))


def accuracies(observed) -> tuple[float, float]:
    right = observed.signal("correct")[:, :, 0]
    return float(right[MEMBER].mean()), float(right[~MEMBER].mean())


@pytest.fixture(scope="module")
def by_heart():
    return sweeps()


@pytest.fixture(scope="module")
def elsewhere():
    return sweeps(half_of_each(MEMBER))


def test_every_kind_of_signal_has_a_direction():
    public = [getattr(registry, name) for name in registry.__all__]
    kinds = {kind for kind in public if isinstance(kind, type)} - {registry.Outputs}
    assert {*SIGNALS} <= {*DIRECTIONS}
    assert {type(lookup(name)) for name in DIRECTIONS | MOVED} == kinds - OPTIMISED - DISTILLED - TAUGHT - RELATED


def test_what_is_tried_on_has_learnt_its_members_and_nothing_else(by_heart, elsewhere):
    inside, outside = accuracies(by_heart)
    assert inside > 0.97
    assert outside < 0.45  # chance is 0.25
    assert np.abs(np.subtract(*accuracies(elsewhere))) < 0.1


@named
def test_a_signal_tells_members_apart_in_the_direction_that_it_says(by_heart, name):
    assert area(by_heart, name, (DIRECTIONS | MOVED)[name]) > 0.65


@named
def test_a_signal_tells_nothing_of_models_that_have_learnt_other_records(elsewhere, name):
    # Four standard errors of an area under the curve of 160 members and 160 others.
    assert area(elsewhere, name) == pytest.approx(0.5, abs=4 * np.sqrt(321 / (12 * 160 * 160)))


# By how much each must lower the area under the curve. A student of the answers about the members themselves, which is all
# that distillation is here, gives no less away where a teacher knows them by heart; nor do models that are less sure of what
# they know by heart all the same, or that know it from mixtures; one that is to
# answer alike around each member gives more away.
LESS = {
    "relaxloss": 0.1, "hamp": 0.0, "dp-sgd": 0.1, "distillation": -0.01, "l2": 0.03, "label-smoothing": 0.02,
    "confidence-penalty": -0.01, "mixup": -0.01, "neuguard": 0.03, "selena": 0.1,
    "dmp": 0.1, "pate": 0.1, "adversarial": 0.02, "deep-ensemble": 0.02, "stacking": 0.05,
    "pruning": 0.01, "parameter-noise": 0.02, "adversarial-training": -0.03, "fixmatch": 0.05, "federated": -0.01,
}  # fmt: skip
PRIVATE = {
    "l2": L2(recipe=RECIPE, strength=0.03),
    "label-smoothing": Standard(recipe=RECIPE, loss=LabelSmoothing(mass=0.8)),
    "confidence-penalty": Standard(recipe=RECIPE, loss=ConfidencePenalty(alpha=1.0)),
    "mixup": Mixup(recipe=RECIPE),
    "neuguard": NeuGuard(recipe=RECIPE, alpha=0.001, beta=30.0),
    "relaxloss": Standard(recipe=RECIPE, loss=RelaxLoss(alpha=1.0)),
    "hamp": Standard(recipe=RECIPE, loss=HighEntropy(gamma=0.9)),
    "dp-sgd": Standard(recipe=RECIPE, gradient=DPSGD(noise=2.0)),
    "distillation": Distillation(recipe=RECIPE, share=1.0),
    "selena": SELENA(recipe=RECIPE, models=4, out=2),
    "dmp": DMP(recipe=RECIPE),
    "pate": PATE(recipe=RECIPE, teachers=2),
    "deep-ensemble": DeepEnsemble(recipe=RECIPE, networks=4, share=0.25),
    "stacking": Stacking(recipe=RECIPE),
    "fixmatch": FixMatch(recipe=dataclasses.replace(RECIPE, epochs=300), labelled=0.9, ratio=1, strength=0.1),
    "federated": Federated(recipe=RECIPE, parties=2, rounds=1),
    "parameter-noise": ParameterNoise(recipe=RECIPE, scale=0.3),
    "pruning": Pruning(recipe=RECIPE, share=0.6, epochs=0),
    "adversarial-training": AdversarialTraining(recipe=RECIPE, size=0.02, attack_steps=2),
    "adversarial": AdversarialRegularisation(
        recipe=RECIPE, strength=5.0, attack_steps=2, attack_batch=16, units=32, attack_rate=1e-3
    ),
}
# Labels that follow no rule cannot be learnt of models that have not had the record, nor from hard labels of other records, nor
# from thirds of the members, of which each level of a stack knows its own:
# these are about as wrong about members as about others. What a teacher that knows its members says of others softly does tell.
OF_OTHERS = {"selena", "pate", "stacking"}


def test_every_learner_that_protects_is_tried():
    assert LESS.keys() == PRIVATE.keys() == LEARNERS.keys() - {"standard"}
    for name, learner in PRIVATE.items():
        assert type(learner) is type(LEARNERS[name])


@pytest.mark.parametrize("name", PRIVATE)
def test_a_learner_that_protects_gives_as_much_less_of_its_members_away(by_heart, name):
    observed = sweep(PRIVATE[name], data=PICTURES if isinstance(PRIVATE[name], Viewing) else DATA)
    assert area(observed, "phi") < area(by_heart, "phi") - LESS[name]
    inside, outside = accuracies(observed)
    if name in OF_OTHERS:
        assert abs(inside - outside) < 0.2
    else:
        assert inside > 0.5  # chance is 0.25: it learns all the same


def distinct(observed) -> float:
    return len(np.unique(observed.signal("phi")))


def gap(observed) -> float:
    """By how much the confidence in the label is higher for members."""
    own = observed.signal("posterior_3")[:, :, 0, -1]
    return float(own[MEMBER].mean() - own[~MEMBER].mean())


def runners_up(observed) -> float:
    """By how much the second class is likelier than the third."""
    confidences = observed.signal("posterior_3")[:, :, 0]
    return float((confidences[..., 1] - confidences[..., 2]).mean())


def leak(observed) -> float:
    return max(area(observed, name) for name in ("phi", "correct") if name in observed.signals)


def surest(observed) -> float:
    """What the highest confidence alone tells, which is what MemGuard guards."""
    top = observed.signal("posterior_3")[:, :, 0, 0].astype(np.float64)
    return auc(roc_curve(top.ravel(), MEMBER.ravel()))


# Each with what it is to lower.
PROTECTED = {
    "round": (Round(decimals=1), distinct),
    "top": (TopK(k=1), runners_up),
    "label": (DEFENCES["label"], leak),
    "temperature": (Temperature(temperature=20.0), gap),
    "noise": (Noise(scale=0.2), leak),
    "hamp": (HAMP(), surest),
    "memguard": (MemGuard(epsilon=2.0, passes=200, learning_rate=0.03), surest),
    "reverse-sigmoid": (ReverseSigmoid(), gap),
    "mad": (PredictionPoisoning(argmax=True), gap),
    "purifier": (Purifier(swap=False), surest),
}


def test_every_defence_is_tried():
    """But those that are to refuse examples, and not to hide members: `tests/perturb/test_adaptive.py` tries them."""
    assert {name: type(defence) for name, (defence, _) in PROTECTED.items()} == {
        name: type(defence) for name, defence in DEFENCES.items() if not isinstance(defence, DetectingDefence)
    }


@pytest.mark.parametrize("name", PROTECTED)
def test_a_defence_lowers_what_it_is_for_and_leaves_labels_unless_it_blurs_them(by_heart, name):
    defence, lowered = PROTECTED[name]
    observed = sweep(Standard(recipe=RECIPE), ("posterior_3", "gradient_norm"), (defence,))
    assert "gradient_norm" not in observed.signals  # weights are not handed out
    assert lowered(observed) < lowered(by_heart) - 0.02
    if defence.fresh:
        assert accuracies(observed)[0] > 0.8
    else:
        np.testing.assert_array_equal(observed.signal("correct"), by_heart.signal("correct"))
