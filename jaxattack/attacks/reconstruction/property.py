"""A property of a training set that no record tells alone, read off the weights (Ateniese et al. 2015).

The attacker trains shadow models on sets of which different shares of the records have the property, and a regression of
the share on their weights (Suri and Evans 2022). Hidden units can trade places without changing a network, so they are
first put into an order of their own: by the sum of the weights that come in (Ganju et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import numpy as np
from jaxtyping import Bool, Float
from sklearn.decomposition import PCA
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxattack.attacks.reconstruction.knowledge import Knowledge, require
from jaxattack.training import train_ensemble
from jaxattack.types import (
    Dataset,
    Goal,
    InputError,
    Level,
    Need,
    Progress,
    Reconstruction,
    Variables,
    at_least,
    config,
)

LOW, HIGH = 0.1, 0.9
"""The shares that training sets are drawn with lie between these (Suri and Evans 2022 vary them from 0 to 1)."""


@config
class OfClasses:
    """Records of some classes.

    Attributes:
        classes: which; the first half of them by default.
    """

    classes: tuple[int, ...] = ()

    name = "classes"

    def __call__(self, dataset: Dataset) -> Bool[np.ndarray, "record"]:
        """Which records have it.

        Raises:
            InputError: a class that is not there.
        """
        if not all(0 <= cls < dataset.classes for cls in self.classes):
            raise InputError(f"classes is {self.classes} and {dataset.name} has {dataset.classes}: give some of these.")
        return np.isin(dataset.y, self.classes or range(dataset.classes // 2))


@config
class Above:
    """Records whose value in a column is above a bound.

    Attributes:
        column: counted from 0; of the flat record.
        bound: the mean of the column by default.
    """

    column: int = 0
    bound: float | None = None

    name = "above"

    def __call__(self, dataset: Dataset) -> Bool[np.ndarray, "record"]:
        """Which records have it.

        Raises:
            InputError: a column that records do not have.
        """
        flat = dataset.x.reshape(len(dataset), -1)
        if not 0 <= self.column < flat.shape[1]:
            raise InputError(f"column is {self.column} and a record has {flat.shape[1]}: count from 0.")
        values = flat[:, self.column]
        return values > (values.mean() if self.bound is None else self.bound)


Property = OfClasses | Above
PROPERTIES: dict[str, Property] = {one.name: one for one in (OfClasses(), Above())}


def draw_members(
    has: Bool[np.ndarray, "record"], shares: Sequence[float] | Float[np.ndarray, "model"], size: int, *, seed: int = 0
) -> Bool[np.ndarray, "model record"]:
    """Training sets of one size, of whose records a given share has something.

    Args:
        has: which records have it.
        shares: of each set, 0 to 1.
        size: records in each set.
        seed: decides which records.

    Raises:
        InputError: a share out of range, or too few records with it or without.
    """
    rng = np.random.default_rng(seed)
    groups = np.flatnonzero(has), np.flatnonzero(~has)
    member = np.zeros((len(shares), len(has)), bool)
    for row, share in zip(member, shares, strict=True):
        if not 0 <= share <= 1:
            raise InputError(f"a share is {share}: give 0 to 1.")
        count_with = round(share * size)
        if size < 1 or count_with > len(groups[0]) or size - count_with > len(groups[1]):
            raise InputError(
                f"a share of {share} in {size} records takes {count_with} with it and {size - count_with} without, and there are "
                f"{len(groups[0])} and {len(groups[1])}: give more records or a smaller size."
            )
        for group, count in zip(groups, (count_with, size - count_with), strict=True):
            row[rng.choice(group, count, replace=False)] = True
    return member


def size_of_sets(has: Bool[np.ndarray, "record"]) -> int:
    """The most records that a set can have with any share from `LOW` to `HIGH`."""
    return int(min(has.sum(), (~has).sum()) / HIGH)


def canonical(variables: Variables) -> Float[np.ndarray, "model parameter"]:
    """The parameters of perceptrons, flat, with hidden units in the order of the sum of their incoming weights.

    Args:
        variables: of ``mlp`` or ``softmax`` networks; every leaf leads with the axis ``model``.

    Raises:
        InputError: networks of other layers.
    """
    layers = _layers(variables.params)
    parts, order = [], None
    for number, (kernel, bias) in enumerate(layers):
        kernel = kernel if order is None else np.take_along_axis(kernel, order[:, :, np.newaxis], axis=1)
        if number < len(layers) - 1:
            order = np.argsort(kernel.sum(axis=1) + bias, axis=1)
            kernel = np.take_along_axis(kernel, order[:, np.newaxis, :], axis=2)
            bias = np.take_along_axis(bias, order, axis=1)
        parts += [kernel.reshape(len(kernel), -1), bias]
    return np.concatenate(parts, axis=1)


def _layers(params: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    try:
        layers = [params["layers"][number] for number in range(len(params["layers"]))]
        parameters = [(np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in layers]
    except (KeyError, TypeError) as error:
        raise InputError(
            "the networks are no perceptrons (mlp or softmax): their units have no order to be put in."
        ) from error
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise InputError("a network's weights are NaN or infinite: its training diverged.")
    return parameters


@dataclass(frozen=True, kw_only=True, eq=False)
class PropertyReader:
    """A regression of the share on weights: principal components of the standardised, canonical parameters, then Bayesian
    ridge regression, which finds its own penalty.

    Attributes:
        reduction: of canonical parameters.
        regression: of the share on components.
    """

    reduction: Pipeline
    regression: BayesianRidge

    @classmethod
    def fit(cls, shadows: Variables, share: Float[np.ndarray, "model"], *, components: int = 50) -> PropertyReader:
        """Learn the share from shadow models.

        Args:
            shadows: every leaf leads with the axis ``model``.
            share: of the records of each model's set that have the property.
            components: principal components that are read; at most the shadow models less one, or the weights.

        Raises:
            InputError: other than one share for each model, or one share throughout.
        """
        at_least(1, components=components)
        parameters = canonical(shadows)
        if np.shape(share) != (len(parameters),) or np.ptp(share) == 0:
            raise InputError(
                f"share is of shape {np.shape(share)} for {len(parameters)} models: give the share of each, not all alike."
            )
        pca = PCA(min(components, len(parameters) - 1, parameters.shape[1]), whiten=True, svd_solver="full")
        reduction = make_pipeline(StandardScaler(), pca).fit(parameters)
        return cls(reduction=reduction, regression=BayesianRidge().fit(reduction.transform(parameters), share))

    def __call__(self, victims: Variables) -> tuple[Float[np.ndarray, "model"], Float[np.ndarray, "model"]]:
        """The share of each model's training set, 0 to 1, and its standard deviation in the regression's posterior.

        Raises:
            InputError: networks of other sizes than it learnt from.
        """
        parameters = canonical(victims)
        if parameters.shape[1] != self.reduction.n_features_in_:
            raise InputError(
                f"a victim has {parameters.shape[1]} parameters and a shadow model {self.reduction.n_features_in_}: "
                "give models alike."
            )
        mean, deviation = self.regression.predict(self.reduction.transform(parameters), return_std=True)
        return mean.clip(0, 1), deviation


@config
class PropertyShare:
    """The share of a training set that has a property, by a regression that is learnt on shadow models.

    Attributes:
        shadows: models that the attacker trains on sets drawn from its pool.
        components: principal components of the weights that are read.

    Raises:
        InputError: a value out of range.
    """

    shadows: int = 200
    components: int = 50

    name = "property"
    paper = "Ateniese et al. 2015; Ganju et al. 2018; Suri and Evans 2022"
    goal: ClassVar[Goal] = "property"
    needs: ClassVar[tuple[Need, ...]] = ("weights", "pool", "training", "share")
    levels: ClassVar[tuple[Level, ...]] = ()

    def __post_init__(self) -> None:
        at_least(1, components=self.components)
        at_least(10, shadows=self.shadows)

    def __call__(self, knowledge: Knowledge, *, seed: int = 0, progress: Progress | None = None) -> Reconstruction:
        """Estimate the share behind each network; the score is less the regression's standard deviation.

        Raises:
            InputError: something missing, too few records with the property or without, networks that are no perceptrons,
                or a training that diverged.
        """
        weights, pool, training, has = require(self, knowledge)
        shares = np.linspace(LOW, HIGH, self.shadows)
        member = draw_members(has, shares, training.members or size_of_sets(has), seed=seed)
        if progress:
            progress("shadows", 0, self.shadows)
        ensemble, _ = train_ensemble(training.model, training.recipe, pool, member, seed=seed)
        if progress:
            progress("shadows", self.shadows, self.shadows)
        reader = PropertyReader.fit(ensemble.variables, shares, components=self.components)
        value, deviation = reader(weights)
        return Reconstruction(
            attack=self.name,
            goal=self.goal,
            value=value,
            score=-deviation,
            models=self.shadows,
            steps=self.shadows * training.recipe.steps(int(member[0].sum())),
        )
