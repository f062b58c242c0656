"""A prediction service's pipeline as a victim: bins, one-hot blocks, and a regression on them.

Amazon's service of 2016 cut every number into bins with equally many training records, or took it as it was, gave each
bin and each category a feature of its own, and fitted a logistic or softmax regression (Tramèr et al. 2016, section
6.2). A feature that a record does not give is a block of zeros, which is what `jaxattack.attacks.extraction.binned`
reads the weights by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from jaxattack.oracle.identity import fingerprint_of
from jaxattack.oracle.ledger import PRICE, CountingOracle
from jaxattack.oracle.local import answer_from_logits, from_function
from jaxattack.types import Access, InputError, Inputs, Level


@dataclass(frozen=True, kw_only=True, eq=False)
class BinnedLogistic:
    """A fitted pipeline.

    Attributes:
        edges: of each feature, the ascending values at which a new bin starts; none for a category.
        weights: of each feature, Float["bin cls"].
        bias: Float["cls"].
        inputs: the records it takes; every feature may be missing.
        slopes: Float["feature cls"], of numbers that are not cut into bins; 0 for all others; None for 0 throughout.
    """

    edges: tuple[Float[np.ndarray, "edge"], ...]
    weights: tuple[Float[np.ndarray, "bin cls"], ...]
    bias: Float[np.ndarray, "cls"]
    inputs: Inputs
    slopes: Float[np.ndarray, "feature cls"] | None = None

    @classmethod
    def fit(
        cls, x: Float[np.ndarray, "record feature"], y: Int[np.ndarray, "record"], inputs: Inputs, *, bins: int = 10
    ) -> BinnedLogistic:
        """Fit a pipeline.

        Args:
            x: the records.
            y: their classes, 0 to c - 1.
            inputs: what the service documents of them; its categories get one feature a value.
            bins: of every number, at most; equal quantiles make one bin. 0 to take numbers as they are.

        Raises:
            InputError: a negative number of bins.
        """
        if bins < 0:
            raise InputError(f"bins is {bins}: give 0 to take numbers as they are, or how many to cut them into.")
        shares = np.linspace(0, 1, max(bins, 1) + 1)[1:-1]
        edges = tuple(
            np.zeros(0) if values else _between(x[:, feature], np.quantile(x[:, feature], shares))
            for feature, values in enumerate(inputs.categories)
        )
        sizes = [int(values) or len(cuts) + 1 for values, cuts in zip(inputs.categories, edges, strict=True)]
        straight = (inputs.categories == 0) & (bins == 0)
        scale = np.maximum(inputs.high - inputs.low, np.finfo(float).tiny)
        blocks = [
            (x[:, [f]] - inputs.low[f]) / scale[f]
            if straight[f]
            else np.eye(size)[_bins(x[:, f], edges[f], inputs.categories[f] > 0)]
            for f, size in enumerate(sizes)
        ]
        fitted = LogisticRegression(max_iter=2000).fit(np.concatenate(blocks, axis=1), y)
        weight, bias = fitted.coef_.T, fitted.intercept_
        if weight.shape[1] == 1:
            weight, bias = np.hstack([np.zeros_like(weight), weight]), np.append(0.0, bias)
        weights = np.split(weight, np.cumsum(sizes)[:-1])
        slopes = np.zeros((len(sizes), len(bias)))
        for feature in np.flatnonzero(straight):
            slopes[feature] = weights[feature][0] / scale[feature]
            weights[feature] = -inputs.low[feature] * slopes[[feature]]
        domain = Inputs(
            low=inputs.low, high=inputs.high, categories=inputs.categories, missing=True, names=inputs.names
        )
        return cls(edges=edges, weights=tuple(weights), bias=bias, inputs=domain, slopes=slopes)

    def logits(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query cls"]:
        """The regression's outputs; NaN is a feature that is not given."""
        total = np.tile(self.bias, (len(x), 1))
        for feature, (cuts, weight) in enumerate(zip(self.edges, self.weights, strict=True)):
            present = ~np.isnan(x[:, feature])
            category = self.inputs.categories[feature] > 0
            total[present] += weight[_bins(x[present, feature], cuts, category).clip(0, len(weight) - 1)]
            if self.slopes is not None:
                total[present] += x[present, feature, None] * self.slopes[feature]
        return total

    @property
    def content(self) -> dict[str, str]:
        """What tells it from other pipelines, as `jaxattack.oracle.identity` says."""
        return {"parameters": fingerprint_of([self.edges, self.weights, self.bias, self.slopes])}

    def oracle(self, *, level: Level = "probability", price: float = PRICE) -> CountingOracle:
        """The pipeline as a victim."""
        access = Access(level=level, classes=len(self.bias), inputs=self.inputs)
        return from_function(
            lambda x: answer_from_logits(self.logits(x), level), access, price=price, content=lambda: self.content
        )


def _between(column: Float[np.ndarray, "record"], quantiles: Float[np.ndarray, "cut"]) -> Float[np.ndarray, "edge"]:
    """Edges halfway between the records that a quantile falls between, so that no record lies on one."""
    values = np.unique(column)
    above = np.unique(np.searchsorted(values, quantiles).clip(1, None))
    return (values[above[above < len(values)] - 1] + values[above[above < len(values)]]) / 2


def _bins(
    column: Float[np.ndarray, "query"], edges: Float[np.ndarray, "edge"], category: bool | np.bool_
) -> Int[np.ndarray, "query"]:
    """The bin of each value, the only one where there is no edge; a category is its own number."""
    return column.astype(int) if category else np.searchsorted(edges, column, side="right")
