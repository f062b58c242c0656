"""Poison judged by training from scratch on it: rates x seeds x targets x filters are one sweep of the engine.

plan        what is asked for
split       who is trained on, whose records the attacker has, and who judges
crafting    the attacker's models, the targets, the poison
cells       every cell of the sweep as rows of one member matrix over one set of records
sweep       all victims trained and asked, in a folder that survives a kill
findings    accuracy and success against the share of poison, with intervals over seeds
bounds      the certificate of linear models beside what poison reaches
leakage     whether a backdoor raises what membership attacks find
run         the whole of it

Nothing that is judged has a seed in common with what the poison was made on.
"""

from __future__ import annotations

from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.retraining.run import PoisonResult, poison

__all__ = ["PoisonAudit", "PoisonResult", "poison"]
