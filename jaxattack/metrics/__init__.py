"""Statistics of scores: ROC curves, true-positive rates at low false-positive rates, intervals and summaries.

Everything here takes scores and the truth as NumPy arrays and knows nothing of models.
"""

from __future__ import annotations

from jaxattack.metrics.intervals import clopper_pearson
from jaxattack.metrics.roc import (
    Roc,
    TprAtFpr,
    advantage,
    auc,
    balanced_accuracy,
    ppv_at,
    roc_curve,
    thin,
    tpr_at_fpr,
)
from jaxattack.metrics.summary import Spread, Summary, Transfer, summarise, transfer
from jaxattack.metrics.vulnerability import stability, vulnerability

__all__ = [
    "Roc",
    "Spread",
    "Summary",
    "TprAtFpr",
    "Transfer",
    "advantage",
    "auc",
    "balanced_accuracy",
    "clopper_pearson",
    "ppv_at",
    "roc_curve",
    "stability",
    "summarise",
    "thin",
    "tpr_at_fpr",
    "transfer",
    "vulnerability",
]
