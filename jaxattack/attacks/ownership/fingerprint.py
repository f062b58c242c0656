"""Fingerprints and key sets: points whose labels by the owner's model a copy repeats and an independent model does not.

A suspect is asked for the label of each point once; the score is the share that matches. Which points, and with which labels,
is the affair of the tests: `jaxattack.attacks.ownership.ipguard`, `...conferrable`, `...watermark`.
"""

from __future__ import annotations

from jaxattack.attacks.ownership.suspects import labels_asked, oracle_of
from jaxattack.types import EVERY_LEVEL, Evidence, Oracle, Proof, WhiteBox


class Fingerprint:
    """A test of the points ``x`` of its evidence and their labels ``y``."""

    white_box = False
    levels = EVERY_LEVEL
    queries = 1
    models = 0
    surrogates = False
    name: str

    def p_value(self, hits: int, evidence: Evidence) -> float | None:  # noqa: ARG002
        """Of so many matches under an independent suspect; None for a test whose paper has a threshold alone."""
        return None

    def __call__(self, suspect: Oracle | WhiteBox, evidence: Evidence, *, seed: int = 0) -> Proof:  # noqa: ARG002 (nothing is random)
        """As `jaxattack.types.OwnershipTest`; each point is asked about once."""
        oracle = oracle_of(suspect, evidence, self.name)
        before, y = oracle.ledger, evidence.arrays["y"]
        hits = int((labels_asked(oracle, evidence.arrays["x"]) == y).sum())
        return Proof(
            score=hits / len(y),
            p_value=self.p_value(hits, evidence),
            cost=oracle.ledger - before,
            notes={"matches": hits, "points": len(y)},
        )
