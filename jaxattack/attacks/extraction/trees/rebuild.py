"""A compact tree with the leaves of one that was grown: pieces of one leaf are joined, and cuts divide no leaf.

A grown tree may have cut a leaf of the victim into several pieces. All thresholds on a feature together divide its
range into cells, and a leaf is a box of cells: a set of cells of each feature, contiguous for numeric ones. Pieces with
one identity are joined where their union is a box. The tree is then built from the root down, each time by a cut that
divides no box, for as long as there is one. Where every leaf has an identity of its own the result has exactly the
victim's leaves, since the victim's own root is such a cut.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from jaxattack.attacks.extraction.trees.growth import Node
from jaxattack.attacks.extraction.trees.tree import Tree


class Boxes(NamedTuple):
    """Leaves as boxes of cells; a categorical feature has no thresholds, for its cells are its categories."""

    cells: Bool[np.ndarray, "leaf feature cell"]
    identity: Int[np.ndarray, "leaf"]
    thresholds: list[np.ndarray]


def merge_boxes(root: Node, tolerance: Float[np.ndarray, "feature"]) -> Boxes:
    """The leaves of a grown tree, pieces joined; thresholds of a feature that are closer than the tolerance are one."""
    region, thresholds = root.region, _thresholds(root, tolerance)
    counts = np.where(region.categorical, region.allowed.sum(axis=1), [len(values) + 1 for values in thresholds])
    width, leaves = counts.max(), list[tuple[np.ndarray, int]]()
    pending = [(root, np.arange(width) < counts[:, None])]
    while pending:
        node, cells = pending.pop()
        if node.cut is None:
            leaves.append((cells, node.identity))
            continue
        feature = node.cut.feature
        if node.cut.left is None:
            left = np.arange(width) <= np.abs(thresholds[feature] - node.cut.threshold).argmin()
        else:
            left = np.pad(node.cut.left, (0, width))[:width]
        for half, side in zip(node.halves, (left, ~left), strict=True):
            part = cells.copy()
            part[feature] &= side
            if part[feature].any():
                pending.append((half, part))
    cells, identity = (np.array(part) for part in zip(*leaves, strict=True))
    different = np.unique(identity)
    groups = [_union(cells[identity == number], region.categorical) for number in different]
    return Boxes(np.concatenate(groups), np.repeat(different, [len(group) for group in groups]), thresholds)


def _thresholds(root: Node, tolerance: Float[np.ndarray, "feature"]) -> list[np.ndarray]:
    """The thresholds on each feature; those closer than the tolerance are one."""
    cuts = [node.cut for node in root.below() if node.cut is not None and node.cut.left is None]
    distinct = []
    for feature, width in enumerate(tolerance):
        values = np.sort([cut.threshold for cut in cuts if cut.feature == feature])
        parts = np.split(values, np.flatnonzero(np.diff(values) > width) + 1)
        distinct.append(np.array([part.mean() for part in parts if len(part)]))
    return distinct


def _union(boxes: Bool[np.ndarray, "box feature cell"], categorical: Bool[np.ndarray, "feature"]) -> np.ndarray:
    """The fewest boxes that joining gives of disjoint ones."""
    hull = np.asarray(boxes.any(axis=0))[None]
    # Python's integers, for the hull of 54 halved features has more cells than float64 can count.
    inside, volume = (one.sum(axis=2).astype(object).prod(axis=1).sum() for one in (boxes, hull))
    if inside == volume:
        return hull
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
    """The tree over boxes, whose features have the allowed categories, and whose identities have labels and values."""
    categorical, width = np.asarray(allowed.any(axis=1)), allowed.shape[1]
    nodes: list[dict[str, Any]] = []
    pending: list[tuple[np.ndarray, np.ndarray, dict[str, Any], str]] = [(boxes.cells, boxes.identity, {}, "left")]
    while pending:
        cells, identity, parent, side = pending.pop()
        parent[side] = len(nodes)
        node = {"feature": -1, "threshold": np.nan, "left": -1, "right": -1, "identity": identity[0]}
        node["categories"] = np.zeros(width, bool)
        nodes.append(node)
        if (identity == identity[0]).all():
            continue
        feature, left = _best(cells, categorical)
        node["feature"] = feature
        if categorical[feature]:
            node["categories"] = left[:width]
        else:
            node["threshold"] = boxes.thresholds[feature][left.nonzero()[0][-1]]
        for name, half in (("right", ~left), ("left", left)):
            part = cells.copy()
            part[:, feature] &= half
            inside = part[:, feature].any(axis=1)
            pending.append((part[inside], identity[inside], node, name))
    column = {name: np.array([node[name] for node in nodes]) for name in nodes[0]}
    number = column.pop("identity")
    return Tree(**column, label=label[number], value=value[number], names=names)


def _best(
    cells: Bool[np.ndarray, "box feature cell"], categorical: Bool[np.ndarray, "feature"]
) -> tuple[int, Bool[np.ndarray, "cell"]]:
    """The feature and the left cells of the cut that divides the fewest boxes, then leaves the halves most alike."""
    best, choice, places = np.inf, (-1, np.zeros(0, bool)), np.arange(cells.shape[2])
    for feature, free in enumerate(categorical):
        kinds = cells[:, feature]
        present = np.flatnonzero(kinds.any(axis=0))
        if len(present) < 2:
            continue
        if free:
            counts = kinds.astype(np.float32)
            sides = _components(counts, present)
            left, right = ((counts @ part.T > 0).sum(axis=0) for part in (sides, ~sides))
        else:
            # A box lies left of a threshold from its first cell on, and right of it up to its last.
            ends = kinds.argmax(axis=1), len(places) - 1 - kinds[:, ::-1].argmax(axis=1)
            left, beyond = (np.bincount(end, minlength=len(places)).cumsum()[present[:-1]] for end in ends)
            right = len(cells) - beyond
        cost = (left + right - len(cells)) * (2.0 * len(cells)) + np.abs(left - right)
        if cost.min() < best:
            side = cost.argmin()
            best, choice = cost[side], (feature, sides[side] if free else places <= present[side])
    return choice


def _components(
    kinds: Float[np.ndarray, "box cell"], present: Int[np.ndarray, "cell"]
) -> Bool[np.ndarray, "side cell"]:
    """The categories that some box holds together; each alone where that is all of them."""
    count, group = connected_components(kinds[:, present].T @ kinds[:, present] > 0, directed=False)
    if count == 1:
        count, group = len(present), np.arange(len(present))
    sides = np.zeros((count, kinds.shape[1]), bool)
    sides[group, present] = True
    return sides
