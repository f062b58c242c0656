"""What a crafted skops file may do although skops trusts its types, and that it is refused before anything is asked.

A file may unpack to a thousand times its size, or hold arrays whose headers promise more numbers than follow; and some of
scikit-learn's estimators compute in C, where arrays that do not fit together are read or written beyond their ends:

    decision trees       children and features outside of the tree; also in ensembles, whose own check of X is narrower
    gradient boosting    more trees an iteration than the array has columns that they are added to
    support vectors      coefficients, intercepts or counts of another number than the vectors
"""

from __future__ import annotations

import gc
import io
import os
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble._gb import BaseGradientBoosting
from sklearn.svm._base import BaseLibSVM
from sklearn.tree._tree import Tree

from jaxattack.npz import RATIO, Archive, UnreadableError, largest_unpacked, open_regular, open_zip, read_header
from jaxattack.types import InputError

_ARRAY, _ARCHIVE = b"\x93NUMPY", b"PK\x03\x04"


def refuse_promises(path: str | Path) -> None:
    """Refuse a file by what its members promise, as `jaxattack.npz` does, before skops reads them.

    skops keeps arrays as .npy and sparse matrices as .npz, under any name.

    Raises:
        UnreadableError: it is no archive, unpacks to far more than its size, or holds an array of fewer numbers than its
            header says.
        OSError: it cannot be opened.
    """
    with open_regular(Path(path)) as file, open_zip(file) as parts:
        most = largest_unpacked(os.fstat(file.fileno()).st_size) - sum(part.file_size for part in parts.infolist())
        for part in parts.infolist():
            with parts.open(part) as member:
                start = member.read(len(_ARRAY))
            if start == _ARRAY:
                with parts.open(part) as member:
                    read_header(member, part.file_size)
            elif start.startswith(_ARCHIVE):
                with open_zip(io.BytesIO(parts.read(part))) as sparse:
                    most -= sum(inner.file_size for inner in sparse.infolist())
                    _refuse_beyond(most)
                    matrix = Archive(sparse)
                    for name in matrix.names:
                        matrix.header(name)


def _refuse_beyond(most: int) -> None:
    if most < 0:
        raise UnreadableError(f"its sparse matrices unpack to more than {RATIO} times its size")


def refuse_crafted(path: str | Path, estimator: Any) -> None:
    """Refuse an estimator whose arrays do not fit together.

    Raises:
        InputError: a tree, a boosted ensemble or a machine in it that no fit makes.
    """
    for value in _reachable(estimator):
        if not _tree_safe(value):
            raise InputError(f"{path} holds a decision tree whose nodes point outside of it: it is refused.")
        if isinstance(value, BaseLibSVM) and not _machine_safe(value):
            raise InputError(
                f"{path} holds a {type(value).__name__} of arrays that do not fit together: it is refused."
            )
        if isinstance(value, BaseGradientBoosting) and not _boosting_safe(value):
            raise InputError(f"{path} holds a {type(value).__name__} of trees that do not fit together: it is refused.")


def _tree_safe(value: Any) -> bool:
    """Whether no descent leaves a tree, nor reads features that the estimators around it do not check to be there."""
    if isinstance(value, Tree):
        feature, left, right = value.feature, value.children_left, value.children_right
        node = np.arange(value.node_count)
        leaf = (left == -1) & (feature < 0)
        inside = (feature >= 0) & (feature < value.n_features)
        onward = (left > node) & (right > node) & (left < len(node)) & (right < len(node))
        return len(node) > 0 and bool((leaf | (inside & onward)).all())
    if isinstance(value, BaseEstimator):
        parts = np.array(vars(value).get("estimators_", []), object).ravel()
        trees = [getattr(part, "tree_") for part in (value, *parts) if hasattr(part, "tree_")]  # noqa: B009 - not declared
        return all(tree.n_features <= getattr(value, "n_features_in_", 0) for tree in trees)
    return True


def _machine_safe(machine: Any) -> bool:
    """Whether a machine's arrays are of one number of vectors, as libsvm takes for granted; one that is not fitted computes nothing."""
    if not hasattr(machine, "support_vectors_"):
        return True
    vectors, count = len(machine.support_vectors_), np.asarray(machine._n_support)
    pairs = len(count) * (len(count) - 1) // 2
    return (
        not machine._sparse
        and machine.kernel in ("linear", "poly", "rbf", "sigmoid")  # precomputed ones are indexed by the file
        and machine.support_.shape == (vectors,)
        and machine._dual_coef_.shape == (len(count) - 1, vectors)
        and len(machine._intercept_) >= pairs
        and all(len(slope) in (0, pairs) for slope in (machine._probA, machine._probB))
        and (machine._impl in ("epsilon_svr", "nu_svr") or bool((count >= 0).all() and count.sum() == vectors))
        and machine._impl == type(machine)._impl
    )


def _boosting_safe(boosted: Any) -> bool:
    """Whether there are as many trees an iteration as columns that they are added to; one that is not fitted has none."""
    if not hasattr(boosted, "estimators_"):
        return True
    if not isinstance(boosted.init_, str | DummyClassifier | DummyRegressor):
        return False  # another estimator would be asked here before it is known to be safe
    start = boosted._raw_predict_init(np.zeros((1, boosted.n_features_in_), np.float32))
    trees = [part.tree_ for part in boosted.estimators_.ravel()]
    return (
        boosted.estimators_.shape[1:] == start.shape[1:]
        and start.dtype == np.float64
        and all(tree.value.shape[1:] == (1, 1) for tree in trees)
    )


def _reachable(root: Any) -> Iterator[Any]:
    """Every object that one holds on to; not the code it is made of."""
    objects: dict[int, Any] = {}
    waiting = [root]
    while waiting:
        value = waiting.pop()
        if id(value) in objects or isinstance(value, type | ModuleType | FunctionType):
            continue
        objects[id(value)] = value
        yield value
        # Arrays do not tell the collector of what they hold.
        waiting += value.ravel().tolist() if isinstance(value, np.ndarray) and value.dtype.hasobject else []
        waiting += gc.get_referents(value)
