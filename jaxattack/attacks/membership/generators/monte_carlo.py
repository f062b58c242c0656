"""Monte-Carlo attacks (Hilprecht et al. 2019, Monte Carlo and reconstruction membership inference attacks against generative
models): how many samples of a generator fall near a record.

Near is a distance below eps, in one of three spaces:

pca         the first principal components of records that the attacker holds, and no target was trained on
histogram   of colours: 16 levels a channel, jointly, each image stretched to all levels and its histogram to length 1
pixels      the records as they are

eps, of each target, is the median over records of the distance to the nearest sample, so that half of the records have a sample
near, or a percentile of all distances. The score is the share of samples that are near, or the mean of -log(distance / eps) over
them; of half of the records, those without any near, it is 0, so that scores tie. An attacker who knows that one of two sets of
records was trained on compares sums of scores (`jaxattack.audit.generators`). The record of the reconstruction attack is
`jaxattack.attacks.membership.generators.reconstruction`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float
from sklearn.decomposition import PCA

from jaxattack.attacks.membership.generators.distances import distances
from jaxattack.attacks.membership.generators.evidence import Evidence, GeneratorScores, Sight, require
from jaxattack.training.generators.learn import KINDS
from jaxattack.types import InputError, Progress, above_zero, at_least, config, within_memory

LEVELS = 16
"""Of a channel, in the authors' histograms."""


@config
class MonteCarlo:
    """Count the samples near a record.

    Attributes:
        space: pca, histogram or pixels, as the module says.
        radius: "median" of the nearest distances, or a "percentile" of all.
        percentile: that one, in per cent: .1 is one distance in a thousand.
        weighted: whether a near sample counts -log(distance / eps), and not 1.
        components: of the principal component analysis, at most.
        samples: of a target that it reads.

    Raises:
        InputError: a value out of range.
    """

    space: Literal["pca", "histogram", "pixels"] = "pca"
    radius: Literal["median", "percentile"] = "median"
    percentile: float = 0.1
    weighted: bool = False
    components: int = 40
    samples: int = 10_000

    paper = "Hilprecht et al. 2019, PoPETs"
    sees: Sight = "samples"
    references = False
    kinds = tuple(KINDS)

    def __post_init__(self) -> None:
        at_least(1, components=self.components, samples=self.samples)
        above_zero(percentile=self.percentile)
        if self.percentile > 100:
            raise InputError(f"percentile is {self.percentile}: give at most 100.")

    @property
    def name(self) -> str:
        """``monte-carlo``, and what differs from the default of space, radius and score."""
        parts = (
            "" if self.space == "pca" else self.space,
            "" if self.radius == "median" else self.radius,
            "log" if self.weighted else "",
        )
        return "-".join(["monte-carlo", *filter(None, parts)])

    def __call__(self, evidence: Evidence, *, seed: int = 0, progress: Progress | None = None) -> GeneratorScores:
        """Score every record for each target.

        Raises:
            InputError: records without colours, for a histogram.
        """
        require(self, evidence)
        samples = evidence.targets.samples[:, : self.samples]
        within_memory(len(evidence.records) * samples.shape[1], samples=samples.shape[1])
        project = self._projection(evidence, seed)
        records, scores = project(evidence.records), np.empty((len(samples), len(evidence.records)))
        for at, own in enumerate(samples):
            apart = np.concatenate([*distances(records, project(own))])
            scores[at] = near_share(apart, self._eps(apart), weighted=self.weighted)
            if progress:
                progress(self.name, at + 1, len(samples))
        return GeneratorScores(scores)

    def _eps(self, apart: Float[np.ndarray, "record sample"]) -> float:
        if self.radius == "median":
            return float(np.median(apart.min(axis=1)))
        return float(np.percentile(apart, self.percentile))

    def _projection(self, evidence: Evidence, seed: int):
        """From flat records to the space."""
        if self.space == "pca":
            components = min(self.components, *evidence.pool.shape)
            return PCA(components, random_state=seed).fit(evidence.pool).transform
        if self.space == "histogram":
            if len(evidence.shape) != 3 or evidence.shape[2] > 3:
                raise InputError(f"{self.name} is of images and a record has shape {evidence.shape}: choose pca.")
            return lambda flat: histograms(flat.reshape(len(flat), -1, evidence.shape[2]))
        return lambda flat: flat


def near_share(
    apart: Float[np.ndarray, "record sample"], eps: float, *, weighted: bool = False
) -> Float[np.ndarray, "record"]:
    """The share of samples nearer than eps, or the mean over all samples of -log(distance / eps) of the near ones.

    Args:
        apart: distances.
        eps: below which a sample is near.
        weighted: which of the two.
    """
    near = apart < eps
    if not weighted:
        return near.mean(axis=1)
    floor = np.finfo(
        np.float32
    ).tiny  # a sample that is the record itself is near beyond measure, and still one of many
    return np.where(near, -np.log(np.maximum(apart, floor) / max(eps, floor)), 0.0).mean(axis=1)


def histograms(images: Float[np.ndarray, "image pixel channel"]) -> Float[np.ndarray, "image bin"]:
    """Joint histograms of colours, each of Euclidean length 1; an image of one colour has one bin."""
    low, high = (bound(images, axis=(1, 2), keepdims=True) for bound in (np.min, np.max))
    width = np.where(high > low, high - low, 1)
    level = np.minimum((images - low) / width * LEVELS, LEVELS - 1).astype(np.int64)
    channels = images.shape[2]
    code = (level * LEVELS ** np.arange(channels)).sum(axis=2)
    bins = LEVELS**channels
    places = (np.arange(len(images))[:, None] * bins + code).ravel()
    counts = np.bincount(places, minlength=len(images) * bins).reshape(len(images), bins).astype(np.float32)
    return counts / np.linalg.norm(counts, axis=1, keepdims=True)
