"""jaxattack measures how much a trained model gives away: who was in its training set.

import jaxattack as ja

ja.load("digits")                                       records
ja.membership(Path("run"), audit=ja.MembershipAudit())  a whole sweep, resumable
ja.train_ensemble(model, recipe, dataset, member)       many models, in memory
ja.LiRA(online=True)(observations)                      an attack: scores[target, record]
ja.tpr_at_fpr(ja.roc_curve(scores, member), 0.001)      a metric
"""

from jaxattack.attacks.membership import ATTACKS, RMIA, AttackP, AttackR, Calibration, Gap, LiRA, Threshold
from jaxattack.audit import (
    Findings,
    MembershipAudit,
    Trained,
    Victim,
    evaluate,
    load_victim,
    membership,
    read_observations,
    rescore,
    score,
    train_victim,
)
from jaxattack.data import fingerprint, load, save
from jaxattack.data.membership import Exact, Given, Halves, Poisson, Sized
from jaxattack.metrics import auc, balanced_accuracy, clopper_pearson, roc_curve, summarise, tpr_at_fpr
from jaxattack.models import build, from_linen, from_nnx
from jaxattack.store import RunFolder
from jaxattack.training import Engine, Placement, Queries, Recipe, Sweep, train_ensemble, train_one
from jaxattack.types import Dataset, Ensemble, InputError, Model, Observations, Variables

__all__ = [
    "ATTACKS",
    "RMIA",
    "AttackP",
    "AttackR",
    "Calibration",
    "Dataset",
    "Engine",
    "Ensemble",
    "Exact",
    "Findings",
    "Gap",
    "Given",
    "Halves",
    "InputError",
    "LiRA",
    "MembershipAudit",
    "Model",
    "Observations",
    "Placement",
    "Poisson",
    "Queries",
    "Recipe",
    "RunFolder",
    "Sized",
    "Sweep",
    "Threshold",
    "Trained",
    "Variables",
    "Victim",
    "auc",
    "balanced_accuracy",
    "build",
    "clopper_pearson",
    "evaluate",
    "fingerprint",
    "from_linen",
    "from_nnx",
    "load",
    "load_victim",
    "membership",
    "read_observations",
    "rescore",
    "roc_curve",
    "save",
    "score",
    "summarise",
    "tpr_at_fpr",
    "train_ensemble",
    "train_one",
    "train_victim",
]
