"""A decision tree as its owner publishes it: the questions, and how many training records ended in each leaf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.types import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class CountedTree:
    """A classification tree of thresholds, with the training records that each node saw; node 0 is the root.

    A record goes left where its feature is at most the threshold. A child comes after its parent.

    Attributes:
        feature: the one asked for; below 0 at a leaf.
        threshold: of the feature; anything at a leaf.
        left: the child; below 0 at a leaf.
        right: the other child.
        count: training records that passed through.
        label: the class that a leaf gives.
        features: how many features a record has.
        classes: how many there are, of which a tree need not give all.

    Raises:
        InputError: arrays of different lengths, counts that are not positive, or a feature that records do not have.
    """

    feature: Int[np.ndarray, "node"]
    threshold: Float[np.ndarray, "node"]
    left: Int[np.ndarray, "node"]
    right: Int[np.ndarray, "node"]
    count: Float[np.ndarray, "node"]
    label: Int[np.ndarray, "node"]
    features: int
    classes: int

    def __post_init__(self) -> None:
        lengths = {len(value) for value in vars(self).values() if isinstance(value, np.ndarray)}
        if len(lengths) != 1 or lengths == {0}:
            raise InputError(f"the arrays of the tree have lengths {sorted(lengths)}: give one entry for each node.")
        if not (self.count > 0).all():
            raise InputError(f"count is {self.count.min()} at a node: every node of a grown tree saw training records.")
        if self.feature.max() >= self.features:
            raise InputError(
                f"the tree asks for feature {self.feature.max()} and features is {self.features}: give records' width."
            )

    @classmethod
    def from_estimator(cls, estimator: Any) -> CountedTree:
        """The tree of a fitted `sklearn.tree.DecisionTreeClassifier`; a label is the index into its ``classes_``.

        Raises:
            InputError: it is no such tree, or not fitted.
        """
        tree = getattr(estimator, "tree_", None)
        if tree is None or not hasattr(estimator, "classes_"):
            raise InputError(f"{type(estimator).__name__} is no fitted decision tree classifier: fit one first.")
        return cls(
            feature=np.asarray(tree.feature, int),
            threshold=np.asarray(tree.threshold, float),
            left=np.asarray(tree.children_left, int),
            right=np.asarray(tree.children_right, int),
            count=np.asarray(tree.weighted_n_node_samples, float),
            label=np.asarray(tree.value)[:, 0].argmax(1),
            features=int(estimator.n_features_in_),
            classes=len(estimator.classes_),
        )

    def reachable(
        self, x: Float[np.ndarray, "query feature"], features: Bool[np.ndarray, "feature"]
    ) -> Bool[np.ndarray, "query node"]:
        """The nodes that a record may pass through when only some of its features are known.

        Args:
            x: records; what they hold in unknown features does not matter.
            features: which features are known; where all are, one leaf is reached.
        """
        nodes = np.zeros((len(x), len(self.feature)), bool)
        nodes[:, 0] = True
        for node in np.flatnonzero(self.feature >= 0):
            feature = self.feature[node]
            # sklearn compares in float32, and so places a value that lies between float32 neighbours of the threshold.
            low = np.asarray(x[:, feature], np.float32) <= self.threshold[node]
            nodes[:, self.left[node]] = nodes[:, node] & (low | ~features[feature])
            nodes[:, self.right[node]] = nodes[:, node] & (~low | ~features[feature])
        return nodes
