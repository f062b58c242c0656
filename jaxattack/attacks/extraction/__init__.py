"""Extraction attacks: configurations called with an oracle, and their registry by name.

equations      linear models on feature maps, one-vs-rest, networks of one smooth layer, kernels; rounded confidences; and
               trying which of them it is (Tramèr et al. 2016)
trees          decision trees by path finding (the same)
binned         a regression behind bins and one-hot blocks (the same)
lowd_meek, retraining, jacobian, active, knockoff     from labels, with `substitute` models
relu           networks of one, two and three hidden layers, exactly (Carlini et al. 2020)
lm_head        the last layer of a language model (Carlini et al. 2024)
"""

from __future__ import annotations

from jaxattack.attacks.extraction.active import Active
from jaxattack.attacks.extraction.asking import log_probability, uniform
from jaxattack.attacks.extraction.binned import Binned
from jaxattack.attacks.extraction.equations.hypotheses import Hypotheses
from jaxattack.attacks.extraction.equations.kernel import Kernel
from jaxattack.attacks.extraction.equations.linear import Softmax
from jaxattack.attacks.extraction.equations.mlp import Mlp
from jaxattack.attacks.extraction.equations.ovr import OneVsRest
from jaxattack.attacks.extraction.equations.rounded import Rounded
from jaxattack.attacks.extraction.jacobian import Jacobian
from jaxattack.attacks.extraction.knockoff import Knockoff
from jaxattack.attacks.extraction.lm_head import Head, LmHead
from jaxattack.attacks.extraction.lowd_meek import LowdMeek
from jaxattack.attacks.extraction.relu.deep import ReluDeep
from jaxattack.attacks.extraction.relu.network import ReluNetwork, align, logits
from jaxattack.attacks.extraction.relu.two_layer import Relu, extract_many
from jaxattack.attacks.extraction.retraining import Retraining
from jaxattack.attacks.extraction.trees.path_finding import PathFinding
from jaxattack.attacks.extraction.trees.tree import Tree
from jaxattack.attacks.naming import named
from jaxattack.types import ExtractionAttack

_DEFAULTS: tuple[ExtractionAttack, ...] = (
    Softmax(),
    OneVsRest(),
    Mlp(),
    Kernel(),
    Rounded(),
    Hypotheses(),
    PathFinding(),
    PathFinding(partial=True),
    Binned(),
    LowdMeek(),
    Retraining(strategy="adaptive"),
    Retraining(strategy="line-search"),
    Retraining(strategy="uniform"),
    Jacobian(),
    Active(),
    Active(strategy="uncertainty"),
    Active(strategy="random"),
    Knockoff(strategy="random"),
    Knockoff(strategy="adaptive"),
    Relu(),
    ReluDeep(hidden=(15, 15)),
    LmHead(),
)
ATTACKS: dict[str, ExtractionAttack] = {attack.name: attack for attack in _DEFAULTS}


def lookup(name: str) -> ExtractionAttack:
    """One attack by name, which may set its fields as an address does: ``softmax?queries=200``.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("softmax?queries=200").queries
        200
    """
    return named(name, ATTACKS, "extraction attack")


__all__ = [
    "ATTACKS",
    "Active",
    "Binned",
    "Head",
    "Hypotheses",
    "Jacobian",
    "Kernel",
    "Knockoff",
    "LmHead",
    "LowdMeek",
    "Mlp",
    "OneVsRest",
    "PathFinding",
    "Relu",
    "ReluDeep",
    "ReluNetwork",
    "Retraining",
    "Rounded",
    "Softmax",
    "Tree",
    "align",
    "extract_many",
    "log_probability",
    "logits",
    "lookup",
    "uniform",
]
