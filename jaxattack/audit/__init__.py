"""The audits end to end: from what a user asks for to the findings that `jaxattack.report` writes."""

from jaxattack.audit.architecture import ArchitectureAudit, ArchitectureResult, architecture
from jaxattack.audit.asking import run_observations
from jaxattack.audit.canary_scores import CanaryScores, read_canary_scores
from jaxattack.audit.comparison import ComparisonResult, compare
from jaxattack.audit.epsilon import epsilon
from jaxattack.audit.epsilon_methods import EpsilonAudit
from jaxattack.audit.evaluation import evaluate
from jaxattack.audit.evasion import EvasionAudit, EvasionResult, evade
from jaxattack.audit.extraction import ExtractionAudit, ExtractionResult, extract
from jaxattack.audit.generators import GeneratorAudit, audit_generators, score_generators
from jaxattack.audit.gradients import audit_gradients
from jaxattack.audit.inversion import InversionAudit, InversionResult, invert
from jaxattack.audit.matrix import Column, MatrixAudit, MatrixResult, matrix
from jaxattack.audit.membership import membership
from jaxattack.audit.membership_scores import MembershipScores, read_scores
from jaxattack.audit.model_folder import Trained, load_victim
from jaxattack.audit.observations import as_observations, read_observations, score
from jaxattack.audit.observe import observe
from jaxattack.audit.ownership import OwnershipAudit, OwnershipResult, own
from jaxattack.audit.parts import Part
from jaxattack.audit.plan import MembershipAudit
from jaxattack.audit.private import CanarySweep, audit_training
from jaxattack.audit.reconstruction import ReconstructionResult, reconstruct
from jaxattack.audit.retraining import PoisonAudit, PoisonResult, poison
from jaxattack.audit.scoring import MembershipResult, rescore
from jaxattack.audit.sweep import train_part
from jaxattack.audit.target import TargetResult, TargetTerms, score_target
from jaxattack.audit.train import train_victim
from jaxattack.audit.victim import Victim, as_victim
from jaxattack.audit.victim_names import open_victim

__all__ = [
    "ArchitectureAudit",
    "ArchitectureResult",
    "CanaryScores",
    "CanarySweep",
    "Column",
    "ComparisonResult",
    "EpsilonAudit",
    "EvasionAudit",
    "EvasionResult",
    "ExtractionAudit",
    "ExtractionResult",
    "GeneratorAudit",
    "InversionAudit",
    "InversionResult",
    "MatrixAudit",
    "MatrixResult",
    "MembershipAudit",
    "MembershipResult",
    "MembershipScores",
    "OwnershipAudit",
    "OwnershipResult",
    "Part",
    "PoisonAudit",
    "PoisonResult",
    "ReconstructionResult",
    "TargetResult",
    "TargetTerms",
    "Trained",
    "Victim",
    "architecture",
    "as_observations",
    "as_victim",
    "audit_generators",
    "audit_gradients",
    "audit_training",
    "compare",
    "epsilon",
    "evade",
    "evaluate",
    "extract",
    "invert",
    "load_victim",
    "matrix",
    "membership",
    "observe",
    "open_victim",
    "own",
    "poison",
    "read_canary_scores",
    "read_observations",
    "read_scores",
    "reconstruct",
    "rescore",
    "run_observations",
    "score",
    "score_generators",
    "score_target",
    "train_part",
    "train_victim",
]
