"""How one model learns, as values: configurations that are called inside a traced function, and their registry by name.

standard       a loss, a gradient rule and a recipe: mean cross entropy of shuffled batches
l2             a penalty on squared weights (Shokri et al. 2017)
label-smoothing, confidence-penalty
               losses that reward less confidence (Szegedy et al. 2016, Pereyra et al. 2017)
mixup          mixtures of records and of labels (Zhang et al. 2018)
relaxloss      a loss that training holds at a level (Chen et al. 2022)
neuguard       answers near their class's mean, and balanced layers (Xu et al. 2022)
hamp           a loss with soft labels of high entropy (Chen and Pattabiraman 2024)
dp-sgd         a gradient rule: clipped per-record gradients and noise (Abadi et al. 2016)
distillation   a learner that calls another: the student of a teacher (Hinton et al. 2015)
dmp            the student of a teacher's answers about records set aside (Shejwalkar and Houmansadr 2021)
adversarial    training against a network that tells members from records set aside (Nasr et al. 2018)
adversarial-training  training on batches that an adversary has moved (Madry et al. 2018, Wong et al. 2020)
pate           the student of a noisy vote of teachers, on records set aside (Papernot et al. 2018)
deep-ensemble  several networks that answer together (Lakshminarayanan et al. 2017)
parameter-noise  noise on what is deployed (Chaudhuri et al. 2011)
pruning        the smallest weights taken out, the others trained further (Han et al. 2015)
federated      rounds of averaging among parties, before a server that keeps them (McMahan et al. 2017, Nasr et al. 2019)
fixmatch       labels of some members, and what the model is sure of about all (Sohn et al. 2020); pictures alone
entangling     a watermark's keys held among the members of their label (Jia et al. 2021); of a marked model, and in no registry
stacking       softmax regression on two models of disjoint members (Salem et al. 2019)
selena         the student of sub-models that miss what they are asked about (Tang et al. 2022)

Dropout belongs to the architecture (``dropout`` of `jaxattack.models.build`), and so trains under any of them.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from jaxattack.own_code import own_code
from jaxattack.training.learners.adversarial import AdversarialRegularisation
from jaxattack.training.learners.adversarial_training import AdversarialTraining
from jaxattack.training.learners.confidence_penalty import ConfidencePenalty
from jaxattack.training.learners.deep_ensemble import DeepEnsemble
from jaxattack.training.learners.distillation import Distillation
from jaxattack.training.learners.dmp import DMP
from jaxattack.training.learners.dp_sgd import DPSGD
from jaxattack.training.learners.entangling import Entangling
from jaxattack.training.learners.federated import Federated
from jaxattack.training.learners.fixmatch import FixMatch
from jaxattack.training.learners.high_entropy import HighEntropy
from jaxattack.training.learners.l2 import L2
from jaxattack.training.learners.label_smoothing import LabelSmoothing
from jaxattack.training.learners.mixup import Mixup
from jaxattack.training.learners.neuguard import NeuGuard
from jaxattack.training.learners.parameter_noise import ParameterNoise
from jaxattack.training.learners.pate import PATE
from jaxattack.training.learners.pruning import Pruning
from jaxattack.training.learners.relaxloss import RelaxLoss
from jaxattack.training.learners.selena import SELENA
from jaxattack.training.learners.stacking import Stacking
from jaxattack.training.learners.standard import CrossEntropy, Plain, Standard
from jaxattack.training.recipe import Recipe
from jaxattack.types import Learner

LEARNERS: dict[str, Learner] = {
    "standard": Standard(),
    "l2": L2(),
    "label-smoothing": Standard(loss=LabelSmoothing()),
    "confidence-penalty": Standard(loss=ConfidencePenalty()),
    "mixup": Mixup(),
    "relaxloss": Standard(loss=RelaxLoss()),
    "neuguard": NeuGuard(),
    "hamp": Standard(loss=HighEntropy()),
    "dp-sgd": Standard(gradient=DPSGD()),
    "distillation": Distillation(),
    "selena": SELENA(),
    "dmp": DMP(),
    "adversarial": AdversarialRegularisation(),
    "adversarial-training": AdversarialTraining(),
    "pate": PATE(),
    "deep-ensemble": DeepEnsemble(),
    "stacking": Stacking(),
    "pruning": Pruning(),
    "parameter-noise": ParameterNoise(),
    "fixmatch": FixMatch(),
    "federated": Federated(),
}


def as_learner(recipe: Recipe | Learner) -> Learner:
    """A learner; a recipe alone is what `Standard` learns by."""
    return Standard(recipe=recipe) if isinstance(recipe, Recipe) else recipe


def part_of(learner: Learner) -> str | None:
    """The field that tells a `Standard` from the plain one, whose own fields its name sets; None where no single one does."""
    if not isinstance(learner, Standard):
        return None
    plain = Standard(recipe=learner.recipe)
    differing = [name for name in ("loss", "gradient") if getattr(learner, name) != getattr(plain, name)]
    return differing[0] if len(differing) == 1 else None


def identity(learner: Learner, slots: int) -> dict[str, Any]:
    """What a learner does beside its recipe, as plain values; empty for `Standard` with its defaults.

    Args:
        learner: how a model learns.
        slots: places for its members, on which the learner's notes depend.
    """
    if learner == Standard(recipe=learner.recipe):
        return {}
    return {"learner": _plain(learner) | learner.notes(slots)}


def _plain(value: Any) -> Any:
    """A configuration as its class, its code where that is not of this package, and its fields, but for recipes."""
    if not dataclasses.is_dataclass(value):
        return value
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    parts = {name: _plain(part) for name, part in fields.items() if not isinstance(part, Recipe)}
    return {"name": type(value).__name__, **parts, **own_code(value)}


__all__ = [
    "DMP",
    "DPSGD",
    "L2",
    "LEARNERS",
    "PATE",
    "SELENA",
    "AdversarialRegularisation",
    "AdversarialTraining",
    "ConfidencePenalty",
    "CrossEntropy",
    "DeepEnsemble",
    "Distillation",
    "Entangling",
    "Federated",
    "FixMatch",
    "HighEntropy",
    "LabelSmoothing",
    "Mixup",
    "NeuGuard",
    "ParameterNoise",
    "Plain",
    "Pruning",
    "RelaxLoss",
    "Stacking",
    "Standard",
    "as_learner",
    "identity",
    "part_of",
]
