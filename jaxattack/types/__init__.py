"""The nouns of the package, imported by every other module and importing none.

Axes have one name everywhere: ``model`` (a trained network of a sweep), ``record`` (a row of the data set),
``query`` (one view of a record: the record itself first, then its augmentations), ``cls`` (a class) and
``feature``. A ``target`` is a model under attack; it is one of the models. A ``victim`` is a model seen from outside,
through an oracle that counts what is asked of it.
"""

from __future__ import annotations

from jaxattack.error import FolderError, InputError, InputWarning, Progress, above_zero, at_least, within_memory
from jaxattack.types.architecture import ArchitectureAttack, AttributeReader
from jaxattack.types.arguments import check_arguments
from jaxattack.types.config import config
from jaxattack.types.defence import AskingDefence, Defence, DetectingDefence, Endpoint, ReservingDefence, any_detects
from jaxattack.types.evasion import Distances, Evasion, EvasionAttack
from jaxattack.types.extraction import (
    Draft,
    Extraction,
    ExtractionAttack,
    Snapshot,
    Tally,
    Trial,
    Verdict,
    Verification,
)
from jaxattack.types.inversion import Frame, Inversion, InversionAttack, WhiteBox
from jaxattack.types.learner import (
    Composing,
    Learner,
    Membership,
    Reserving,
    check_reserve,
    deployed_model,
    gradient_steps,
    reserve_size,
    reserving,
    share_set_aside,
)
from jaxattack.types.membership import MembershipAttack, Needs, Observations, Side
from jaxattack.types.model import Dataset, Ensemble, Model, Variables, check_ids, ids_at
from jaxattack.types.oracle import (
    EVERY_LEVEL,
    NUMBERS,
    Access,
    Answer,
    Bias,
    BudgetSpent,
    Inputs,
    Ledger,
    Level,
    Oracle,
    OracleError,
    Precision,
)
from jaxattack.types.ownership import Evidence, MarkingTest, Owner, OwnershipTest, Proof
from jaxattack.types.poisoning import BackdoorAttack, Poison, PoisonAttack, PoisonGoal, Surrogate, Target
from jaxattack.types.reconstruction import GOALS, NEEDS, Goal, Need, Reconstruction, ReconstructionAttack
from jaxattack.types.signal import SIGHTS, DistilledSignal, OptimisedSignal, Sight, Signal, Surrogates, View, sees

__all__ = [
    "EVERY_LEVEL",
    "GOALS",
    "NEEDS",
    "NUMBERS",
    "SIGHTS",
    "Access",
    "Answer",
    "ArchitectureAttack",
    "AskingDefence",
    "AttributeReader",
    "BackdoorAttack",
    "Bias",
    "BudgetSpent",
    "Composing",
    "Dataset",
    "Defence",
    "DetectingDefence",
    "Distances",
    "DistilledSignal",
    "Draft",
    "Endpoint",
    "Ensemble",
    "Evasion",
    "EvasionAttack",
    "Evidence",
    "Extraction",
    "ExtractionAttack",
    "FolderError",
    "Frame",
    "Goal",
    "InputError",
    "InputWarning",
    "Inputs",
    "Inversion",
    "InversionAttack",
    "Learner",
    "Ledger",
    "Level",
    "MarkingTest",
    "Membership",
    "MembershipAttack",
    "Model",
    "Need",
    "Needs",
    "Observations",
    "OptimisedSignal",
    "Oracle",
    "OracleError",
    "Owner",
    "OwnershipTest",
    "Poison",
    "PoisonAttack",
    "PoisonGoal",
    "Precision",
    "Progress",
    "Proof",
    "Reconstruction",
    "ReconstructionAttack",
    "Reserving",
    "ReservingDefence",
    "Side",
    "Sight",
    "Signal",
    "Snapshot",
    "Surrogate",
    "Surrogates",
    "Tally",
    "Target",
    "Trial",
    "Variables",
    "Verdict",
    "Verification",
    "View",
    "WhiteBox",
    "above_zero",
    "any_detects",
    "at_least",
    "check_arguments",
    "check_ids",
    "check_reserve",
    "config",
    "deployed_model",
    "gradient_steps",
    "ids_at",
    "reserve_size",
    "reserving",
    "sees",
    "share_set_aside",
    "within_memory",
]
