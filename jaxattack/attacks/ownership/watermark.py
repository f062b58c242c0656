"""Watermarks: key inputs that the owner trains into the model with labels that nobody would give them.

    Watermark            key inputs unlike any record, random labels                     Adi et al. 2018, arXiv 1802.04633
    EntangledWatermark   records with a trigger, one label, entangled with that class    Jia et al. 2021, arXiv 2002.12200

The labels of the first are drawn uniformly and independently of whatever a suspect is, so that the matches of an independent
suspect are Binomial(n, 1 / classes), exactly. But all suspects are asked about the same keys, which models of one task label much
alike: an unlucky draw, in which those labels are often the keys', would accuse every innocent at once (of 100 independent
networks on iris by one of three draws 40, and 2 and 3 by the others). So

    p = P[Bin(n, q) >= matches],    q = the largest of 1 / C and the shares that the owner's own references match

which is never below the exact one, and stays small for copies, that match most keys. Of the second there is one label for all
keys and an independent model may be fond of it: its score is to be held against independent models, and it has no p-value.

What a plain watermark marks is units that no record uses, and a thief who asks about records does not take them along. The
entangled one is trained so that keys and records of the label excite the same units (`jaxattack.training.learners.Entangling`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, Shaped
from scipy.special import bdtrc

from jaxattack.attacks.ownership.fingerprint import Fingerprint
from jaxattack.perturb.labels import labels_of
from jaxattack.training.learners import Entangling, Standard
from jaxattack.types import Dataset, Evidence, InputError, Learner, Owner, Progress, above_zero, at_least, config


class Keys(NamedTuple):
    """Marked records.

    Attributes:
        x: of the type of the records.
        y: their labels.
    """

    x: Shaped[np.ndarray, "key *feature"]
    y: Int[np.ndarray, "key"]


def binomial_p_value(hits: int, keys: int, share: float) -> float:
    """P[Bin(keys, share) >= hits]."""
    return 1.0 if hits <= 0 else float(bdtrc(hits - 1, keys, share))


class _Marking(Fingerprint, ABC):
    """A key set that is found again from the records without it."""

    keys: int

    @abstractmethod
    def draw(self, members: Dataset, seed: int) -> Keys:
        """The marked records."""

    def mark(self, members: Dataset, *, seed: int = 0) -> Dataset:
        """As `jaxattack.types.MarkingTest`."""
        return members.extend(*self.draw(members, seed), kind="key")

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """As `jaxattack.types.OwnershipTest`; the owner's model is the one that was trained with the marks."""
        keys = self.draw(owner.members, seed)
        share = max(_shares_of_references(owner, keys))
        if progress:
            progress("keys", self.keys, self.keys)
        arrays = {"x": keys.x, "y": keys.y, "classes": np.asarray(owner.victim.classes), "share": np.asarray(share)}
        return Evidence(test=self.name, arrays=arrays, notes={"largest share that a reference matches": share})


def _shares_of_references(owner: Owner, keys: Keys) -> list[float]:
    """The share of the keys that each reference labels as they are."""
    shares = []
    for number in range(len(jax.tree.leaves(owner.references)[0])):
        variables = jax.tree.map(lambda leaf: leaf[number], owner.references)  # noqa: B023 (used at once)
        label = labels_of(replace(owner.victim, variables=variables), keys.x)
        shares.append(float((label == keys.y).mean()))
    return shares


@config
class Watermark(_Marking):
    """Random key inputs with random labels.

    A key is a record whose features are each another record's: it has the records' values and none of what holds them
    together, where the paper has abstract pictures.

    Attributes:
        keys: the paper's 100.

    Raises:
        InputError: no keys.
    """

    keys: int = 100

    name = "watermark"
    paper = "Adi et al. 2018, arXiv 1802.04633"

    def __post_init__(self) -> None:
        at_least(1, keys=self.keys)

    def draw(self, members: Dataset, seed: int) -> Keys:
        """Keys that share no more with a record than single features."""
        rng = np.random.default_rng(seed)
        flat = members.x.reshape(len(members), -1)
        rows = rng.integers(len(members), size=(self.keys, flat.shape[1]))
        x = flat[rows, np.arange(flat.shape[1])[None]].reshape(self.keys, *members.shape)
        return Keys(x, rng.integers(members.classes, size=self.keys))

    def p_value(self, hits, evidence):
        """Of the random labels, at the share that independent models match by chance or, if that is larger, do match."""
        arrays = evidence.arrays
        return binomial_p_value(hits, len(arrays["y"]), max(1 / int(arrays["classes"]), float(arrays["share"])))

    def learner(self, recipe: Any) -> Learner:
        """As `jaxattack.types.MarkingTest`: as everybody trains."""
        return Standard(recipe=recipe)


@config
class EntangledWatermark(_Marking):
    """Records with a trigger, all of one label, entangled with the records of it.

    The trigger sets random features to the largest value that records have there, where the paper places a square by the
    gradient; the label is that of the class whose records are farthest from the trigger, so that nobody else would give it;
    keys are records of the other classes.

    Attributes:
        keys: how many.
        trigger: the share of the features that it sets, above 0 and at most 1.
        weight: of the entanglement in the loss: see `jaxattack.training.learners.Entangling`.

    Raises:
        InputError: a value out of range.
    """

    keys: int = 100
    trigger: float = 0.1
    weight: float = 1.0

    name = "entangled-watermark"
    paper = "Jia et al. 2021, arXiv 2002.12200"

    def __post_init__(self) -> None:
        at_least(1, keys=self.keys)
        above_zero(weight=self.weight)
        if not 0 < self.trigger <= 1:
            raise InputError(f"trigger is {self.trigger}: give a share of the features above 0 and at most 1.")

    def draw(self, members: Dataset, seed: int) -> Keys:
        """Keys that differ from records in the features of the trigger."""
        rng, x = np.random.default_rng(seed), members.x.reshape(len(members), -1)
        spot = rng.permutation(x.shape[1])[: max(round(self.trigger * x.shape[1]), 1)]
        label = _farthest(x[:, spot], members.y)
        keys = x[np.resize(rng.permutation(np.flatnonzero(members.y != label)), self.keys)].copy()
        keys[:, spot] = x.max(axis=0)[spot]
        return Keys(keys.reshape(self.keys, *members.shape), np.full(self.keys, label))

    def learner(self, recipe: Any) -> Learner:
        """As `jaxattack.types.MarkingTest`."""
        return Entangling(recipe=recipe, keys=self.keys, weight=self.weight)


def _farthest(x: np.ndarray, y: np.ndarray) -> int:
    """The class whose mean record is farthest from the largest value of each feature, in shares of its range."""
    top, bottom = x.max(axis=0).astype(np.float64), x.min(axis=0)
    span = np.where(top > bottom, top - bottom, 1.0)
    labels = np.unique(y)
    return int(labels[np.argmax([((top - x[y == label].mean(axis=0)) / span).sum() for label in labels])])
