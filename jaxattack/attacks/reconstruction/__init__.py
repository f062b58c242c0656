"""Records of a training set, and what they share, from what a model became: its weights, its answers, its updates.

An attack is a frozen configuration, called with `Knowledge`, of which it reads what its ``needs`` name.

attribute          one attribute of a record whose rest is known: from answers, or from a tree's counts
convex             the one training record that is not known, in closed form
informed           the same from the weights of a network, learnt on shadow models
kkt                training records from the weights alone
update_leakage     the record that a model was updated on, from answers before and after
property           what share of the training set has something, from the weights
property_answers   the same from answers alone
"""

from __future__ import annotations

from jaxattack.attacks.naming import named
from jaxattack.attacks.reconstruction.attribute import Confidence, MaximumPosterior, TreeCounts, confusion_matrix
from jaxattack.attacks.reconstruction.convex import Convex, solve
from jaxattack.attacks.reconstruction.informed import Informed, fixed_start, nearest_other, train_shadows
from jaxattack.attacks.reconstruction.kkt import KKT
from jaxattack.attacks.reconstruction.knowledge import Knowledge, Known, Partial, Span, Training
from jaxattack.attacks.reconstruction.linear_model import LinearModel
from jaxattack.attacks.reconstruction.property import PropertyReader, PropertyShare, draw_members
from jaxattack.attacks.reconstruction.property_answers import PropertyAnswers
from jaxattack.attacks.reconstruction.reconstructor import Reader, Reconstructor
from jaxattack.attacks.reconstruction.secret import Secret
from jaxattack.attacks.reconstruction.tree import CountedTree
from jaxattack.attacks.reconstruction.update import Update, change
from jaxattack.attacks.reconstruction.update_leakage import LabelReader, UpdateLabel, UpdateRecord, solve_softmax
from jaxattack.types import ReconstructionAttack

_DEFAULTS: tuple[ReconstructionAttack, ...] = (
    MaximumPosterior(), Confidence(), TreeCounts(), Convex(), Informed(), KKT(), UpdateRecord(), UpdateLabel(),
    PropertyShare(), PropertyAnswers(), PropertyAnswers(test="loss"),
)  # fmt: skip
ATTACKS: dict[str, ReconstructionAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> ReconstructionAttack:
    """One attack by name, which may set its fields as an address does: ``kkt?runs=32``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("convex").name
        'convex'
    """
    return named(name, ATTACKS, "reconstruction attack")


__all__ = [
    "ATTACKS",
    "KKT",
    "Confidence",
    "Convex",
    "CountedTree",
    "Informed",
    "Knowledge",
    "Known",
    "LabelReader",
    "LinearModel",
    "MaximumPosterior",
    "Partial",
    "PropertyAnswers",
    "PropertyReader",
    "PropertyShare",
    "Reader",
    "Reconstructor",
    "Secret",
    "Span",
    "Training",
    "TreeCounts",
    "Update",
    "UpdateLabel",
    "UpdateRecord",
    "change",
    "confusion_matrix",
    "draw_members",
    "fixed_start",
    "lookup",
    "nearest_other",
    "solve",
    "solve_softmax",
    "train_shadows",
]
