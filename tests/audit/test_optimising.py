"""Queries that are optimised on one half of a run's models and asked of the other."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.membership import OSLO, YOQO, Canary, LiRA, lookup
from jaxattack.attacks.membership.references import TooFewReferences, query_folds, validation_models
from jaxattack.audit import MembershipAudit, optimising, run_observations
from jaxattack.audit.plan import planned
from jaxattack.audit.sweep import run_membership
from jaxattack.data import load
from jaxattack.defences import LabelOnly
from jaxattack.metrics import auc, roc_curve
from jaxattack.models import Architecture
from jaxattack.signals import Outputs
from jaxattack.training import Placement, Recipe
from jaxattack.training.afterwards import find_queries
from jaxattack.training.learners import Standard
from jaxattack.types import InputError, Observations, Surrogates

DATA = load("synthetic:random-labels?records=60&features=8&classes=3")
MODELS = 12
ATTACKS = {
    "yoqo": YOQO(steps=20, rate=0.1),
    "oslo": OSLO(growth=10, largest=1.0, thresholds=4),
    "canary": Canary(count=3, steps=20, rate=0.1),
}
LABELS = ("yoqo", "oslo")
names = pytest.mark.parametrize("name", ATTACKS)


def settings(**changes):
    return MembershipAudit(
        **{
            "model": Architecture(name="mlp:32"),
            "dataset": DATA,
            "standardise": "none",
            "learner": Standard(recipe=Recipe(epochs=120, batch=15, learning_rate=0.01)),
            "models": MODELS,
            "attacks": (lookup("gap"),),
        }
        | changes
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Models that have learnt their members by heart."""
    folder = tmp_path_factory.mktemp("optimising") / "run"
    run_membership(folder, settings(), placement=Placement(chunk=4, vmap=4))
    return folder


@pytest.fixture(scope="module")
def asked(finished):
    """Everything that the attacks read of them."""
    observations = run_observations(finished, settings())
    return observations.only(signal for attack in ATTACKS.values() for signal in attack.signals)


def area(scores, member):
    return auc(roc_curve(np.asarray(scores, float).ravel(), member.ravel()))


@names
def test_a_model_answers_what_was_found_on_the_other_half(finished, asked, name):
    plan, (signal,) = planned(finished, settings()), ATTACKS[name].signals
    folds = query_folds(plan.member)
    assert folds.tolist() == [0, 0, 1, 1] * 3
    work = optimising.work_of(plan, (signal.reads,))
    variables = optimising.variables_of(plan, work, np.arange(MODELS))
    values = asked.signal(signal.name)
    assert values.shape == (MODELS, len(DATA), signal.queries, 2)
    np.testing.assert_array_equal(values[:, 0, 0, 1], 1 - folds)
    for fold in (0, 1):
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        learnt = jax.tree.map(lambda leaf: jnp.asarray(leaf[own]), variables)  # noqa: B023
        roles = validation_models(plan.member[own])
        assert roles.tolist() == [False, False, True, True, False, False]
        surrogates = Surrogates(learnt, jnp.asarray(plan.member[own]), jnp.asarray(roles))
        points = find_queries(work, signal, plan.records, surrogates)
        for model in others:
            one = jax.tree.map(lambda leaf: leaf[model], variables)  # noqa: B023
            flat = jnp.asarray(points.reshape(-1, 8))
            z = work.model.apply(one, flat)
            said = signal.reads(Outputs(z), flat, jnp.repeat(jnp.asarray(DATA.y, jnp.int32), signal.queries), None)
            same = np.isclose(values[model, :, :, 0], np.asarray(said).reshape(points.shape[:2]), rtol=1e-3, atol=1e-3)
            assert same.mean() > 0.99  # but for rounding at a boundary


@names
def test_a_leak_is_found_and_a_target_does_not_depend_on_the_others(asked, name):
    scores = ATTACKS[name](asked)
    assert area(scores, asked.member) > 0.7
    np.testing.assert_array_equal(ATTACKS[name](asked, [5])[0], scores[5])
    # Nothing is read of a target's own membership, nor of its complement's.
    member = asked.member.copy()
    member[[4, 5]] = member[[5, 4]]
    changed = Observations(signals=asked.signals, member=member, label=asked.label)
    np.testing.assert_array_equal(ATTACKS[name](changed, [5])[0], scores[5])


