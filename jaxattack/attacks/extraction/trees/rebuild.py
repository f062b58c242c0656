"""A compact tree with the leaves of one that was grown: pieces of one leaf are joined, and cuts divide no leaf.

A grown tree may have cut a leaf of the victim into several pieces. All thresholds on a feature together divide its
range into cells, and a leaf is a box of cells: a set of cells of each feature, contiguous for numeric ones. Pieces with
one identity are joined where their union is a box. The tree is then built from the root down, each time by a cut that
divides no box, for as long as there is one. Where every leaf has an identity of its own the result has exactly the
victim's leaves, since the victim's own root is such a cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from jaxattack.attacks.extraction.trees.growth import Node
from jaxattack.attacks.extraction.trees.region import Region
from jaxattack.attacks.extraction.trees.tree import Tree


class Boxes(NamedTuple):
    """Leaves as boxes of cells.

    Attributes:
        cells: Bool["leaf feature cell"].
        identity: Int["leaf"].
        thresholds: of each feature, in order; none for a categorical one, whose cells are its categories.
    """

    cells: np.ndarray
    identity: np.ndarray
    thresholds: list[np.ndarray]


class Cutting(NamedTuple):
    """A node of the rebuilt tree: a feature and the cells that go left, or a leaf's identity."""

    feature: int
    left: np.ndarray | None
    children: tuple[int, int]
    identity: int


def merge_boxes(root: Node, tolerance: Float[np.ndarray, "feature"]) -> Boxes:
    """The leaves of a grown tree, pieces joined.

    Args:
        root: the grown tree.
        tolerance: thresholds of a feature that are closer than this are one.
    """
    region = root.region
    thresholds = _thresholds(root, region, tolerance)
    counts = np.where(region.categorical, region.allowed.sum(axis=1), [len(values) + 1 for values in thresholds])
    everything = np.arange(counts.max()) < counts[:, None]
    leaves: list[tuple[np.ndarray, int]] = []
    pending = [(root, everything)]
    while pending:
        node, cells = pending.pop()
        if node.cut is None:
            leaves.append((cells, node.identity))
            continue
        feature = node.cut.feature
        if node.cut.left is None:
            middle = (node.cut.below + node.cut.above) / 2
            left = np.arange(cells.shape[1]) <= np.abs(thresholds[feature] - middle).argmin()
        else:
            left = np.pad(node.cut.left, (0, cells.shape[1]))[: cells.shape[1]]
        for half, side in zip(node.halves, (left, ~left), strict=True):
            part = cells.copy()
            part[feature] &= side
            if part[feature].any():
                pending.append((half, part))
    cells = np.array([cells for cells, _ in leaves])
    identity = np.array([identity for _, identity in leaves])
    groups = [_union(cells[identity == number], region.categorical) for number in np.unique(identity)]
    return Boxes(np.concatenate(groups), np.repeat(np.unique(identity), [len(group) for group in groups]), thresholds)


def _thresholds(root: Node, region: Region, tolerance: Float[np.ndarray, "feature"]) -> list[np.ndarray]:
    """The thresholds on each feature; those closer than the tolerance are one."""
    middles: list[list[float]] = [[] for _ in region.low]
    pending = [root]
    while pending:
        node = pending.pop()
        pending += node.halves
        if node.cut is not None and node.cut.left is None:
            middles[node.cut.feature].append((node.cut.below + node.cut.above) / 2)
    distinct = []
    for values, width in zip(map(np.sort, middles), tolerance, strict=True):
        parts = np.split(values, np.flatnonzero(np.diff(values) > width) + 1)
        distinct.append(np.array([part.mean() for part in parts if len(part)]))
    return distinct


def _union(boxes: Bool[np.ndarray, "box feature cell"], categorical: Bool[np.ndarray, "feature"]) -> np.ndarray:
    """The fewest boxes that joining gives of disjoint ones."""
    hull = np.asarray(boxes.any(axis=0))
    if np.isclose(boxes.sum(axis=2).prod(axis=1, dtype=float).sum(), hull.sum(axis=1).prod(dtype=float), rtol=1e-9):
        return hull[None]
    before = len(boxes) + 1
    while len(boxes) < before:
        before = len(boxes)
        for feature, free in enumerate(categorical):
            boxes = _join_along(boxes, feature, bool(free))
    return boxes


def _join_along(boxes: Bool[np.ndarray, "box feature cell"], feature: int, free: bool) -> np.ndarray:
    """Join the boxes that differ in one feature alone; of a numeric feature only neighbours."""
    groups: dict[bytes, list[np.ndarray]] = {}
    for box in sorted(boxes, key=lambda box: int(box[feature].argmax())):
        group = groups.setdefault(np.delete(box, feature, axis=0).tobytes(), [])
        if group and (free or box[feature, group[-1][feature].nonzero()[0][-1] + 1]):
            group[-1] = group[-1] | box
        else:
            group.append(box)
    return np.array([box for group in groups.values() for box in group])


