"""The audit of a model's architecture: what its answers tell of what it is and how it was trained."""

from jaxattack.audit.architecture.run import ArchitectureAudit, ArchitectureResult, architecture

__all__ = ["ArchitectureAudit", "ArchitectureResult", "architecture"]
