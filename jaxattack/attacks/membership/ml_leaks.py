"""ML-Leaks (Salem et al., NDSS 2019, arXiv 1806.01246): three adversaries who know less and less.

1. One shadow and no classes: a network of 64 units over the three highest confidences, descending (two of two classes).
2. The same, with a shadow trained on another data set, whose features align because they are sorted:
   `jaxattack.attacks.membership.learned.transfer_scores`.
3. No shadow: the highest confidence is the score. For a verdict the paper takes as threshold the confidence that a tenth of
   1,000 random inputs exceed: `random_threshold`, which asks the target that much.

The official code is another: its first adversary learns from the target's own members and is tried on the shadow, its "MLP" is
called so that it is logistic regression on three numbers, and its third adversary has no threshold.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from jaxattack.attacks.membership.attack_network import AttackNetwork
from jaxattack.attacks.membership.learned import LearnedAttack
from jaxattack.attacks.membership.observed import read_signal, read_targets, read_values
from jaxattack.signals import MaxConfidence, Posterior
from jaxattack.types import InputError, Needs, Observations, Oracle, at_least, config

TOP = 3
"""Confidences that the first adversary reads."""


@config
class MLLeaks1(LearnedAttack):
    """An attack network over the highest confidences.

    Attributes:
        network: how it is built and trained.
        shadows: how many references play the target, all in one training set; fewer where there are fewer. The paper's point
            is that one is enough.
        seed: of the network's random draws.
        protocol: "independent" or "leave-one-out" (the shadows are models t + 2, t + 3, ...): see
            `jaxattack.attacks.membership.references`.

    Raises:
        InputError: no shadow, a negative seed, or an unknown protocol.
    """

    name = "ml-leaks-1"
    paper = "Salem et al. 2019, arXiv 1806.01246"
    signals = (Posterior(top=TOP),)

    network: AttackNetwork = AttackNetwork()

    def features(self, observations: Observations) -> tuple[Float[np.ndarray, "model record value"], ...]:
        """The highest confidences, descending.

        Raises:
            InputError: as `jaxattack.attacks.membership.observed.read_values`.
        """
        return (read_values(observations, self.signals[0])[:, :, 0, :-1],)  # the last is the label's own


@config
class MLLeaks3:
    """The highest confidence, whatever the label: log p - log(1 - p) of the likeliest class, in nats."""

    name = "ml-leaks-3"
    paper = "Salem et al. 2019, arXiv 1806.01246"
    family = "threshold"
    signals = (MaxConfidence(),)
    references = False

    def needs(self, models: int) -> Needs:  # noqa: ARG002 - every attack is asked alike
        """No references."""
        return Needs()

    def __call__(
        self, observations: Observations, targets: Sequence[int] | None = None
    ) -> Float[np.ndarray, "target record"]:
        """Scores of every record for each target.

        Raises:
            InputError: NaN or infinite signals.
        """
        highest = read_signal(observations, MaxConfidence())[:, :, 0]
        return highest[read_targets(observations, targets)].astype(np.float64)


def random_threshold(victim: Oracle, *, share: float = 0.1, queries: int = 1000, seed: int = 0) -> float:
    """The score of `MLLeaks3` above which a record is called a member: what a share of random inputs has or exceeds.

    Inputs are drawn uniformly from those that the victim documents.

    Args:
        victim: who answers with confidences or raw outputs.
        share: of the inputs that are to lie above, above 0 and below 1.
        queries: how many inputs are asked about.
        seed: of the draw.

    Returns:
        log p - log(1 - p) of the highest confidence, in nats.

    Raises:
        InputError: a number out of range, or a victim that answers labels alone.
        BudgetSpent: more queries than the victim has left.
    """
    at_least(1, queries=queries)
    at_least(0, seed=seed)
    if not 0 < share < 1:
        raise InputError(f"share is {share}: give a share of the random inputs, between 0 and 1.")
    inputs, rng = victim.access.inputs, np.random.default_rng(seed)
    if victim.access.level == "label":
        raise InputError("the victim answers labels alone: ml-leaks-3 needs confidences.")
    x = rng.uniform(inputs.low, inputs.high, (queries, *inputs.shape))
    categories = rng.integers(0, np.maximum(inputs.categories, 1), x.shape)
    x = np.where(inputs.categories > 0, categories, np.rint(x) if inputs.whole else x)
    answer = victim(x)
    if answer.logit is not None:
        z = np.sort(np.nan_to_num(np.asarray(answer.logit, np.float64), nan=-np.inf), axis=1)
        score = z[:, -1] - np.asarray(logsumexp(z[:, :-1], axis=1))
    else:
        p = np.nanmax(np.asarray(answer.probability, np.float64), axis=1)
        score = np.log(p) - np.log(np.maximum(1 - p, np.finfo(np.float32).tiny))
    return float(np.quantile(score, 1 - share, method="higher"))
