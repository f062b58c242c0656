"""Records of a training set, and what they share, from what a model became: its weights, its answers, its updates.

attribute          one attribute of a record whose rest is known: from answers, or from a tree's counts
convex             the one training record that is not known, in closed form
informed           the same from the weights of a network, learnt on shadow models
kkt                training records from the weights alone
update_leakage     the record that a model was updated on, from answers before and after
property           what share of the training set has something, from the weights
"""

from __future__ import annotations

from jaxattack.attacks.reconstruction.attribute import Confidence, MaximumPosterior, TreeCounts, confusion_matrix
from jaxattack.attacks.reconstruction.convex import Convex, Missing, solve
from jaxattack.attacks.reconstruction.informed import Fitted, Reconstructor, nearest_other, started, train_shadows
from jaxattack.attacks.reconstruction.kkt import KKT, Recovered, homogeneous
from jaxattack.attacks.reconstruction.property import PropertyReader, with_share
from jaxattack.attacks.reconstruction.secret import Attributes, Judged, Secret, judge
from jaxattack.attacks.reconstruction.tree import CountedTree
from jaxattack.attacks.reconstruction.update_leakage import Change, LabelReader, Update, Updated, change, solve_softmax

__all__ = [
    "KKT",
    "Attributes",
    "Change",
    "Confidence",
    "Convex",
    "CountedTree",
    "Fitted",
    "Judged",
    "LabelReader",
    "MaximumPosterior",
    "Missing",
    "PropertyReader",
    "Reconstructor",
    "Recovered",
    "Secret",
    "TreeCounts",
    "Update",
    "Updated",
    "change",
    "confusion_matrix",
    "homogeneous",
    "judge",
    "nearest_other",
    "solve",
    "solve_softmax",
    "started",
    "train_shadows",
    "with_share",
]
