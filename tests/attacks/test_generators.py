"""Attacks on the members of generators: certain of those that a generator memorised, and blind to those it never saw."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.memorising import evidence, memorising
from scipy.optimize import minimize
from scipy.spatial.distance import cdist

from jaxattack.attacks.membership.generators import (
    ATTACKS,
    Evidence,
    GanLeaks,
    GeneratorView,
    Logan,
    MonteCarlo,
    logan,
    lookup,
    select_attacks,
)
from jaxattack.attacks.membership.generators.distances import nearest
from jaxattack.attacks.membership.generators.monte_carlo import LEVELS, histograms, near_share
from jaxattack.attacks.membership.generators.powell import powell, questions
from jaxattack.audit.generators.summaries import precisions, set_attack, tied_share
from jaxattack.metrics import summarise
from jaxattack.training.generators import Prior, train_generators
from jaxattack.types import InputError

KIND = {"logan-white": "gan", "reconstruction": "vae"}
BY_HAND = [name for name in ATTACKS if name not in ("logan-black", "monte-carlo-histogram")]
"""Those that read a generator as it is: one by hand does for it."""
CASES = {(kind, leaks): evidence(kind, leaks=leaks) for kind in ("gan", "vae") for leaks in (True, False)}


@pytest.mark.parametrize("name", BY_HAND)
def test_of_a_generator_that_memorises_each_attack_names_the_members_and_no_others(name):
    case, member = CASES[KIND.get(name, "vae"), True]
    if name.startswith(
        "monte-carlo"
    ):  # in principal components a record may be near another's sample; 24 of 1,152 distances are 0
        attack = dataclasses.replace(lookup(name), space="pixels", percentile=2.05)
    else:
        attack = lookup(name)
    scores = attack(case).scores
    assert scores.shape == member.shape
    assert precisions(scores, member).tolist() == [1, 1]


@pytest.mark.parametrize("name", BY_HAND)
def test_of_a_generator_that_was_trained_on_neither_no_attack_knows_anything(name):
    case, member = CASES[KIND.get(name, "vae"), False]
    low, high = summarise(lookup(name)(case).scores, member).auc_estimate.interval()
    assert low <= 0.5 <= high


@pytest.mark.parametrize("leaks", [True, False])
def test_a_local_gan_that_learnt_its_samples_ranks_by_them(monkeypatch, leaks):
    def train(prior, samples, seed, progress):
        assert prior.kind == "gan"
        assert seed != 0  # of the targets: their first weights and draws are not the attacker's
        return memorising("gan", samples).generators

    monkeypatch.setattr(logan, "train_generators", train)
    case, member = CASES["vae", leaks]
    result = Logan(local=Prior(kind="gan", steps=60))(case)
    assert result.gradient_steps == 2 * 60 * 6
    low, high = summarise(result.scores, member).auc_estimate.interval()
    assert precisions(result.scores, member).tolist() == [1, 1] if leaks else low <= 0.5 <= high
    assert {*np.unique(result.scores)} == {*(np.arange(48) + 0.5) / 48}


def test_calibration_takes_off_what_any_generator_makes():
    case, _ = CASES["vae", True]
    plain, own = (GanLeaks(calibrated=one, samples=24)(case).scores for one in (False, True))
    reference = nearest(case.records, case.references.samples[0]).distance
    np.testing.assert_allclose(own, plain + reference, rtol=1e-12)
    # Every record that all generators make is no member's: the reference is the target.
    same = dataclasses.replace(case, references=case.targets.first(24))
    both = GanLeaks()(same).scores
    np.testing.assert_allclose(both.sum(axis=0), 0, atol=1e-12)


def test_nearest_samples_are_those_of_all_distances():
    random = np.random.default_rng(0)
    records, samples = random.normal(size=(30, 5)).astype(np.float32), random.normal(size=(40, 5)).astype(np.float32)
    samples[7] = records[3]
    near, all_of_them = nearest(records, samples), cdist(records, samples)
    assert near.sample.tolist() == all_of_them.argmin(axis=1).tolist()
    np.testing.assert_allclose(near.distance, all_of_them.min(axis=1), rtol=1e-6)
    assert near.distance[3] == 0


def test_the_share_of_near_samples_is_counted_one_by_one():
    apart = np.random.default_rng(0).uniform(0, 2, (6, 50))
    slow = [[sum(d < 0.5 for d in row) / 50, sum(-np.log(d / 0.5) for d in row if d < 0.5) / 50] for row in apart]
    np.testing.assert_allclose(np.stack([near_share(apart, 0.5), near_share(apart, 0.5, weighted=True)], axis=1), slow)
    # Distances uniform up to 1 and eps 1: the mean of -log d is 1.
    even = (np.arange(200_000) + 0.5)[None] / 200_000
    assert near_share(even, 1.0, weighted=True)[0] == pytest.approx(1, abs=1e-4)


def test_histograms_are_those_of_stretched_colours():
    images = np.random.default_rng(0).uniform(0.2, 0.7, (3, 20, 3))
    for image, one in zip(images, histograms(images), strict=True):
        stretched = (image - image.min()) / (image.max() - image.min())
        slow = np.histogramdd(stretched, bins=LEVELS, range=[(0, 1)] * 3)[0]
        np.testing.assert_allclose(
            one.reshape((LEVELS,) * 3).transpose(2, 1, 0), slow / np.linalg.norm(slow), rtol=1e-6
        )
    assert histograms(np.full((1, 4, 1), 0.3)).max() == 1  # one colour


def test_the_radius_is_the_median_of_the_nearest_or_a_percentile():
    case, _ = CASES["vae", False]
    for attack, half in (
        (MonteCarlo(space="pixels"), True),
        (MonteCarlo(space="pixels", radius="percentile", percentile=50), False),
    ):
        apart = [cdist(case.records, samples) for samples in case.targets.samples]
        slow = [near_share(one, np.median(one.min(axis=1) if half else one)) for one in apart]
        np.testing.assert_allclose(attack(case).scores, slow, atol=0.1)
    assert (MonteCarlo(space="pixels")(case).scores == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_powells_method_ends_where_scipys_does():
    random = np.random.default_rng(0)
    stretch = random.normal(size=(4, 4)) + 2 * np.eye(4)
    middle, start = random.normal(size=(20, 4)), random.normal(size=(20, 4))

    def value(z, middle=middle):
        apart = (z - middle) @ stretch
        return (apart**2).sum(axis=-1) + 0.1 * (apart**4).sum(axis=-1)

    z, low = jax.jit(lambda start: powell(value, start, 10))(jnp.asarray(start, jnp.float32))
    np.testing.assert_allclose(value(np.asarray(z)), low, rtol=1e-3, atol=1e-5)
    assert (np.asarray(low) < 0.001 * value(start)).all()
    slow = minimize(lambda z: value(z, middle[0]), start[0], method="Powell", options={"maxiter": 10})
    assert float(low[0]) <= slow.fun + 0.001 * value(start)[0]
    assert questions(10, 4) == 161


def test_many_generators_are_what_each_would_be_alone():
    records = np.random.default_rng(0).uniform(size=(2, 20, 6)).astype(np.float32)
    prior = Prior(kind="vae", latent=2, steps=3)
    both, swapped = train_generators(prior, records, 0), train_generators(prior, records[[0, 0]], 0)
    z, u = both.sample(5, 0)
    assert (z.shape, u.shape) == ((2, 5, 2), (2, 5, 6))
    np.testing.assert_allclose(u[0], swapped.sample(5, 0)[1][0], atol=1e-5)  # of its own records alone
    assert np.abs(u[1] - swapped.sample(5, 0)[1][1]).max() > 1e-3
    np.testing.assert_array_equal(both.sample(3, 0)[1], u[:, :3])


def test_precision_and_the_set_attack_by_hand():
    member = np.array([[True, True, False, False]])
    assert precisions(np.array([[4, 3, 2, 1.0]]), member).tolist() == [1]
    assert precisions(np.array([[1, 1, 1, 1.0]]), member).tolist() == [0.5]
    assert precisions(np.array([[3, 1, 1, 0.0]]), member).tolist() == [0.75]
    assert tied_share(np.array([[3, 1, 1, 0.0]])) == 0.5
    sets = set_attack(np.array([[4, 3, 2, 1.0]]), member, 1, 0)
    assert sets is not None
    assert (sets.pairs, sets.accuracy) == (2, 1)
    tie = set_attack(np.zeros((1, 4)), member, 2, 0)
    assert tie.accuracy == 0.5
    assert sum(tie.interval) == pytest.approx(1)  # half a pair is neither one nor none
    assert set_attack(np.zeros((1, 4)), member, 3, 0) is None
    random = np.random.default_rng(0)
    many, truth = random.normal(size=(1, 4000)), np.arange(4000)[None] < 2000
    many[truth] += 0.2  # sums of 50: the difference has mean 10 and deviation 10, so Phi(1)
    low, high = set_attack(many, truth, 50, 0).interval
    assert low < 0.841 < high


def test_what_evidence_is_not_enough_for_is_refused_and_named():
    case, _ = CASES["vae", True]
    usable, refusals = select_attacks([*ATTACKS.values()], case)
    assert {attack.name for attack in usable} == {*ATTACKS} - {"logan-white"}
    assert refusals == ["logan-white is of a gan and the target is a vae: leave it out."]
    samples = Evidence(
        records=case.records, shape=case.shape, pool=case.pool, targets=GeneratorView(case.targets.samples)
    )
    names = {attack.name for attack in select_attacks([*ATTACKS.values()], samples)[0]}
    assert names == {name for name in ATTACKS if lookup(name).sees == "samples" and not lookup(name).references}
    with pytest.raises(InputError, match="references and there are none"):
        GanLeaks()(samples)
    with pytest.raises(InputError, match="needs weights"):
        lookup("gan-leaks-white")(samples)
    with pytest.raises(InputError, match="is of images"):
        lookup("monte-carlo-histogram")(case)
    with pytest.raises(InputError, match="pool has shape"):
        dataclasses.replace(case, pool=case.pool[:, 1:])
    with pytest.raises(InputError, match="NaN"):
        dataclasses.replace(case, records=np.full_like(case.records, np.nan))
    for wrong in (
        lambda: Logan(local=Prior(kind="vae")),
        lambda: MonteCarlo(percentile=101.0),
        lambda: GanLeaks(samples=0),
    ):
        with pytest.raises(InputError):
            wrong()


def test_a_memorising_generator_makes_its_records():
    records = np.random.default_rng(0).uniform(0.1, 0.9, (1, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(memorising("vae", records).samples, records, atol=1e-6)
