"""The tables that the extraction papers attack, as records for a classifier.

A folder of .npz files holds those that no package embeds: `x` (numbers, or the index into `cat_<column>`; NaN is missing),
`columns`, and perhaps `y`; `adult.npz` comes in x_train, x_test, y_train, y_test. The others come with scikit-learn or are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn import datasets


class Records(NamedTuple):
    """Records of one table.

    Attributes:
        x: Float["record feature"]; a category is its index.
        y: Int["record"], the class; for GSS and steak, the answer to the question asked.
        categories: how many values each feature takes; 0 for a number.
        names: of the features.
    """

    x: np.ndarray
    y: np.ndarray
    categories: np.ndarray
    names: tuple[str, ...]


class Prepared(NamedTuple):
    """Records as a linear model takes them: categories one-hot, numbers scaled to -1..1.

    Attributes:
        x: Float["record feature"].
        y: Int["record"].
    """

    x: np.ndarray
    y: np.ndarray


def one_hot(records: Records) -> Prepared:
    """Every category a feature of its own, every number from -1 to 1; one that never changes is 0."""
    columns = []
    for feature, values in enumerate(records.categories):
        column = records.x[:, feature]
        if values:
            columns.append(column[:, None] == np.arange(values))
        else:
            spread = np.ptp(column)
            columns.append(((2 * (column - column.min()) / spread - 1) if spread else np.zeros_like(column))[:, None])
    return Prepared(np.concatenate(columns, axis=1).astype(float), records.y)


def blocks(x: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """Records as a tree takes them: every category a column of its own, numbers as they are; NaN fills its block."""
    columns = []
    for column, values in zip(x.T, categories, strict=True):
        block = np.where(np.isnan(column)[:, None], np.nan, column[:, None] == np.arange(values))
        columns.append(block if values else column[:, None])
    return np.concatenate(columns, axis=1).astype(float)


def asked_for(records: Records, column: str) -> Records:
    """The same table with a number to predict: the column of this name."""
    at = records.names.index(column)
    kept = np.arange(len(records.names)) != at
    names = tuple(name for name in records.names if name != column)
    return Records(records.x[:, kept], records.x[:, at], records.categories[kept], names)


def split(prepared: Prepared, seed: int) -> tuple[Prepared, Prepared]:
    """Seven tenths to train on, and the rest."""
    order = np.random.default_rng(seed).permutation(len(prepared.y))
    cut = 7 * len(order) // 10
    return Prepared(prepared.x[order[:cut]], prepared.y[order[:cut]]), Prepared(
        prepared.x[order[cut:]], prepared.y[order[cut:]]
    )


def _filed(folder: Path, name: str, target: str | None, *, drop: tuple[str, ...] = ()) -> Records:
    """A table from its file; a missing category is one more category, a missing number the median.

    Args:
        folder: of the .npz files.
        name: of the table.
        target: the column to predict; None where the file has y. Records that lack it are left out.
        drop: columns that say who answered, not what.
    """
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        if "x_train" in file.files:
            x = np.concatenate([file["x_train"], file["x_test"]]).astype(float)
            y = np.concatenate([file["y_train"], file["y_test"]]).astype(int)
        else:
            x = file["x"].astype(float)
            y = file["y"].astype(int) if "y" in file.files else np.zeros(len(x), int)
        names = [str(column) for column in file["columns"]]
        values = [len(file[f"cat_{index}"]) if f"cat_{index}" in file.files else 0 for index in range(len(names))]
    if x.max() == 255 and name == "mushrooms":
        x[x == 255] = np.nan
    if name == "adult":
        # What a census table is asked for decides what it is told: income is a feature where it is not the question.
        x, names, values, y = (
            (np.column_stack([x, y]), [*names, "income"], [*values, 2], y) if target else (x, names, values, y)
        )
    if target:
        at = names.index(target)
        known = ~np.isnan(x[:, at])
        x, y = x[known], x[known, at].astype(int)
        drop = (*drop, target)
    kept = [index for index, column in enumerate(names) if column not in drop]
    filled, counts = zip(*(_filled(x[:, index], values[index]) for index in kept), strict=True)
    return Records(np.column_stack(filled), y, np.array(counts), tuple(names[index] for index in kept))


def _filled(column: np.ndarray, values: int) -> tuple[np.ndarray, int]:
    missing = np.isnan(column)
    if not missing.any():
        return column, values
    if not values:
        return np.where(missing, np.median(column[~missing]), column), 0
    return np.where(missing, values, column), values + 1


def _embedded(loader: Callable[[], object]) -> Records:
    bunch = loader()
    x = np.asarray(bunch.data, float)  # type: ignore[attr-defined]
    names = tuple(map(str, getattr(bunch, "feature_names", range(x.shape[1]))))
    return Records(x, np.asarray(bunch.target), np.zeros(x.shape[1], int), names)  # type: ignore[attr-defined]


def _drawn(made: tuple[np.ndarray, np.ndarray]) -> Records:
    x, y = made
    return Records(np.asarray(x, float), np.asarray(y), np.zeros(x.shape[1], int), tuple(map(str, range(x.shape[1]))))


EMBEDDED: dict[str, Callable[[], Records]] = {
    "iris": lambda: _embedded(datasets.load_iris),
    "digits": lambda: _embedded(datasets.load_digits),
    "wine": lambda: _embedded(datasets.load_wine),
    "breast_cancer": lambda: _embedded(datasets.load_breast_cancer),
    "circles": lambda: _drawn(datasets.make_circles(5000, noise=0.1, factor=0.5, random_state=0)),
    "moons": lambda: _drawn(datasets.make_moons(5000, noise=0.2, random_state=0)),
    "blobs": lambda: _drawn(datasets.make_blobs(5000, 20, centers=3, cluster_std=8.0, random_state=0)[:2]),
    "five_classes": lambda: _drawn(
        datasets.make_classification(1000, 20, n_informative=15, n_classes=5, n_clusters_per_class=1, random_state=0)
    ),
}
FILED: dict[str, Callable[[Path], Records]] = {
    "adult_income": lambda folder: _filed(folder, "adult", None),
    "adult_race": lambda folder: _filed(folder, "adult", "race"),
    "german_credit": lambda folder: _filed(folder, "german_credit", None),
    "mushrooms": lambda folder: _filed(folder, "mushrooms", None),
    "pima_diabetes": lambda folder: _filed(folder, "pima_diabetes", None),
    "steak": lambda folder: _filed(folder, "steak_survey", "How do you like your steak prepared?"),
    "gss": lambda folder: _filed(folder, "gss_happiness", "Happiness level", drop=("id",)),
}


def records(name: str, folder: Path | None) -> Records | None:
    """A table by name, or None where its file is not at hand."""
    if name in EMBEDDED:
        return EMBEDDED[name]()
    return FILED[name](folder) if folder is not None and folder.is_dir() else None
