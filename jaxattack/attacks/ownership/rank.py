"""The rank test: how a suspect fits the owner's records, ranked among reference models that were trained without them.

The owner asks a suspect about records that his model was trained on and about as many that it was not, and takes the difference of the
two means of a signal v: what a model has learnt of the members beyond what anybody learns of such records. A suspect that is
surer of everything, or of nothing, moves both means alike.

    statistic   v of a record                                                           seen
    lira        z-score of phi = log p_y - log(1 - p_y) among the references            confidences
                (offline LiRA, Carlini et al. 2022, arXiv 2112.03570, section VI)
    loss        log p_y                                                                 confidences
    label       1 where the label is right, else 0                                      labels

The null needs no formula: an independent suspect and n references are n + 1 models in random order, so that

    p = (1 + references whose statistic is at least the suspect's) / (n + 1)

is valid whatever the distribution (Vovk, Gammerman and Shafer 2005, section 2.2). It is never below 1 / (n + 1). A z-score
is taken among all n + 1 models but the one itself, so that the order stays random. What can break it is a suspect that differs
from the references in more than the records: another architecture or recipe, which the audit's independents show. One that
hides all but its likeliest classes has no confidence for the labels of the others, which references have: it is asked for labels.
"""

from __future__ import annotations

from functools import partial
from typing import Literal

import jax
import numpy as np
from jaxtyping import Float, Int
from scipy.special import softmax

from jaxattack.signals.scores import TINY
from jaxattack.types import (
    NUMBERS,
    Answer,
    Evidence,
    InputError,
    Level,
    Model,
    Oracle,
    Owner,
    Progress,
    Proof,
    Variables,
    WhiteBox,
    at_least,
    config,
)

Statistic = Literal["lira", "loss", "label"]

BLOCK = 1024
"""Records that the references are asked about at once."""


@config
class Rank:
    """A suspect's fit of the owner's records, ranked among the references.

    Attributes:
        statistic: lira, loss or label, as the module says.
        records: of the owner's members that a suspect is asked about, and as many held out; fewer where there are fewer.

    Raises:
        InputError: a value out of range.
    """

    paper = "this project; the statistic Carlini et al. 2022, arXiv 2112.03570"
    white_box = False
    surrogates = False
    queries = 1
    models = 19  # references: with them the highest rank is one in twenty

    statistic: Statistic = "lira"
    records: int = 500

    def __post_init__(self) -> None:
        at_least(1, records=self.records)

    @property
    def name(self) -> str:
        """``rank-lira``."""
        return f"rank-{self.statistic}"

    @property
    def levels(self) -> tuple[Level, ...]:
        """Confidences, or labels where no more is needed."""
        return ("label", *NUMBERS) if self.statistic == "label" else NUMBERS

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """As `jaxattack.types.OwnershipTest`: what the references answer to the records.

        Raises:
            InputError: fewer than 19 references, with which no rank is as low as 5%.
        """
        count = len(jax.tree.leaves(owner.references)[0])
        if count < self.models:
            raise InputError(
                f"there are {count} references: give {self.models} or more, so that a rank can be one in 20."
            )
        rng = np.random.default_rng(seed)
        size = min(self.records, len(owner.members), len(owner.held_out))
        parts = [data.take(np.sort(rng.permutation(len(data))[:size])) for data in (owner.members, owner.held_out)]
        x, y = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
        blocks = [x[at : at + BLOCK] for at in range(0, len(x), BLOCK)]
        p = np.concatenate([_confidences(owner.victim.model, owner.references, block) for block in blocks], axis=1)
        if progress:
            progress("references", count, count)
        of_label, of_others = _split(p, y)
        arrays = {"x": x, "y": y, "label": p.argmax(axis=2), "of_label": of_label, "of_others": of_others}
        return Evidence(test=self.name, arrays=arrays)

    def __call__(self, suspect: Oracle | WhiteBox, evidence: Evidence, *, seed: int = 0) -> Proof:  # noqa: ARG002 (nothing is random)
        """As `jaxattack.types.OwnershipTest`; each record is asked about once."""
        if isinstance(suspect, WhiteBox):
            raise InputError(
                f"{self.name} asks a suspect: give an oracle of it, as jaxattack.oracle.from_model makes one."
            )
        if suspect.access.level not in self.levels:
            raise InputError(
                f"{self.name} reads confidences and the suspect answers with its {suspect.access.level}: give rank-label."
            )
        access = suspect.access
        if self.statistic != "label" and 0 < access.top < access.classes:
            raise InputError(
                f"{self.name} reads the confidence in each record's label and the suspect answers its {access.top} likeliest of "
                f"{access.classes} classes alone: give rank-label."
            )
        x, y = evidence.arrays["x"], evidence.arrays["y"]
        before = suspect.ledger
        values = self._values(suspect(x), evidence, resolution(access.decimals))
        members = len(y) // 2
        statistic = values[:, :members].mean(axis=1) - values[:, members:].mean(axis=1)
        own, null = float(statistic[-1]), statistic[:-1]
        p_value = (1 + int((null >= own).sum())) / (1 + len(null))
        return Proof(score=own, p_value=p_value, cost=suspect.ledger - before)

    def _values(self, answer: Answer, evidence: Evidence, floor: float) -> Float[np.ndarray, "model record"]:
        """The signal of every reference, and of the suspect behind them."""
        arrays, y = evidence.arrays, evidence.arrays["y"]
        if self.statistic == "label":
            return np.concatenate([arrays["label"], answer.label[None]]) == y[None] + 0.0
        p = softmax(answer.logit, axis=1) if answer.probability is None else np.nan_to_num(answer.probability)
        log_p, log_others = (
            np.log(np.maximum(np.concatenate([arrays[name], own[None]], dtype=np.float64), floor))
            for name, own in zip(("of_label", "of_others"), _split(p, y), strict=True)
        )
        return log_p if self.statistic == "loss" else leave_one_out_z(log_p - log_others)


def leave_one_out_z(values: Float[np.ndarray, "model record"]) -> Float[np.ndarray, "model record"]:
    """Each value less the mean of the other models', over their standard deviation; 0 where the others do not vary.

    With the mean m and the sum of squares s about it over all n models, the others' mean is m - d / (n - 1) and their sum
    of squares s - d^2 n / (n - 1), d being the value less m.
    """
    n = len(values)
    deviation = values - values.mean(axis=0)
    squares = (deviation**2).sum(axis=0) - deviation**2 * n / (n - 1)
    # What cancels to rounding is no spread.
    spread = np.sqrt(np.where(squares > 1e-12 * (deviation**2).sum(axis=0), squares, np.inf) / (n - 2))
    return deviation * n / (n - 1) / spread


def resolution(decimals: int | None) -> float:
    """The smallest confidence that answers tell from 0."""
    return TINY if decimals is None else max(10.0**-decimals, TINY)


def _split(
    p: Float[np.ndarray, "*model record cls"], y: Int[np.ndarray, "record"]
) -> tuple[Float[np.ndarray, "*model record"], Float[np.ndarray, "*model record"]]:
    """The confidence in each record's label, and in all other classes together, added up where they are small."""
    at = np.arange(len(y))
    others = p.copy()
    others[..., at, y] = 0
    return p[..., at, y], others.sum(axis=-1)


@partial(jax.jit, static_argnames="model")
def _confidences(model: Model, references: Variables, x: Float[jax.Array, "record *feature"]) -> jax.Array:
    """What every reference answers: ["model record cls"]."""
    return jax.lax.map(lambda variables: jax.nn.softmax(model.apply(variables, x)), references)
