"""What one threshold finds of members: rates, the curve behind them and its band, which findings of several kinds have.

Rates are mappings from a false-positive rate, "0.1" to "0.00001", to a figure at it. Intervals are at 95%.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FPRS = (0.1, 0.01, 0.001, 0.0001, 0.00001)
"""The false-positive rates of every report."""


def rate_key(rate: float) -> str:
    """The name of a rate in findings: 1e-05 is "0.00001"."""
    return np.format_float_positional(rate)


@dataclass(frozen=True, kw_only=True)
class RateFindings:
    """What one threshold for all targets finds.

    Attributes:
        auc: the area under the pooled curve.
        tpr: the true-positive rate, by false-positive rate.
        tpr_interval: its interval.
    """

    auc: float
    tpr: Mapping[str, float]
    tpr_interval: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class PooledFindings(RateFindings):
    """The same of some of the models, of the views or of the records.

    Attributes:
        targets: how many models were attacked.
    """

    targets: int


@dataclass(frozen=True, kw_only=True)
class CurveFindings:
    """A receiver operating characteristic, in counts.

    Attributes:
        false_positives: at each point, ascending.
        true_positives: at each point.
        negatives: of all.
        positives: of all.
    """

    false_positives: tuple[int, ...]
    true_positives: tuple[int, ...]
    negatives: int
    positives: int


@dataclass(frozen=True, kw_only=True)
class BandFindings:
    """The interval of the pooled curve at a few rates.

    Attributes:
        fpr: false-positive rates, ascending.
        low: of the true-positive rate at each.
        high: of the true-positive rate at each.
    """

    fpr: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class RocFindings(RateFindings):
    """The same with the curve, and how far each figure is sure.

    Attributes:
        auc_interval: of the AUC.
        auc_freedom: degrees of freedom of Student's t behind that, on the logit scale.
        tpr_freedom: of each interval of the true-positive rate.
        false_positives: how many non-members were accused, by false-positive rate.
        resolvable: whether the rate allows one false positive at all.
        roc: the curve.
        band: its interval.
    """

    auc_interval: tuple[float, float]
    auc_freedom: float
    tpr_freedom: Mapping[str, float]
    false_positives: Mapping[str, int]
    resolvable: Mapping[str, bool]
    roc: CurveFindings = field(repr=False)
    band: BandFindings = field(repr=False)
