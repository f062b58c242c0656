"""A decision or regression tree: thresholds on numeric features, sets of values of categorical ones.

A record goes left at a node where its feature is at most the threshold, or one of the node's categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A tree as parallel arrays; node 0 is the root.

    Attributes:
        feature: Int["node"], the feature asked for; -1 at a leaf.
        threshold: Float["node"], of numeric features; NaN elsewhere.
        categories: Bool["node category"], the values of a categorical feature that go left; none at a numeric node.
        left: Int["node"], the child; -1 at a leaf.
        right: Int["node"].
        label: Int["node"], the class predicted at a leaf.
        value: Float["node output"], confidences, raw outputs, or the one number of a regression tree, at a leaf.
        names: of the features; empty where they have none.
    """

    feature: np.ndarray
    threshold: np.ndarray
    categories: np.ndarray
    left: np.ndarray
    right: np.ndarray
    label: np.ndarray
    value: np.ndarray
    names: tuple[str, ...] = ()

    @property
    def leaves(self) -> int:
        """How many leaves."""
        return int((self.feature < 0).sum())

    def apply(self, x: Float[np.ndarray, "query *feature"]) -> Int[np.ndarray, "query"]:
        """The leaf of each record.

        Raises:
            InputError: a record that lacks a feature.
        """
        rows = np.asarray(x, float).reshape(len(x), -1)
        if np.isnan(rows).any():
            raise InputError("x holds NaN and the tree asks for every feature: give complete records.")
        node = np.zeros(len(rows), int)
        inside = np.arange(len(rows))
        while len(inside := inside[self.feature[node[inside]] >= 0]):
            at = node[inside]
            node[inside] = np.where(self._left(at, rows[inside, self.feature[at]]), self.left[at], self.right[at])
        return node

    def _left(self, node: Int[np.ndarray, "query"], value: Float[np.ndarray, "query"]) -> np.ndarray:
        code = np.where(np.isnan(self.threshold[node]), value, -1).astype(int)
        valid = (code >= 0) & (code < self.categories.shape[1])
        return (value <= self.threshold[node]) | (valid & self.categories[node, np.where(valid, code, 0)])

    def predict(self, x: Float[np.ndarray, "query *feature"]) -> np.ndarray:
        """The class of each record; of a regression tree, its value."""
        leaf = self.apply(x)
        return self.value[leaf, 0] if self.value.shape[1] == 1 else self.label[leaf]

    def predict_proba(self, x: Float[np.ndarray, "query *feature"]) -> Float[np.ndarray, "query output"]:
        """The confidences (or raw outputs) of each record."""
        return self.value[self.apply(x)]

    def text(self, names: Sequence[str] = ()) -> str:
        """The rules, one a line, as `sklearn.tree.export_text` writes them; categories as sets of their codes.

        Args:
            names: of the features; by default the tree's own, or ``feature_0`` and so on.
        """
        features = names or self.names or [f"feature_{number}" for number in range(self.feature.max(initial=0) + 1)]
        lines: list[str] = []
        pending: list[tuple[int, int, str]] = [(0, 0, "")]
        while pending:
            node, level, rule = pending.pop()
            if rule:
                lines.append("|   " * (level - 1) + "|--- " + rule)
            if self.feature[node] < 0:
                lines.append("|   " * level + "|--- " + self.outcome(node))
            else:
                yes, no = self.rules(node, features[int(self.feature[node])])
                pending += [(int(self.right[node]), level + 1, no), (int(self.left[node]), level + 1, yes)]
        return "\n".join(lines)

    def rules(self, node: int, name: str) -> tuple[str, str]:
        """What holds to the left of a node, and to the right, in words."""
        if np.isnan(self.threshold[node]):
            codes = ", ".join(map(str, np.flatnonzero(self.categories[node])))
            return f"{name} in {{{codes}}}", f"{name} not in {{{codes}}}"
        return f"{name} <= {self.threshold[node]:.6g}", f"{name} >  {self.threshold[node]:.6g}"

    def outcome(self, leaf: int) -> str:
        """What a leaf answers, in words."""
        if self.value.shape[1] == 1:
            return f"value: {self.value[leaf, 0]:.6g}"
        label = self.label[leaf]
        return f"class: {label} ({self.value[leaf, label]:.4g})"
