"""A property of a training set that no record tells alone, read off the weights (Ateniese et al. 2015).

The attacker trains shadow models on sets with the property and without, and a meta-classifier of their weights. Hidden
units can trade places without changing a network, so they are first put into an order of their own: by the sum of the
weights that come in (Ganju et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxattack.types import InputError, Variables


def with_share(
    has: Bool[np.ndarray, "record"], shares: Sequence[float], size: int, *, seed: int = 0
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
        wanted = round(share * size)
        if size < 1 or wanted > len(groups[0]) or size - wanted > len(groups[1]):
            raise InputError(
                f"a share of {share} in {size} records takes {wanted} with it and {size - wanted} without, and there are "
                f"{len(groups[0])} and {len(groups[1])}: give more records or a smaller size."
            )
        for group, count in zip(groups, (wanted, size - wanted), strict=True):
            row[rng.choice(group, count, replace=False)] = True
    return member


def ordered(variables: Variables) -> Float[np.ndarray, "model parameter"]:
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
        found = [(np.asarray(layer["kernel"]), np.asarray(layer["bias"])) for layer in layers]
    except (KeyError, TypeError) as error:
        raise InputError(
            "the networks are no perceptrons (mlp or softmax): their units have no order to be put in."
        ) from error
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params)):
        raise InputError("a network's weights are NaN or infinite: its training diverged.")
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class PropertyReader:
    """A meta-classifier of weights: principal components of the standardised, ordered parameters, then a logistic one.

    Attributes:
        classifier: of ordered parameters.
    """

    classifier: Pipeline

    @classmethod
    def fit(cls, shadows: Variables, has: Bool[np.ndarray, "model"], *, components: int = 50) -> PropertyReader:
        """Learn the property from shadow models.

        Args:
            shadows: every leaf leads with the axis ``model``.
            has: which were trained on a set with the property.
            components: principal components that are read; at most the shadow models less one.

        Raises:
            InputError: other than one entry for each model, or all models alike.
        """
        given = ordered(shadows)
        if has.shape != (len(given),) or has.all() or not has.any():
            raise InputError(
                f"has is of shape {has.shape} for {len(given)} models: say of each; some with, some without."
            )
        if components < 1:
            raise InputError(f"components is {components}: give 1 or more.")
        reduced = PCA(min(components, len(given) - 1), whiten=True, svd_solver="full")
        classifier = make_pipeline(StandardScaler(), reduced, LogisticRegression(C=0.1, max_iter=1000))
        return cls(classifier=classifier.fit(given, has))

    def __call__(self, victims: Variables) -> Float[np.ndarray, "model"]:
        """How sure it is that each model was trained on a set with the property, 0 to 1.

        Raises:
            InputError: networks of other sizes than it learnt from.
        """
        given = ordered(victims)
        if given.shape[1] != self.classifier.n_features_in_:
            raise InputError(
                f"a victim has {given.shape[1]} parameters and a shadow model {self.classifier.n_features_in_}: "
                "give models alike."
            )
        return self.classifier.predict_proba(given)[:, 1]
