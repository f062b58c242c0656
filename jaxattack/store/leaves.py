"""What a model learnt as arrays of an .npz: one a leaf of its tree, named by its path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from jaxattack.disk import read_arrays
from jaxattack.error import FolderError
from jaxattack.npz import Archive


def leaves_by_path(tree: Any) -> dict[str, np.ndarray]:
    """Every array of a pytree under the name of its place."""
    import jax  # a list of runs reads no leaves, and need not wait for it

    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves}


def read_leaves(path: Path, like: Any) -> Any:
    """A pytree of arrays from an .npz that `leaves_by_path` filled.

    Args:
        path: the file.
        like: a tree of the same structure, its leaves with shape and dtype.

    Raises:
        InputError: it is missing, damaged, or of another architecture.
    """
    import jax  # as above

    places, tree = jax.tree_util.tree_flatten_with_path(like)
    targets = {jax.tree_util.keystr(place, simple=True, separator="/"): leaf for place, leaf in places}

    def check(archive: Archive) -> None:
        for name, leaf in targets.items():
            shape = archive.header(name).shape if name in archive.names else None
            if shape != leaf.shape or archive.header(name).dtype.kind not in "biuf":
                raise FolderError(
                    f"{path} holds {'nothing' if shape is None else shape} for {name} and the model wants {leaf.shape}: "
                    "it is of another architecture."
                )

    arrays = read_arrays(path, tuple(targets), check=check)
    return jax.tree_util.tree_unflatten(tree, [arrays[name].astype(leaf.dtype) for name, leaf in targets.items()])
