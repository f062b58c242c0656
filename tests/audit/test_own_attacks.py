"""Scores of attacks that other code wrote: whatever they are, an audit scores them or says why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from jaxattack.attacks.membership import ATTACKS
from jaxattack.audit import compare, score, score_target
from jaxattack.signals import Phi
from jaxattack.types import InputError, Needs, Observations

MEMBER = np.random.default_rng(0).permuted(np.tile(np.arange(6)[:, None] % 2 == 0, 40), axis=0)
OBSERVATIONS = Observations(signals={"phi": MEMBER[..., None] * 2.0}, member=MEMBER, label=np.zeros(40, int))


@dataclass(frozen=True)
class Own:
    """An attack of other code."""

    scores: Any
    name = family = "own"
    signals = (Phi(),)
    references = False

    def needs(self, models):
        return Needs()

    def __call__(self, observations, targets=None):
        return self.scores(observations.member if targets is None else observations.member[list(targets)])


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            lambda member: np.where(member, np.inf, 0.0),
            "own gives 120 scores that are NaN or infinite: have it drop or bound",
        ),
        (lambda member: np.where(member, np.nan, 0.0), "own gives 120 scores that are NaN or infinite"),
        (
            lambda member: member[:, :5],
            r"own gives scores of dtype bool and shape \(6, 5\), of 6 targets and 40 records",
        ),
        (lambda member: None, "own gives scores of dtype object"),
        (lambda member: member.astype(str), "own gives scores of dtype <U5"),
    ],
)
def test_scores_of_other_code_that_are_none_are_refused_in_a_sentence(scores, words):
    """Infinite ones, as of likelihood ratios, ended in a traceback of the report."""
    for audit in (
        lambda: score(OBSERVATIONS, (Own(scores),)),
        lambda: compare(*[OBSERVATIONS] * 2, attacks=(Own(scores),)),
    ):
        with pytest.raises(InputError, match=words):
            audit()
    with pytest.raises(InputError, match="own gives"):
        score_target(OBSERVATIONS, 0, (Own(scores),))


def test_truth_values_and_lists_and_numbers_of_jax_are_scores_too():
    """NumPy takes bfloat16 for raw bytes, and it was refused."""
    for scores in (
        lambda member: member,
        lambda member: member.tolist(),
        lambda member: member.astype(int),
        lambda member: jnp.asarray(member, jnp.bfloat16),
    ):
        assert score(OBSERVATIONS, (Own(scores),)).attacks[0].auc == 1


def test_signals_in_bfloat16_are_read_in_float32():
    """JAX's models answer in it, and NumPy takes it for raw bytes."""
    phi = np.asarray(jnp.asarray(np.random.default_rng(1).normal(size=(6, 40, 1)) + MEMBER[..., None], jnp.bfloat16))
    plain, given = (
        Observations(signals={"phi": values}, member=MEMBER, label=np.zeros(40, int))
        for values in (phi.astype(np.float32), phi)
    )
    assert given.signal("phi").dtype == np.float32
    np.testing.assert_array_equal(given.signal("phi"), plain.signal("phi"))
    found, expected = (score(one, (ATTACKS["loss"],)).attacks[0] for one in (given, plain))
    assert found.auc == expected.auc
