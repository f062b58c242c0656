"""The audit of generators: which records they were trained on, by their samples or weights."""

from jaxattack.audit.generators.run import GeneratorAudit, audit_generators, gather, score_generators, split
from jaxattack.audit.generators.samples_file import read_samples

__all__ = ["GeneratorAudit", "audit_generators", "gather", "read_samples", "score_generators", "split"]
