"""Statistics of scores: ROC curves, true-positive rates at low false-positive rates, intervals and summaries; and of
answers: how like its victim a stolen model is, and how like a member a reconstructed record is.

Everything here takes NumPy arrays and knows nothing of models.
"""

from __future__ import annotations

from jaxattack.metrics.accuracy import accuracy_influences
from jaxattack.metrics.calibration import OwnRates, calibrated, own_rates
from jaxattack.metrics.clusters import model_clusters, varying_records
from jaxattack.metrics.decomposition import Decomposition, decompose
from jaxattack.metrics.differences import Difference, Pairing, differences, paired_clusters
from jaxattack.metrics.divergence import Bins, Distance, jensen_shannon, risk_distance
from jaxattack.metrics.fidelity import Fidelity, agreement, align_rms, fidelity, gauge, linear_error, total_variation
from jaxattack.metrics.intervals import area_interval, clopper_pearson
from jaxattack.metrics.likeness import Nearest, correlation, mse, nearest, psnr, ssim
from jaxattack.metrics.ranked import Ranked
from jaxattack.metrics.roc import (
    Curve,
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
from jaxattack.metrics.summary import Band, Spread, Summary, Transfer, summarise, transfer
from jaxattack.metrics.uncertainty import Estimate, Influences, influences
from jaxattack.metrics.vulnerability import (
    exposure_p_values,
    loss_tnr,
    sensitivity_index,
    stability,
    vulnerability,
    vulnerability_interval,
)

__all__ = [
    "Band",
    "Bins",
    "Curve",
    "Decomposition",
    "Difference",
    "Distance",
    "Estimate",
    "Fidelity",
    "Influences",
    "Nearest",
    "OwnRates",
    "Pairing",
    "Ranked",
    "Roc",
    "Spread",
    "Summary",
    "TprAtFpr",
    "Transfer",
    "accuracy_influences",
    "advantage",
    "agreement",
    "align_rms",
    "area_interval",
    "auc",
    "balanced_accuracy",
    "calibrated",
    "clopper_pearson",
    "correlation",
    "decompose",
    "differences",
    "exposure_p_values",
    "fidelity",
    "gauge",
    "influences",
    "jensen_shannon",
    "linear_error",
    "loss_tnr",
    "model_clusters",
    "mse",
    "nearest",
    "own_rates",
    "paired_clusters",
    "ppv_at",
    "psnr",
    "risk_distance",
    "roc_curve",
    "sensitivity_index",
    "ssim",
    "stability",
    "summarise",
    "thin",
    "total_variation",
    "tpr_at_fpr",
    "transfer",
    "varying_records",
    "vulnerability",
    "vulnerability_interval",
]
