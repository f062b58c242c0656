"""A victim in standard coordinates, and all that was asked of it.

Records that the service documents fill the cube of half width 1 around 0 in standard coordinates. Its outputs are its
logits, or ln p_i - ln p_0 of its probabilities for i > 0, which is piecewise linear too. Answers are kept: later steps
fit to them without asking again.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.asking import log_probability, uniform
from jaxattack.attacks.extraction.relu.network import ReluNetwork
from jaxattack.attacks.extraction.relu.polish import Answers
from jaxattack.types import Access, Oracle


def outputs(access: Access) -> int:
    """How many piecewise linear functions are answered."""
    return access.classes if access.level == "logit" else access.classes - 1


class Victim:
    """An oracle in standard coordinates.

    Args:
        oracle: answers logits or probabilities.
        rng: draws the mixture of outputs.

    Attributes:
        features: of a record.
        queries: how many queries.
    """

    def __init__(self, oracle: Oracle, rng: np.random.Generator) -> None:
        inputs = oracle.access.inputs
        half = (inputs.high - inputs.low).ravel() / 2
        mix = rng.normal(size=outputs(oracle.access))
        self._oracle = oracle
        self._centre = (inputs.low + inputs.high).ravel() / 2
        self._half = np.where(half > 0, half, 1.0)
        self._mix = mix / np.linalg.norm(mix) if len(mix) > 1 else np.ones(1)
        self._x: list[np.ndarray] = []
        self._y: list[np.ndarray] = []
        self.features = len(half)
        self.queries = 0

    @property
    def answers(self) -> Answers:
        """All that was asked."""
        return Answers(np.concatenate(self._x), np.concatenate(self._y))

    def ask(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query output"]:
        """The outputs; NaN where a confidence is 0, which is not kept."""
        access = self._oracle.access
        answer = self._oracle((self._centre + self._half * x).reshape(-1, *access.inputs.shape))
        if access.level == "logit":
            y = np.asarray(answer.logit, np.float64)
        else:
            log = log_probability(answer)
            with np.errstate(invalid="ignore"):
                y = log[:, 1:] - log[:, :1]
            y[~np.isfinite(y).all(axis=1)] = np.nan
        finite = np.isfinite(y).all(axis=1)
        self._x.append(x[finite])
        self._y.append(y[finite])
        self.queries += len(x)
        return y

    def evaluate(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query"]:
        """One random mixture of the outputs: it bends wherever any of them does."""
        return self.ask(x) @ self._mix

    def records(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "record feature"]:
        """Random records as the service documents them, in standard coordinates."""
        return (uniform(self._oracle.access.inputs, count, rng).reshape(count, -1) - self._centre) / self._half

    def raw(self, network: ReluNetwork) -> ReluNetwork:
        """A network of standard coordinates for records as the service takes them, with an output for every class."""
        first = network.weights[0] / self._half
        weights = [first, *network.weights[1:]]
        biases = [network.biases[0] - first @ self._centre, *network.biases[1:]]
        if self._oracle.access.level == "probability":
            weights[-1] = np.concatenate([np.zeros((1, weights[-1].shape[1])), weights[-1]])
            biases[-1] = np.append(0.0, biases[-1])
        return ReluNetwork(tuple(weights), tuple(biases))
