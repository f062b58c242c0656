"""Between the victim's records and answers and the piecewise linear function that the search works on.

Records are moved and scaled so that the documented range of every feature comes to lie within about -1..1 over
``spread``, by powers of two and their halves, so that little is lost to rounding. A range that is narrow beside its
distance from 0 stays narrow: hyperplanes are about as far away as 0 is. The search asks anywhere in the space, outside
of the documented range too: a neuron's hyperplane need not cross it.

Logits are piecewise linear themselves. Of probabilities ln p_i - ln p_0 are, for every class i but the first. Of two
probabilities one may be 1 minus the other, as behind a sigmoid: where it is small it holds few digits, whatever it is.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from jaxattack.attacks.extraction.asking import require_real, uniform
from jaxattack.attacks.extraction.relu.network import ReluNetwork, logits, relu_model
from jaxattack.attacks.extraction.relu.noise import DIGITS, Noise
from jaxattack.attacks.extraction.verification import TINY
from jaxattack.types import Access, Answer, Draft, InputError, Oracle, OracleError


class Frame(NamedTuple):
    """x in the victim's records is centre + size * z in the search."""

    centre: Float[np.ndarray, "feature"]
    size: Float[np.ndarray, "feature"]
    spread: float  # by how much that is larger than half of the documented range
    shape: tuple[int, ...]
    access: Access

    @classmethod
    def of(cls, access: Access) -> Frame:
        """As the service documents its records, if these terms allow an exact extraction.

        Logits that are rounded to decimals are asked as far out as float64 allows: they grow, the rounding does not.
        """
        inputs = access.inputs
        if (inputs.categories > 0).any():
            raise InputError("features are categories: exact extraction of a ReLU network asks real numbers.")
        require_real("exact extraction of a ReLU network", inputs)
        if access.level == "probability" and access.decimals is not None:
            raise InputError(
                f"probabilities are rounded to {access.decimals} decimals: their logarithms are not piecewise linear; "
                "choose an attack that fits, such as equation solving."
            )
        middle, half = (inputs.high + inputs.low).ravel() / 2, (inputs.high - inputs.low).ravel() / 2
        scale = np.maximum(half, np.abs(middle))
        size = 2.0 ** np.round(np.log2(np.where(scale > 0, scale, 1.0)))
        centre = np.round(2 * middle / size) / 2 * size
        noise = Noise.of(access)
        far = access.level == "logit" and noise.absolute > 0
        # So far out that of answers as large as their queries the arithmetic's own rounding is 2^-10 of the decimals'. Half and double 72, 1.00.
        spread = max(2.0 ** np.round(np.log2(noise.absolute / noise.relative / 1024)), 1.0) if far else 1.0
        return cls(centre, size * spread, spread, inputs.shape, access)

    def records(self, z: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query *feature"]:
        """Queries of the search as the victim takes them."""
        return (self.centre + self.size * z).reshape(len(z), *self.shape)

    def uniform(self, count: int, rng: np.random.Generator) -> Float[np.ndarray, "query feature"]:
        """Random records as the service documents them, as queries of the search."""
        return (uniform(self.access.inputs, count, rng).reshape(count, -1) - self.centre) / self.size

    def outputs(self, answer: Answer) -> Float[np.ndarray, "query output"]:
        """The piecewise linear function; infinite or NaN where a probability is too small to hold its digits."""
        numbers = answer.logit if self.access.level == "logit" else answer.probability
        if numbers is None:
            raise OracleError(
                f"the victim documents level {self.access.level} and answers none: check its access level."
            )
        p = np.asarray(numbers, np.float64)
        if self.access.level == "logit":
            return p
        lost = p < TINY[self.access.precision]
        if self.access.classes == 2:
            # Multiples of the last digit of numbers near 1 throughout: no probability is by chance.
            small, step = p < 1 / DIGITS, Noise.of(self.access).relative / 2
            lost |= small & np.all(~small | (np.fmod(p, step) == 0), axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.log(np.where(lost, 0.0, p))
            return log[:, 1:] - log[:, :1]

    def network(self, network: ReluNetwork) -> ReluNetwork:
        """A network of the search in the victim's records, with an output for every class."""
        first = network.weights[0] / self.size
        weights, biases = [first, *network.weights[1:]], [network.biases[0] - first @ self.centre, *network.biases[1:]]
        if self.access.level == "probability":
            weights[-1] = np.concatenate([np.zeros((1, weights[-1].shape[1])), weights[-1]])
            biases[-1] = np.append(0.0, biases[-1])
        return ReluNetwork(tuple(weights), tuple(biases))

    def answer(self, network: ReluNetwork, x: np.ndarray) -> Answer:
        """What a stolen network answers at the fullest level that it knows: of confidences, no logits."""
        output = logits(network, x)
        if self.access.classes == 1:
            return Answer(np.zeros(len(output), np.int64), None, output)
        logit = output if self.access.level == "logit" else None
        return Answer(output.argmax(axis=1), softmax(output, axis=1), logit)

    def draft(self, network: ReluNetwork, stop: str, notes: dict[str, Any]) -> Draft:
        """What an attack hands over that stole this network of the search."""
        network = self.network(network)
        answer, parameters, model = partial(self.answer, network), network.parameters, relu_model(network.sizes)
        return Draft(stolen=network, answer=answer, parameters=parameters, model=model, stop=stop, notes=notes)


def outputs(access: Access) -> int:
    """How many piecewise linear functions are answered."""
    return access.classes if access.level == "logit" else access.classes - 1


class Victim:
    """An oracle in the coordinates of a frame, which an attack may change."""

    def __init__(self, oracle: Oracle) -> None:
        self.frame = Frame.of(oracle.access)
        self.queries = 0
        self._oracle = oracle

    def ask(self, x: Float[np.ndarray, "query feature"]) -> Float[np.ndarray, "query output"]:
        """The outputs, as `Frame.outputs` has them."""
        y = self.frame.outputs(self._oracle(self.frame.records(x)))
        self.queries += len(x)
        return y
