"""Audits side by side: `compare`."""

from __future__ import annotations

from jaxattack.audit.comparison.compare import ComparisonResult, compare

__all__ = ["ComparisonResult", "compare"]