@names
def test_where_in_and_out_say_nothing_neither_does_it(finished, tmp_path, name):
    plan = planned(finished, settings())
    member = plan.member.copy()
    for model in range(0, MODELS, 2):  # half of the members and half of the others, and their complement
        for side in (plan.member[model], ~plan.member[model]):
            member[model, np.flatnonzero(side)] = np.arange(side.sum()) % 2 == 0
        member[model + 1] = ~member[model]
    (signal,), folder = ATTACKS[name].signals, plan.folder
    elsewhere = plan._replace(member=member, folder=Elsewhere(folder))
    values = optimising.ask_optimised(elsewhere, signal)
    shuffled = Observations(signals={signal.name: values}, member=member, label=DATA.y)
    # Four standard errors of an area of 360 members and as many others.
    assert area(ATTACKS[name](shuffled), member) == pytest.approx(0.5, abs=4 * np.sqrt(721 / (12 * 360 * 360)))


class Elsewhere:
    """A run folder that keeps nothing that is asked."""

    def __init__(self, folder):
        self.identity, self.chunks, self.weights_of = folder.identity, folder.chunks, folder.weights_of

    def signal(self, name, models, ask):
        parts = {tuple(some): ask(some, self.weights_of(chunk)) for chunk, some in self.chunks().items()}
        order = np.argsort([model for some in parts for model in some])
        return np.concatenate([*parts.values()])[order]


def test_the_judged_score_is_the_log_ratio_of_the_verdicts_frequencies(asked):
    attack = ATTACKS["yoqo"]
    right = asked.signal(attack.signals[0].name)[:, :, 0, 0] > 0
    verdicts = YOQO(steps=20, rate=0.1, judged=False)(asked)
    np.testing.assert_array_equal(verdicts, right)
    scores = attack(asked)
    for target, judges in ((0, [4, 5, 8, 9]), (7, [2, 3, 10, 11])):  # of its own fold, without its complement
        for record in range(len(DATA)):
            logs = []
            for side in (True, False):
                votes = [right[m, record] == right[target, record] for m in judges if asked.member[m, record] == side]
                logs.append(np.log((sum(votes) + 0.5) / (len(votes) + 1)))
            assert scores[target, record] == pytest.approx(logs[0] - logs[1])


def test_canaries_are_scored_as_by_lira_among_those_that_were_asked_the_same(asked):
    attack, own = ATTACKS["canary"], [2, 3, 6, 7, 10, 11]
    phi = asked.signal(attack.signals[0].name)[own][..., 0]
    fold = Observations(signals={"phi": phi}, member=asked.member[own], label=asked.label)
    np.testing.assert_array_equal(attack(asked, [6, 3]), LiRA(online=True, variance="global")(fold, [2, 1]))


def test_labels_alone_are_enough_of_the_target(finished, tmp_path):
    defended = partial(settings, defences=(LabelOnly(),), attacks=tuple(ATTACKS[name] for name in LABELS))
    findings = run_membership(tmp_path / "run", defended(), placement=Placement(chunk=4, vmap=4)).findings
    measured = {entry.name.partition("?")[0]: entry.auc for entry in findings.attacks}
    assert {*measured} == {*LABELS}
    assert min(measured.values()) > 0.6


def test_too_few_models_are_refused(finished, asked, tmp_path):
    plan = planned(finished, settings())
    four = plan._replace(member=plan.member[:4])
    with pytest.raises(
        InputError, match=r"oslo_.* finds queries on half of the models, and 60 of 60 records have none"
    ):
        optimising.ask_optimised(four, ATTACKS["oslo"].signals[0])
    with pytest.raises(InputError, match="asks models other than those it finds queries on, and these 2 share"):
        optimising.ask_optimised(plan._replace(member=plan.member[:2]), ATTACKS["yoqo"].signals[0])
    with pytest.raises(TooFewReferences, match="yoqo cannot score"):
        ATTACKS["yoqo"](asked.take(np.arange(4)))
