"""Dataset inference: a suspect is surer of the owner's records than of others (Maini, Yaghini and Papernot 2021).

    prepare     features of records of both kinds on the owner's model; a regressor learns to tell them apart
    proof       the same features on the suspect, of other records of both kinds; Welch's t of the regressor's outputs

The features of a record are its distances to the boundary: to ten classes in three norms with the suspect's weights
(`jaxattack.attacks.ownership.min_gd`), or along ten rays in three norms by its labels (`jaxattack.attacks.ownership.blind_walk`).

The paper's p-value says whether two sets of records differ for this suspect. Of an independent model they may differ too, and
for all independent models alike, by the draw of the two sets: t is the score, to be held against such models. Where the
owner's model has no gap between the records that it learnt and others there is nothing to infer. The evidence notes the
p-value of the owner's model itself: where that is not small, no suspect's is worth reading.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.ownership.blind_walk import Ask, Rays, blind_walk
from jaxattack.attacks.ownership.min_gd import min_gd
from jaxattack.attacks.ownership.regressor import fit, outputs
from jaxattack.attacks.ownership.suspects import labels_asked, oracle_of, weights_of
from jaxattack.attacks.ownership.two_samples import combined_p_value, welch
from jaxattack.perturb.labels import labels_of
from jaxattack.types import (
    EVERY_LEVEL,
    Dataset,
    Evidence,
    InputError,
    Ledger,
    Oracle,
    Owner,
    Progress,
    Proof,
    WhiteBox,
    above_zero,
    at_least,
    config,
)

LEAST = 4
"""Records of either kind, at least, for either half of the test."""

SAMPLE = 64
"""Records with which an owner chooses the scale of the noise."""

SCALES = tuple(2.0**power for power in range(9))
"""Of the noise of a Blind Walk, among which an owner chooses."""


class Features(NamedTuple):
    """Features of records on a model, and the gradients that they took."""

    value: Float[np.ndarray, "record feature"]
    gradients: int = 0


@config
class DatasetInference(ABC):
    """What both ways have in common.

    Attributes:
        training: records of either kind from which the regressor learns: the paper's 500; at most half of those there are.
        records: records of either kind about which a suspect is asked: with so many the paper claims a certainty of 99%; at most
            those that are left.
        exposure: records of these that the paper's p-value exposes at a time; at most all.
        draws: of them: the paper's 100.

    Raises:
        InputError: a value out of range.
    """

    training: int = 500
    records: int = 50
    exposure: int = 50
    draws: int = 100

    paper = "Maini et al. 2021, arXiv 2104.10706"
    surrogates = False
    name: ClassVar[str]
    white_box: ClassVar[bool]

    def __post_init__(self) -> None:
        at_least(LEAST, training=self.training, records=self.records)
        at_least(2, exposure=self.exposure)
        at_least(1, draws=self.draws)

    def choose(self, owner: Owner, x: np.ndarray, y: np.ndarray, seed: int) -> Mapping[str, np.ndarray]:  # noqa: ARG002
        """What the owner decides of the features, by name, before he takes any; nothing for most."""
        return {}

    @abstractmethod
    def features(
        self, suspect: Any, x: np.ndarray, y: np.ndarray, first: int, settings: Mapping[str, np.ndarray]
    ) -> Features:
        """Distances of records to the boundary of a suspect, or of the owner's own model.

        Args:
            suspect: `Oracle` or `WhiteBox`.
            x: records.
            y: their labels.
            first: the number of the first; everything random about a record is its number's.
            settings: the seed, and what `choose` decided.
        """

    def prepare(self, owner: Owner, *, seed: int = 0, progress: Progress | None = None) -> Evidence:
        """As `jaxattack.types.OwnershipTest`.

        Raises:
            InputError: fewer than eight members or held-out records.
        """
        rng, classes = np.random.default_rng(seed), np.asarray(owner.victim.classes)
        both = {"members": owner.members, "held_out": owner.held_out}
        sides = [_halves(dataset, name, self.training, self.records, rng) for name, dataset in both.items()]
        (x, y, member), sample = (_sample(*half) for half in zip(*sides, strict=True))
        settings = {"seed": np.asarray(seed), **self.choose(owner, x, y, seed)}
        training = self.features(owner.victim, x, y, 0, settings)
        regressor = fit(training.value[member], training.value[~member], seed=seed)
        if progress:
            progress("features of the owner's model", 1, 2)
        own = self.features(owner.victim, sample.x, sample.y, len(x), settings)
        if progress:
            progress("features of the owner's model", 2, 2)
        p, notes = self._judge(outputs(regressor, own.value), sample.member, seed)
        notes |= {name: float(value) for name, value in settings.items() if name != "seed"}
        return Evidence(
            test=self.name,
            arrays={**sample._asdict(), "number": np.asarray(len(x)), "classes": classes, **settings, **regressor},
            gradients=training.gradients + own.gradients,
            notes={"p-value of the owner's model": p, **notes},
        )

    def __call__(self, suspect: Oracle | WhiteBox, evidence: Evidence, *, seed: int = 0) -> Proof:
        """As `jaxattack.types.OwnershipTest`; the seed draws the records that the p-value exposes."""
        (weights_of if self.white_box else oracle_of)(suspect, evidence, self.name)
        arrays = evidence.arrays
        before = _ledger(suspect)
        features = self.features(suspect, arrays["x"], arrays["y"], int(arrays["number"]), arrays)
        p, notes = self._judge(outputs(arrays, features.value), arrays["member"], seed)
        cost = _ledger(suspect) - before
        return Proof(score=notes["t"], p_value=p, cost=cost, gradients=features.gradients, notes=notes)

    def _judge(
        self, out: Float[np.ndarray, "record"], member: Bool[np.ndarray, "record"], seed: int
    ) -> tuple[float, dict[str, float]]:
        """The paper's p-value, and what else a regressor's outputs say."""
        sides = out[member], out[~member]
        exposure, rng = min(self.exposure, *map(len, sides)), np.random.default_rng(seed)
        test = welch(*sides)
        return combined_p_value(*sides, exposure=exposure, draws=self.draws, rng=rng), {
            "t": float(np.nan_to_num(test.t)),
            "p-value of all records": float(test.p_value),
            "exposure": exposure,
            "mean difference": float(sides[1].mean() - sides[0].mean()),
        }


@config
class MinGD(DatasetInference):
    """Dataset inference with a suspect's weights.

    Attributes:
        targets: classes that a record is brought to, the likeliest: the paper's ten; at most all.
        steps: to each, at most: the paper's.
        coordinates: that a step in the 1-norm moves: the paper's; at most all.

    Raises:
        InputError: a value out of range.
    """

    targets: int = 10
    steps: int = 500
    coordinates: int = 100

    name = "dataset-inference"
    white_box = True
    levels = ()
    queries = 0

    def __post_init__(self) -> None:
        DatasetInference.__post_init__(self)
        at_least(1, targets=self.targets, steps=self.steps, coordinates=self.coordinates)

    def features(self, suspect, x, y, first, settings):  # noqa: ARG002 (nothing is random, and the label is one target)
        """As `DatasetInference`."""
        distance, gradients = min_gd(suspect, x, targets=self.targets, steps=self.steps, coordinates=self.coordinates)
        return Features(distance.reshape(len(x), -1), gradients)


@config
class BlindWalk(DatasetInference):
    """Dataset inference by labels.

    Few questions are best spent on many records and short rays: ``blind-walk?records=60&repeats=1&steps=3`` asks about 800.

    Attributes:
        repeats: rays of each record and norm: the paper's ten.
        steps: of a ray, at most: the paper's.
        scale: times the paper's noise, which suits CIFAR-10; None for the smallest power of two at which half of the rays of
            the owner's model end, on records from which the regressor learns.

    Raises:
        InputError: a value out of range.
    """

    repeats: int = 10
    steps: int = 50
    scale: float | None = None

    name = "blind-walk"
    white_box = False
    levels = EVERY_LEVEL

    def __post_init__(self) -> None:
        DatasetInference.__post_init__(self)
        at_least(1, repeats=self.repeats, steps=self.steps)
        if self.scale is not None:
            above_zero(scale=self.scale)

    def choose(self, owner, x, y, seed):
        """The scale of the noise."""
        if self.scale is not None:
            return {"scale": np.asarray(self.scale)}
        rows = np.linspace(0, len(x) - 1, min(len(x), SAMPLE)).astype(int)  # as many of either kind
        for scale in SCALES:
            if self._rays(owner.victim, x[rows], y[rows], 0, seed, scale).crossing.mean() >= 0.5:
                break
        return {"scale": np.asarray(scale)}

    def features(self, suspect, x, y, first, settings):
        """As `DatasetInference`."""
        rays = self._rays(suspect, x, y, first, int(settings["seed"]), float(settings["scale"]))
        return Features(rays.length.reshape(len(x), -1))

    def _rays(
        self, suspect: Oracle | WhiteBox, x: np.ndarray, y: np.ndarray, first: int, seed: int, scale: float
    ) -> Rays:
        box = isinstance(suspect, WhiteBox)
        ask: Ask = partial(labels_of if box else labels_asked, suspect)
        inputs = suspect.inputs if box else suspect.access.inputs
        return blind_walk(
            ask, x, y, inputs, seed=seed, first=first, scale=scale, repeats=self.repeats, steps=self.steps
        )


class _Records(NamedTuple):
    """Some records of one kind."""

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]


class _Sample(NamedTuple):
    """Records of both kinds, and which are members."""

    x: Shaped[np.ndarray, "record *feature"]
    y: Int[np.ndarray, "record"]
    member: Bool[np.ndarray, "record"]


def _halves(
    dataset: Dataset, name: str, training: int, records: int, rng: np.random.Generator
) -> tuple[_Records, _Records]:
    """Records that a regressor learns from, and others for suspects."""
    if len(dataset) < 2 * LEAST:
        raise InputError(f"{name} has {len(dataset)} records: dataset inference needs at least {2 * LEAST}.")
    order, training = rng.permutation(len(dataset)), min(training, len(dataset) // 2)
    halves = order[:training], order[training : training + records]
    learning, exposing = (_Records(dataset.x[rows], dataset.y[rows]) for rows in halves)
    return learning, exposing


def _sample(member: _Records, other: _Records) -> _Sample:
    x, y = (np.concatenate(both) for both in zip(member, other, strict=True))
    return _Sample(x, y, np.arange(len(y)) < len(member.y))


def _ledger(suspect: Oracle | WhiteBox) -> Ledger:
    return Ledger() if isinstance(suspect, WhiteBox) else suspect.ledger
