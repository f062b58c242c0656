"""The audit of the one model that somebody has: references are trained or given, and each record gets a p-value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes

if TYPE_CHECKING:
    from jaxattack.audit.target.run import TargetResult as TargetResult
    from jaxattack.audit.target.run import audit_target as audit_target
    from jaxattack.audit.target.scoring import score_target as score_target
    from jaxattack.audit.target.terms import TargetTerms as TargetTerms

_HOMES = {
    "TargetResult": "jaxattack.audit.target.run",
    "TargetTerms": "jaxattack.audit.target.terms",
    "audit_target": "jaxattack.audit.target.run",
    "score_target": "jaxattack.audit.target.scoring",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
