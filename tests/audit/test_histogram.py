"""The histogram of an attack's scores in the findings: within the outermost thousandths, and of every score."""

from __future__ import annotations

import numpy as np
from attacks.planted import complementary, observe

from jaxattack.attacks.membership import LiRA
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.findings import values

MEMBER = complementary(8, 500, seed=0)


def histogram(observations):
    entry = values(evaluate(observations, [LiRA(online=False)], growth=False))["attacks"][0]
    return entry["histogram"], LiRA(online=False)(observations)


def naive(scores, edges):
    """How many scores are in each bin, one at a time; those beyond the ends in the outermost."""
    counts = [0] * (len(edges) - 1)
    for score in scores:
        inside = [number for number in range(len(counts)) if edges[number] <= score < edges[number + 1]]
        counts[inside[0] if inside else (0 if score < edges[0] else -1)] += 1
    return counts


def test_it_ends_at_the_outermost_thousandths_and_every_score_is_in_it():
    told, scores = histogram(observe(MEMBER, leak=2.0, seed=1))
    low, high = np.quantile(scores, [0.001, 0.999])
    assert scores.min() < low
    assert scores.max() > high
    np.testing.assert_allclose(told["edges"], np.linspace(low, high, 61))
    assert told["member"] == naive(scores[MEMBER], told["edges"])
    assert told["non_member"] == naive(scores[~MEMBER], told["edges"])
    assert sum(told["member"]) == MEMBER.sum()
    assert sum(told["non_member"]) == (~MEMBER).sum()


def test_scores_that_are_all_alike_are_in_one_bin():
    flat = observe(MEMBER, leak=0.0, seed=1)
    for signal in flat.signals.values():
        signal[:] = 1.0
    told, _ = histogram(flat)
    assert told["edges"][-1] > told["edges"][0]
    for side, count in (("member", MEMBER.sum()), ("non_member", (~MEMBER).sum())):
        assert sorted(told[side])[-2:] == [0, count]
