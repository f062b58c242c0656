"""Data sets whose right answers are known, to check a whole sweep against.

* `gaussian`: the best accuracy that any classifier can reach on fresh records is known in closed form.
* `random_labels`: nothing can be learnt but by heart. Whatever a model gets right beyond chance on its members, it
  remembers; on non-members its expected accuracy is exactly ``1 / classes``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

import numpy as np

from jaxattack.npz import free_memory
from jaxattack.types import Dataset, InputError


def gaussian(
    *, records: int = 1000, features: int = 20, classes: int = 2, separation: float = 2.0, seed: int = 0
) -> Dataset:
    """A mixture of unit Gaussians, every two of whose means lie the same distance apart.

    Class k has its mean at ``separation / sqrt(2)`` on axis k; labels are uniform. The Bayes classifier takes the
    largest of the first ``classes`` features. It is right with probability ``E[Phi(Z + separation / sqrt(2)) **
    (classes - 1)]``, Z standard normal, which for two classes is ``Phi(separation / 2)``.

    Args:
        records: how many, at least 1.
        features: how many, at least ``classes``.
        classes: how many, at least 2.
        separation: the distance between two means, in standard deviations.
        seed: of the draw, at least 0.

    Raises:
        InputError: a number out of range.
    """
    name = f"synthetic:gaussian?{records=}&{features=}&{classes=}&{separation=}&{seed=}"
    _check_counts(name, records=records, features=features, classes=classes, seed=seed)
    if not (math.isfinite(separation) and separation >= 0):
        raise InputError(f"{name}: separation={separation}: give a distance of at least 0.")
    if features < classes:
        raise InputError(f"{name}: features={features} is less than classes={classes}: give a feature for each class.")
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=records)
    x = rng.standard_normal((records, features))
    x[np.arange(records), y] += separation / math.sqrt(2)
    return Dataset(x=x.astype(np.float32), y=y, classes=classes, name=name)


def random_labels(*, records: int = 1000, features: int = 20, classes: int = 10, seed: int = 0) -> Dataset:
    """Standard normal records with uniform labels that have nothing to do with them.

    Args:
        records: how many, at least 1.
        features: how many, at least 1.
        classes: how many, at least 2.
        seed: of the draw, at least 0.

    Raises:
        InputError: a number out of range.
    """
    name = f"synthetic:random-labels?{records=}&{features=}&{classes=}&{seed=}"
    _check_counts(name, records=records, features=features, classes=classes, seed=seed)
    rng = np.random.default_rng(seed)
    y = rng.integers(classes, size=records)
    x = rng.standard_normal((records, features))
    return Dataset(x=x.astype(np.float32), y=y, classes=classes, name=name)


MAKERS: dict[str, Callable[..., Dataset]] = {"gaussian": gaussian, "random-labels": random_labels}


def options(maker: Callable[..., Dataset]) -> dict[str, int | float]:
    """The numbers that a maker takes, each with its default."""
    return {name: parameter.default for name, parameter in inspect.signature(maker).parameters.items()}


def _check_counts(name: str, *, records: int, features: int, classes: int, seed: int) -> None:
    least = {"records": (records, 1), "features": (features, 1), "classes": (classes, 2), "seed": (seed, 0)}
    for field, (value, low) in least.items():
        if value < low:
            raise InputError(f"{name}: {field}={value}: give at least {low}.")
    # Drawn in float64, and kept in float32.
    if (need := 12 * records * features) > free_memory():
        raise InputError(
            f"{name}: {records} records need {need:,} bytes, more than the memory that is free: ask for fewer."
        )
