"""The audits end to end: from what a user asks for to the findings that `jaxattack.report` writes.

An audit is imported when it is first asked for: a sweep needs nothing of what steals or makes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxattack.lazy import attributes

if TYPE_CHECKING:
    from jaxattack.audit.architecture import ArchitectureAudit as ArchitectureAudit
    from jaxattack.audit.architecture import ArchitectureResult as ArchitectureResult
    from jaxattack.audit.architecture import architecture as architecture
    from jaxattack.audit.asking import run_observations as run_observations
    from jaxattack.audit.canary_scores import CanaryScores as CanaryScores
    from jaxattack.audit.canary_scores import read_canary_scores as read_canary_scores
    from jaxattack.audit.comparison import ComparisonResult as ComparisonResult
    from jaxattack.audit.comparison import compare as compare
    from jaxattack.audit.epsilon import epsilon as epsilon
    from jaxattack.audit.epsilon_methods import EpsilonAudit as EpsilonAudit
    from jaxattack.audit.evaluation import evaluate as evaluate
    from jaxattack.audit.evasion import EvasionAudit as EvasionAudit
    from jaxattack.audit.evasion import EvasionResult as EvasionResult
    from jaxattack.audit.evasion import evade as evade
    from jaxattack.audit.extraction import ExtractionAudit as ExtractionAudit
    from jaxattack.audit.extraction import ExtractionResult as ExtractionResult
    from jaxattack.audit.extraction import extract as extract
    from jaxattack.audit.generators import GeneratorAudit as GeneratorAudit
    from jaxattack.audit.generators import audit_generators as audit_generators
    from jaxattack.audit.generators import score_generators as score_generators
    from jaxattack.audit.gradients import audit_gradients as audit_gradients
    from jaxattack.audit.inversion import InversionAudit as InversionAudit
    from jaxattack.audit.inversion import InversionResult as InversionResult
    from jaxattack.audit.inversion import invert as invert
    from jaxattack.audit.matrix import Column as Column
    from jaxattack.audit.matrix import MatrixAudit as MatrixAudit
    from jaxattack.audit.matrix import MatrixResult as MatrixResult
    from jaxattack.audit.matrix import matrix as matrix
    from jaxattack.audit.membership import membership as membership
    from jaxattack.audit.membership_scores import MembershipScores as MembershipScores
    from jaxattack.audit.membership_scores import read_scores as read_scores
    from jaxattack.audit.model_folder import Trained as Trained
    from jaxattack.audit.model_folder import load_victim as load_victim
    from jaxattack.audit.observation_scoring import score as score
    from jaxattack.audit.observations import as_observations as as_observations
    from jaxattack.audit.observations import read_observations as read_observations
    from jaxattack.audit.observe import observe as observe
    from jaxattack.audit.ownership import OwnershipAudit as OwnershipAudit
    from jaxattack.audit.ownership import OwnershipResult as OwnershipResult
    from jaxattack.audit.ownership import own as own
    from jaxattack.audit.parts import Part as Part
    from jaxattack.audit.plan import MembershipAudit as MembershipAudit
    from jaxattack.audit.private import CanarySweep as CanarySweep
    from jaxattack.audit.private import audit_training as audit_training
    from jaxattack.audit.reconstruction import ReconstructionResult as ReconstructionResult
    from jaxattack.audit.reconstruction import reconstruct as reconstruct
    from jaxattack.audit.retraining import PoisonAudit as PoisonAudit
    from jaxattack.audit.retraining import PoisonResult as PoisonResult
    from jaxattack.audit.retraining import poison as poison
    from jaxattack.audit.scoring import MembershipResult as MembershipResult
    from jaxattack.audit.scoring import rescore as rescore
    from jaxattack.audit.sweep import train_part as train_part
    from jaxattack.audit.target import TargetResult as TargetResult
    from jaxattack.audit.target import TargetTerms as TargetTerms
    from jaxattack.audit.target import score_target as score_target
    from jaxattack.audit.train import train_victim as train_victim
    from jaxattack.audit.victim import Victim as Victim
    from jaxattack.audit.victim import as_victim as as_victim
    from jaxattack.audit.victim_names import open_victim as open_victim

_HOMES = {
    "ArchitectureAudit": "jaxattack.audit.architecture",
    "ArchitectureResult": "jaxattack.audit.architecture",
    "CanaryScores": "jaxattack.audit.canary_scores",
    "CanarySweep": "jaxattack.audit.private",
    "Column": "jaxattack.audit.matrix",
    "ComparisonResult": "jaxattack.audit.comparison",
    "EpsilonAudit": "jaxattack.audit.epsilon_methods",
    "EvasionAudit": "jaxattack.audit.evasion",
    "EvasionResult": "jaxattack.audit.evasion",
    "ExtractionAudit": "jaxattack.audit.extraction",
    "ExtractionResult": "jaxattack.audit.extraction",
    "GeneratorAudit": "jaxattack.audit.generators",
    "InversionAudit": "jaxattack.audit.inversion",
    "InversionResult": "jaxattack.audit.inversion",
    "MatrixAudit": "jaxattack.audit.matrix",
    "MatrixResult": "jaxattack.audit.matrix",
    "MembershipAudit": "jaxattack.audit.plan",
    "MembershipResult": "jaxattack.audit.scoring",
    "MembershipScores": "jaxattack.audit.membership_scores",
    "OwnershipAudit": "jaxattack.audit.ownership",
    "OwnershipResult": "jaxattack.audit.ownership",
    "Part": "jaxattack.audit.parts",
    "PoisonAudit": "jaxattack.audit.retraining",
    "PoisonResult": "jaxattack.audit.retraining",
    "ReconstructionResult": "jaxattack.audit.reconstruction",
    "TargetResult": "jaxattack.audit.target",
    "TargetTerms": "jaxattack.audit.target",
    "Trained": "jaxattack.audit.model_folder",
    "Victim": "jaxattack.audit.victim",
    "architecture": "jaxattack.audit.architecture",
    "as_observations": "jaxattack.audit.observations",
    "as_victim": "jaxattack.audit.victim",
    "audit_generators": "jaxattack.audit.generators",
    "audit_gradients": "jaxattack.audit.gradients",
    "audit_training": "jaxattack.audit.private",
    "compare": "jaxattack.audit.comparison",
    "epsilon": "jaxattack.audit.epsilon",
    "evade": "jaxattack.audit.evasion",
    "evaluate": "jaxattack.audit.evaluation",
    "extract": "jaxattack.audit.extraction",
    "invert": "jaxattack.audit.inversion",
    "load_victim": "jaxattack.audit.model_folder",
    "matrix": "jaxattack.audit.matrix",
    "membership": "jaxattack.audit.membership",
    "observe": "jaxattack.audit.observe",
    "open_victim": "jaxattack.audit.victim_names",
    "own": "jaxattack.audit.ownership",
    "poison": "jaxattack.audit.retraining",
    "read_canary_scores": "jaxattack.audit.canary_scores",
    "read_observations": "jaxattack.audit.observations",
    "read_scores": "jaxattack.audit.membership_scores",
    "reconstruct": "jaxattack.audit.reconstruction",
    "rescore": "jaxattack.audit.scoring",
    "run_observations": "jaxattack.audit.asking",
    "score": "jaxattack.audit.observation_scoring",
    "score_generators": "jaxattack.audit.generators",
    "score_target": "jaxattack.audit.target",
    "train_part": "jaxattack.audit.sweep",
    "train_victim": "jaxattack.audit.train",
}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = attributes(__name__, _HOMES)
