"""What to answer where an attack ended before a region was cut: the tree that best separates the rows asked there.

It is scikit-learn's, by entropy, until each leaf has one identity. It costs no queries, agrees with every answer that was
paid for, and uses a threshold that was found elsewhere wherever one lies between the rows to be separated.
"""

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from jaxattack.attacks.extraction.trees.cuts import CutSearch
from jaxattack.attacks.extraction.trees.growth import Node
from jaxattack.attacks.extraction.trees.region import Cut
from jaxattack.attacks.extraction.trees.transcript import Transcript


def induce(root: Node, transcript: Transcript, cuts: CutSearch) -> None:
    """Cut the leaves below a node that complete rows contradict, at thresholds found where there are any."""
    for leaf in root.leaves():
        inside = transcript.inside(leaf.region)
        if len(inside.rows) and (inside.identity != leaf.identity).any():
            _divide(leaf, inside, cuts)


def _divide(leaf: Node, inside: Transcript, cuts: CutSearch) -> None:
    """Cut one leaf until its rows are separated."""
    categorical = leaf.region.categorical
    # Ranks, because scikit-learn would round values to float32; and a column for each category.
    rank = np.column_stack([np.unique(column, return_inverse=True)[1] for column in inside.rows.T])
    columns = [(feature, -1) for feature in np.flatnonzero(~categorical).tolist()]
    columns += [(f, int(code)) for f in np.flatnonzero(categorical).tolist() for code in np.unique(inside.rows[:, f])]
    table = np.column_stack([rank[:, f] if code < 0 else inside.rows[:, f] == code for f, code in columns])
    tree = DecisionTreeClassifier(criterion="entropy", random_state=0).fit(table, inside.identity).tree_
    pending = [(leaf, 0, np.arange(len(table)))]
    while pending:
        node, number, rows = pending.pop()
        node.identity = inside.take(rows).most
        if tree.children_left[number] < 0:
            continue
        feature, code = columns[tree.feature[number]]
        low = table[rows, tree.feature[number]] <= tree.threshold[number]
        value, context = inside.rows[rows, feature], inside.rows[rows[0]]
        if code < 0:
            between = Cut(feature=feature, context=context, below=value[low].max(), above=value[~low].min())
            node.divide(cuts.bracket(node.region, between))
        else:
            others = np.arange(node.region.allowed.shape[1]) != code
            node.divide(Cut(feature=feature, context=context, left=others))
        children = tree.children_left[number], tree.children_right[number]
        pending += zip(node.halves, children, (rows[low], rows[~low]), strict=True)