def build_tree(
    boxes: Boxes,
    allowed: Bool[np.ndarray, "feature category"],
    *,
    label: Int[np.ndarray, "identity"],
    value: Float[np.ndarray, "identity output"],
    names: tuple[str, ...],
) -> Tree:
    """The tree over boxes.

    Args:
        boxes: leaves.
        allowed: the categories of each feature; none of a number.
        label: the class that each identity stands for.
        value: the confidences or outputs.
        names: of the features.
    """
    categorical = np.asarray(allowed.any(axis=1))
    width = allowed.shape[1]
    nodes = cuttings(boxes, categorical)
    threshold, categories = np.full(len(nodes), np.nan), np.zeros((len(nodes), width), bool)
    for number, node in enumerate(nodes):
        if node.left is not None and categorical[node.feature]:
            categories[number] = node.left[:width]
        elif node.left is not None:
            threshold[number] = boxes.thresholds[node.feature][node.left.sum() - 1]
    identity = np.array([node.identity for node in nodes])
    return Tree(
        feature=np.array([node.feature for node in nodes]),
        threshold=threshold,
        categories=categories,
        left=np.array([node.children[0] for node in nodes]),
        right=np.array([node.children[1] for node in nodes]),
        label=label[identity],
        value=value[identity],
        names=names,
    )


def cuttings(boxes: Boxes, categorical: Bool[np.ndarray, "feature"]) -> list[Cutting]:
    """A tree over boxes, parents before children; the root comes first."""
    nodes: list[Cutting] = []
    pending = [(boxes.cells, boxes.identity, -1, 0)]
    while pending:
        cells, identity, parent, side = pending.pop()
        if parent >= 0:
            ends = nodes[parent].children
            children = (len(nodes), ends[1]) if side == 0 else (ends[0], len(nodes))
            nodes[parent] = nodes[parent]._replace(children=children)
        if (identity == identity[0]).all():
            nodes.append(Cutting(-1, None, (-1, -1), int(identity[0])))
            continue
        feature, left = _best(cells, categorical)
        for side, cut in ((1, ~left), (0, left)):
            part = cells.copy()
            part[:, feature] &= cut
            inside = part[:, feature].any(axis=1)
            pending.append((part[inside], identity[inside], len(nodes), side))
        nodes.append(Cutting(feature, left, (-1, -1), -1))
    return nodes


def _best(
    cells: Bool[np.ndarray, "box feature cell"], categorical: Bool[np.ndarray, "feature"]
) -> tuple[int, np.ndarray]:
    """The cut that divides the fewest boxes, and among those the one that leaves the halves most alike."""
    boxes, _, width = cells.shape
    first, last = cells.argmax(axis=2), width - 1 - cells[:, :, ::-1].argmax(axis=2)
    left = _histogram(first, width).cumsum(axis=1)
    right = boxes - _histogram(last, width).cumsum(axis=1)
    cost = _cost(left, right, boxes)
    cost[categorical] = np.inf
    feature, cell = np.unravel_index(cost.argmin(), cost.shape)
    best, choice = cost[feature, cell], (int(feature), np.arange(width) <= cell)
    for feature in np.flatnonzero(categorical):
        kinds = cells[:, feature].astype(np.float32)
        sides = _sides(kinds)
        left, right = ((kinds @ part.T > 0).sum(axis=0) for part in (sides, 1 - sides))
        cost = _cost(left, right, boxes)
        if cost.min(initial=np.inf) < best:
            best, choice = cost.min(), (int(feature), sides[cost.argmin()] > 0)
    return choice


def _histogram(cell: Int[np.ndarray, "box feature"], width: int) -> Int[np.ndarray, "feature cell"]:
    """How many boxes have each cell, by feature."""
    features = cell.shape[1]
    flat = (np.arange(features) * width + cell).ravel()
    return np.bincount(flat, minlength=features * width).reshape(features, width)


def _cost(left, right, boxes: int):
    """What is bad about a cut with so many boxes on either side: first those on both, then the imbalance."""
    cost = (left + right - boxes) * (2.0 * boxes) + np.abs(left - right)
    return np.where((left > 0) & (right > 0), cost, np.inf)


def _sides(kinds: Float[np.ndarray, "box cell"]) -> Float[np.ndarray, "side cell"]:
    """The left sides of the cuts of a categorical feature: categories that some box holds together stay together."""
    present = np.flatnonzero(kinds.any(axis=0))
    count, group = connected_components(kinds[:, present].T @ kinds[:, present] > 0, directed=False)
    if count == 1:
        count, group = len(present), np.arange(len(present))
    sides = np.zeros((count, kinds.shape[1]), np.float32)
    sides[group, present] = 1
    return sides
