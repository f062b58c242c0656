"""Weights of a linear classifier from the directions of some boundaries and from points on others.

Boundary e between classes k and l says W_k - W_l = s_e v_e, with v_e known and the factor s_e > 0 not. Boundaries that join
all classes in a tree give every difference from their factors: W = (B B^T)^+ B (s * V), with B["class boundary"] the
signed incidence (1 at k, -1 at l). A point x where two classes meet that the tree does not join says (W_k - W_l) . x = 0,
which is linear in s. So s is the singular vector of those rows for the smallest singular value, unique up to one factor
where the next is not 0. Two classes need one boundary and no factor.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

ZERO = 1e-6
"""Singular values below this share of the largest are 0."""


def tree(own: Int[np.ndarray, "boundary"], other: Int[np.ndarray, "boundary"]) -> Int[np.ndarray, "edge"]:
    """The first boundaries that join what they touch without a cycle (Kruskal 1956)."""
    group: dict[int, int] = {}
    edges = []
    for boundary, pair in enumerate(zip(own.tolist(), other.tolist(), strict=True)):
        a, b = (group.setdefault(name, name) for name in pair)
        if a != b:
            edges.append(boundary)
            group = {name: a if root == b else root for name, root in group.items()}
    return np.array(edges, np.int64)


def join(
    direction: Float[np.ndarray, "edge feature"],
    own: Int[np.ndarray, "edge"],
    other: Int[np.ndarray, "edge"],
    meeting: tuple[Float[np.ndarray, "point feature"], Int[np.ndarray, "point"], Int[np.ndarray, "point"]],
    classes: int,
) -> tuple[Float[np.ndarray, "cls feature"], bool]:
    """Every class's weights, and whether they are fixed up to one factor.

    Where they are not, every difference along the tree has length 1.

    Args:
        direction: v of the tree's boundaries, of any length.
        own: k of each.
        other: l of each.
        meeting: points with the two classes that meet there.
        classes: how many; those that the tree does not join get 0.
    """
    unit = direction / np.maximum(np.linalg.norm(direction, axis=1, keepdims=True), np.finfo(float).tiny)
    eye = np.eye(classes)
    incidence = (eye[own] - eye[other]).T
    spread = np.linalg.pinv(incidence @ incidence.T) @ incidence
    factor, fixed = np.ones(len(own)), len(own) == 1
    x, first, second = meeting
    # In a tree the pseudo-inverse walks the path between two classes: an edge counts 1, -1 or 0.
    path = np.round(spread[first] - spread[second])
    beyond = np.abs(path).sum(axis=1) > 1.5
    if len(own) > 1 and beyond.any():
        # Two classes that the tree joins directly meet wherever their boundary is: that says nothing of the factors.
        row = path[beyond] * (x[beyond] @ unit.T) / np.linalg.norm(x[beyond], axis=1, keepdims=True)
        _, value, vector = np.linalg.svd(np.concatenate([row, np.zeros((len(own), len(own)))]))
        best = vector[-1] * np.sign(vector[-1].sum())
        fixed = bool(value[-2] > ZERO * value[0] and (best > 0).all())
        factor = best if fixed else factor
    return spread @ (factor[:, None] * unit), fixed
