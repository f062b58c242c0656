"""Membership attacks: configurations called with observations, and their registry by name.

Scores are [target, record]; higher always means "more likely a member". Whom a target's references are, which must not
know its members, `jaxattack.attacks.membership.references` decides for all attacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jaxattack.attacks.membership.augmentation import LabelOnlyAugmentation, LearnedAugmentation
from jaxattack.attacks.membership.bounded_loss import BoundedLoss
from jaxattack.attacks.membership.canary import Canary
from jaxattack.attacks.membership.cascade import Cascade
from jaxattack.attacks.membership.few import FewReferences
from jaxattack.attacks.membership.gaussian_loss import GaussianLoss
from jaxattack.attacks.membership.gaussian_ratio import Base
from jaxattack.attacks.membership.imia import IMIA
from jaxattack.attacks.membership.learned import transfer_scores
from jaxattack.attacks.membership.lira import LiRA
from jaxattack.attacks.membership.loss_trajectory import LossTrajectory
from jaxattack.attacks.membership.ml_leaks import MLLeaks1, MLLeaks3, random_threshold
from jaxattack.attacks.membership.morgan import Morgan
from jaxattack.attacks.membership.nasr import Nasr
from jaxattack.attacks.membership.nasr_federated import FederatedNasr
from jaxattack.attacks.membership.noise import LabelOnlyNoise
from jaxattack.attacks.membership.nsh import JOINED, NSH
from jaxattack.attacks.membership.oslo import OSLO
from jaxattack.attacks.membership.pmia import PMIA
from jaxattack.attacks.membership.quantile import QuantileRegression
from jaxattack.attacks.membership.rapid import RAPID
from jaxattack.attacks.membership.reference import AttackP, AttackR, Calibration
from jaxattack.attacks.membership.references import PROTOCOLS, check_protocol
from jaxattack.attacks.membership.risk import RiskScore
from jaxattack.attacks.membership.rmia import RMIA, dominance
from jaxattack.attacks.membership.samia import SAMIA
from jaxattack.attacks.membership.semi_leak import SemiLeak
from jaxattack.attacks.membership.seqmia import SeqMIA
from jaxattack.attacks.membership.shokri import Shokri
from jaxattack.attacks.membership.synthesis import HillClimb
from jaxattack.attacks.membership.threshold import Gap, Threshold
from jaxattack.attacks.membership.yoqo import YOQO
from jaxattack.attacks.naming import label, labelled, named
from jaxattack.types import InputError, MembershipAttack, Signal

_DEFAULTS: tuple[MembershipAttack, ...] = (
    LiRA(online=True),
    LiRA(online=False),
    LiRA(online=True, variance="bayes"),
    LiRA(online=True, formula="reference_code"),
    LiRA(online=False, formula="reference_code"),
    RMIA(online=True),
    RMIA(online=False),
    RMIA(online=True, counting=False),
    RMIA(online=False, counting=False),
    AttackR(),
    AttackP(),
    Calibration(),
    Calibration(online=True),
    Threshold(quantity="loss"),
    Threshold(quantity="confidence"),
    Threshold(quantity="entropy"),
    Threshold(quantity="modified-entropy"),
    Threshold(quantity="loss", classwise=True),
    Threshold(quantity="entropy", classwise=True),
    Threshold(quantity="modified-entropy", classwise=True),
    Gap(),
)
ATTACKS: dict[str, MembershipAttack] = {attack.name: attack for attack in _DEFAULTS}

_NAMED: tuple[MembershipAttack, ...] = (
    Threshold(quantity="gradient-norm"),
    Threshold(quantity="input-gradient-norm"),
    Threshold(quantity="noise-robustness"),
    Threshold(quantity="merlin"),
    Threshold(quantity="boundary-distance"),
    GaussianLoss(),
    BoundedLoss(),
    RiskScore(),
    Base(parameters=1),
    Base(parameters=2),
    Base(parameters=3),
    Base(parameters=4),
    LiRA(online=True, variance="bayes-normal"),
    PMIA(proxies="global"),
    PMIA(proxies="class"),
    PMIA(proxies="instance"),
    IMIA(),
    Morgan(),
    LabelOnlyAugmentation(kind="translation"),
    LabelOnlyAugmentation(kind="rotation"),
    LearnedAugmentation(kind="translation"),
    LearnedAugmentation(kind="rotation"),
    LabelOnlyNoise(kind="noise"),
    LabelOnlyNoise(kind="bit-flips"),
    YOQO(),
    OSLO(),
    Canary(),
    Shokri(),
    MLLeaks1(),
    MLLeaks3(),
    NSH(),
    NSH(network=JOINED),
    Nasr(),
    RAPID(),
    LossTrajectory(),
    SeqMIA(),
    SAMIA(),
    SemiLeak(),
    FederatedNasr(),
)
ON_DEMAND: dict[str, MembershipAttack] = {attack.name: attack for attack in _NAMED}
"""Attacks that are run only where they are named: they ask a model more than once a record, read its weights, or read the
loss alone as others do."""

REGISTRY: dict[str, MembershipAttack] = ATTACKS | ON_DEMAND
"""All that a name may be of."""


def lookup(name: str) -> MembershipAttack:
    """The attack of a name, which may set the attack's fields: ``rmia-offline?a=tuned&gamma=1.5``.

    `jaxattack.attacks.naming.label` gives the name back.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.

    Example:
        >>> lookup("rmia-offline?gamma=1.5").gamma
        1.5
    """
    return named(name, REGISTRY, "membership attack")


def by_label(attacks: Iterable[MembershipAttack]) -> dict[str, MembershipAttack]:
    """Each attack under the name it is reported by (`jaxattack.attacks.naming.label`); one that is there twice once.

    Raises:
        InputError: something that is no attack, such as a name, one attack alone, or two different attacks of one name.
    """
    if isinstance(attacks, str) or not isinstance(attacks, Iterable):
        raise InputError(f"attacks is {attacks!r:.100}: give several, as (jaxattack.attacks.LiRA(online=True),).")
    values = tuple(map(require_attack, attacks))
    return labelled(values, REGISTRY)


def declared_label(attack: Any) -> str | None:
    """The name that an attack which was declared beforehand is reported by; None of none.

    Raises:
        InputError: something that is no attack, such as a name.
    """
    return None if attack is None else label(require_attack(attack), REGISTRY)


def require_attack(attack: Any) -> MembershipAttack:
    """An attack, and not the name or the class of one.

    Raises:
        InputError: it is none.
    """
    if isinstance(attack, type) or not isinstance(attack, MembershipAttack):
        raise InputError(f"an attack is {attack!r:.100}: give it as an object, as jaxattack.attacks.LiRA(online=True).")
    return attack


def under_protocol(attack: MembershipAttack, protocol: str) -> MembershipAttack:
    """The same attack under a protocol, where it has references; another stays as it is.

    Raises:
        InputError: an unknown protocol.
    """
    check_protocol(protocol)
    value: Any = attack
    return replace(value, protocol=protocol) if attack.references and hasattr(attack, "protocol") else attack


def signals_of(attacks: Iterable[MembershipAttack]) -> tuple[Signal, ...]:
    """The signals that attacks read, each once, in the order of their names."""
    by_name = {signal.name: signal for attack in attacks for signal in attack.signals}
    return tuple(by_name[name] for name in sorted(by_name))


__all__ = [
    "ATTACKS",
    "IMIA",
    "NSH",
    "ON_DEMAND",
    "OSLO",
    "PMIA",
    "PROTOCOLS",
    "RAPID",
    "REGISTRY",
    "RMIA",
    "SAMIA",
    "YOQO",
    "AttackP",
    "AttackR",
    "Base",
    "BoundedLoss",
    "Calibration",
    "Canary",
    "Cascade",
    "FederatedNasr",
    "FewReferences",
    "Gap",
    "GaussianLoss",
    "HillClimb",
    "LabelOnlyAugmentation",
    "LabelOnlyNoise",
    "LearnedAugmentation",
    "LiRA",
    "LossTrajectory",
    "MLLeaks1",
    "MLLeaks3",
    "Morgan",
    "Nasr",
    "QuantileRegression",
    "RiskScore",
    "SemiLeak",
    "SeqMIA",
    "Shokri",
    "Threshold",
    "by_label",
    "declared_label",
    "dominance",
    "lookup",
    "random_threshold",
    "signals_of",
    "transfer_scores",
    "under_protocol",
]
