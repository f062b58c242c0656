"""The audit of the one model that somebody has: references are trained or given, and each record gets a p-value."""

from jaxattack.audit.target.run import TargetResult, audit_target
from jaxattack.audit.target.scoring import score_target
from jaxattack.audit.target.terms import TargetTerms

__all__ = ["TargetResult", "TargetTerms", "audit_target", "score_target"]
