"""The audits end to end: from what a user asks for to the findings that `jaxattack.report` writes."""

from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.observations import read_observations, score
from jaxattack.audit.sweep import Findings, MembershipAudit, membership, rescore
from jaxattack.audit.victim import Trained, Victim, load_victim, train_victim

__all__ = [
    "Findings",
    "MembershipAudit",
    "Trained",
    "Victim",
    "evaluate",
    "load_victim",
    "membership",
    "read_observations",
    "rescore",
    "score",
    "train_victim",
]
