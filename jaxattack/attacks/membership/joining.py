"""How what several queries of a record say becomes one score.

| way | LiRA online: log-likelihood ratio | LiRA offline: z, the normal quantile of P(out <= phi) | RMIA: log r |
| --- | --- | --- | --- |
| ``mean`` | mean (the paper's) | mean z | mean |
| ``max`` | largest | largest z | largest |
| ``median`` | | | lower median: x dominates z where more than half of its queries do (the paper's vote) |
| ``log-cdf`` | | mean log P(out <= phi), as the paper's text reads | |
| ``log-sf`` | | minus mean log P(out > phi) | |

With one query all ways rank records alike. log P(out <= phi) is bounded by 0: one doubtful query outweighs any number of sure
ones, so that views which training did not show hide a leak.

The defaults ("auto") were chosen on digits (1,797 records, no augmentation, 18 queries) and Fashion-MNIST (the first 2,000;
2 queries without and with mirrored training, 18 with mirrored and shifted training), `mlp:128`, 30 epochs of batches of 50,
16 models, by the members found at 0.1% false positives, in percent with all queries; the record alone finds 4.8, 3.5, 1.3 and
1.3 (LiRA offline), in this order Fashion unseen, Fashion mirrored, digits unseen, Fashion mirrored and shifted:

| LiRA offline | log-cdf 2.0 3.3 0.1 1.2 | mean 3.4 3.5 0.2 1.5 | log-sf 4.1 3.5 0.3 1.5 | **max** 4.4 3.7 0.9 1.4 |
| LiRA online | **mean** 6.3 4.3 0.4 2.0 (AUC .743 .704 .549 .611) | max 6.4 4.5 1.0 1.5 (AUC .707 .701 .529 .590) | | |
| RMIA offline, log-ratio | mean 3.0 5.2 0.2 1.1 | median 2.3 4.6 0.1 1.1 | **max** 6.7 5.6 0.3 1.4 | |
| RMIA online, log-ratio | mean 0.1 6.2 0.1 1.5 | **median** 5.5 5.6 0.2 1.4 | max 0.1 6.5 0.1 1.7 | |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.membership.predictive import Predictive, log_cdf, log_sf, z_score
from jaxattack.types import InputError

ByQuery = Float[np.ndarray, "*target record query"]
Joined = Float[np.ndarray, "*target record"]


def mean(values: ByQuery) -> Joined:
    """The mean over queries."""
    return values.mean(axis=-1)


def largest(values: ByQuery) -> Joined:
    """The largest over queries."""
    return values.max(axis=-1)


def lower_median(values: ByQuery) -> Joined:
    """The lower median over queries, which more than half of them reach."""
    middle = (values.shape[-1] - 1) // 2
    return np.partition(values, middle, axis=-1)[..., middle]


RATIOS: dict[str, Callable[[ByQuery], Joined]] = {"mean": mean, "max": largest}
"""Of log-likelihood ratios."""

VOTES: dict[str, Callable[[ByQuery], Joined]] = {**RATIOS, "median": lower_median}
"""Of RMIA's log-ratios."""

TAILS: dict[str, Callable[[ByQuery, Predictive], Joined]] = {
    "mean": lambda x, out: mean(z_score(x, out)),
    "max": lambda x, out: largest(z_score(x, out)),
    "log-cdf": lambda x, out: mean(log_cdf(x, out)),
    "log-sf": lambda x, out: -mean(log_sf(x, out)),
}
"""Of the chance that a model not trained on the record answers less."""


def check_join(join: str, ways: dict[str, Callable[..., Joined]], attack: str) -> None:
    """Refuses a way that an attack has not.

    Raises:
        InputError: neither "auto" nor one of the ways.
    """
    if join not in ("auto", *ways):
        raise InputError(f"join is {join!r}: for {attack} choose from auto, {', '.join(ways)}.")
