"""One hidden layer of units solved for: from derivatives where they do, from many starts elsewhere.

1. Short segments all over the range tell around which share of it answers bend most, and units are not saturated. That may
   be far from the middle: records of many zeros lie in a corner of what a service takes.
2. There gradients span the weights, which leaves h numbers of each weight instead of d, and Hessians show them (`curvature`).
3. Least squares in that space; from random starts where Hessians did not do, or there are none (ReLU).
4. Least squares for all unknowns on all answers, those around that share, uniform ones, and those for derivatives.

What is found is in the coordinates of the tape: logits = weight1 act(weight0 u + bias0) + bias1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.asking import too_small
from jaxattack.attacks.extraction.equations.curvature import (
    Hidden,
    Points,
    Unit,
    fewest,
    hidden_layer,
    slopes,
    tanh_unit,
)
from jaxattack.attacks.extraction.equations.families import network_logits, probability_residual, score_residual
from jaxattack.attacks.extraction.equations.tape import Frame, Steps, Tape
from jaxattack.attacks.extraction.equations.terms import exact, resolution
from jaxattack.attacks.search.least_squares import Data, fit, polish
from jaxattack.types import Access, BudgetSpent, ExtractionAttack, Progress

GUESS = 20
"""Hidden units fitted where their number is neither given nor found."""

MARGIN = 1.2
"""Equations for each unknown, by default."""

FITS = 5.0
"""A fit is as exact as the answers where its residual is at most so many times their noise."""

CEILING = 1e-3
"""A fit in the span of the gradients is at a wrong place if off by more, as a share of the spread of the equations."""

SHARES, PAIRS, CANDIDATES = (0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97), 3, 4
NEAR = 1e-9
WORK = 6e11
"""Multiplications of a polish at most, some 30 seconds of one core."""


class Layer(NamedTuple):
    """What is solved for.

    Attributes:
        activation: tanh, sigmoid or relu.
        hidden: how many units; None to find out.
        queries: how many to ask; None for what derivatives take, and enough equations for the unknowns.
        starts: random starts.
    """

    activation: str
    hidden: int | None
    queries: int | None
    starts: int

    @property
    def unit(self) -> Unit | None:
        """The activation with derivatives; None for one that has none."""
        return None if self.activation == "relu" else tanh_unit

    def needs(self, access: Access) -> int:
        """What derivatives take; where they do not do, an equation for each unknown."""
        equations = max(access.classes - (access.level == "probability"), 1)
        features = int((access.inputs.high > access.inputs.low).sum())
        hidden = self.hidden or 1
        if self.unit is not None and exact(access) and hidden < features:
            return 3 * PAIRS * len(SHARES) + fewest(features, equations, hidden, access.precision != "float64")
        return -(-unknowns(features, hidden, access.classes) // equations)


class LayerSolution(NamedTuple):
    """A layer, solved.

    Attributes:
        parameters: weight0 ["neuron feature"], bias0, weight1 ["cls neuron"], bias1.
        rms: of the residual.
        start: derivatives, or random.
        reason: why it is not exact; empty if it is.
    """

    parameters: dict[str, np.ndarray]
    rms: float
    start: str
    reason: str

    @property
    def notes(self) -> dict[str, float | str]:
        """For the Extraction."""
        hidden, features = self.parameters["weight0"].shape
        count = unknowns(features, hidden, len(self.parameters["bias1"]))
        return {"hidden": hidden, "unknowns": count, "start": self.start, "residual": self.rms}


def unknowns(features: int, hidden: int, classes: int) -> int:
    """Weights and biases of both layers."""
    return (features + 1) * hidden + (hidden + 1) * classes


def steal_layer(
    attack: ExtractionAttack, tape: Tape, layer: Layer, rng: np.random.Generator, progress: Progress | None
) -> LayerSolution:
    """Ask and solve.

    Raises:
        InputError: a budget with which nothing can be learnt.
    """
    derivatives, refusal = _differentiate(tape, layer, rng)
    hidden = layer.hidden or (GUESS if derivatives.basis is None else derivatives.basis.shape[1])
    count, close = unknowns(tape.features, hidden, tape.access.classes), tape.total
    rest = max((layer.queries or close + int(np.ceil(MARGIN * count / tape.outputs))) - close, 0)
    u = np.concatenate([tape.draw(rest - rest // 2, rng), tape.draw(rest // 2, rng, derivatives.share)])
    refusal = tape.ask_most(rng.permutation(u)) or refusal
    has_basis = derivatives.basis is not None
    if refusal is not None and tape.total * tape.outputs < unknowns(
        hidden if has_basis else tape.features, hidden, len(tape.basis)
    ):
        raise too_small(attack, tape.access, refusal) from refusal
    enough = (tape.total - close * has_basis) * tape.outputs >= count
    solution = _solve(tape, layer, derivatives, hidden, enough, rng, progress)
    return (
        solution._replace(reason=f"{refusal} {solution.reason}")
        if refusal is not None and solution.reason
        else solution
    )


class Derivatives(NamedTuple):
    """What derivatives show.

    Attributes:
        share: of the range, around which answers bend most.
        basis: Float["feature neuron"], the span of the weights; None where it is not known.
        layer: all of it, roughly; None where it is not known.
    """

    share: float = 0.5
    basis: Float[np.ndarray, "feature neuron"] | None = None
    layer: Hidden | None = None


def _differentiate(tape: Tape, layer: Layer, rng: np.random.Generator) -> tuple[Derivatives, BudgetSpent | None]:
    """What derivatives show, and what stopped the asking."""
    derivatives = Derivatives()
    if not exact(tape.access) or (layer.hidden or 0) >= tape.features:
        return derivatives, None
    try:
        derivatives = Derivatives(_busiest(tape, rng))
        steps = Steps(tape.noise)
        gradients, basis = slopes(tape.ask, _points(tape, steps, derivatives.share, rng), steps, layer.hidden)
        derivatives = derivatives._replace(basis=basis)
        if basis is not None and layer.unit is not None:
            derivatives = derivatives._replace(layer=hidden_layer(tape.ask, gradients, basis, steps, layer.unit, rng))
    except BudgetSpent as refusal:
        return derivatives, refusal
    return derivatives, None


def _points(tape: Tape, steps: Steps, share: float, rng: np.random.Generator) -> Callable[[int], Points]:
    """Draws points for derivatives.

    Two classes lose digits where one is unlikely: the best balanced of a few candidates lose least.
    """

    def points(count: int) -> Points:
        candidates = tape.draw(count * (CANDIDATES if tape.access.classes == 2 else 1), rng, share)
        u = np.clip(candidates, 2 * steps.second - tape.reach, tape.reach - 2 * steps.second)
        score = tape.answers(u)
        best = np.argsort(np.nan_to_num(np.ptp(score, axis=1), nan=np.inf), kind="stable")[:count]
        return Points(u[best], score[best] @ tape.basis)

    return points


def _busiest(tape: Tape, rng: np.random.Generator) -> float:
    """The share of the range around which answers bend most.

    Raises:
        BudgetSpent: too few queries are left for that.
    """
    seed = rng.integers(2**32)
    ends = np.stack([tape.draw(2 * PAIRS, np.random.default_rng(seed), share) for share in SHARES])
    ends = ends.reshape(len(SHARES), 2, PAIRS, -1)
    places = np.concatenate([ends, ends.mean(axis=1, keepdims=True)], axis=1)
    y = tape.ask(places.reshape(-1, tape.features)).reshape(*places.shape[:3], -1)
    bend = np.linalg.norm(y[:, 2] - y[:, :2].mean(axis=1), axis=-1) / ((ends[:, 0] - ends[:, 1]) ** 2).sum(axis=-1)
    return SHARES[int(np.nan_to_num(bend).mean(axis=1).argmax())]


def _solve(
    tape: Tape,
    layer: Layer,
    derivatives: Derivatives,
    hidden: int,
    enough: bool,
    rng: np.random.Generator,
    progress: Progress | None,
) -> LayerSolution:
    """Least squares in the span of the weights, then for all unknowns where there are enough equations."""
    access, logits = tape.access, network_logits(layer.activation)
    rounded = access.level == "probability" and access.decimals is not None
    data = tape.probabilities if rounded else tape.data
    residual = probability_residual(logits) if rounded else score_residual(logits, access.level, access.classes)
    tolerance = resolution(access) if access.decimals is not None else FITS * tape.noise
    ceiling = CEILING * (data.target @ tape.basis).std()
    frame = Frame.of(data.x, derivatives.basis)
    near, best, start = frame(data), None, "random"
    if derivatives.layer is not None:
        guess = frame.into(_parameters(derivatives.layer, tape, layer.activation))
        best, start = polish(residual, guess, near, tolerance=tolerance), "derivatives"
    if best is None or best.rms > ceiling:
        starts = _starts(layer.starts, near.x.shape[1], hidden, access.classes, rng)
        other = fit(residual, starts, near, tolerance=tolerance, steps=_steps(near, starts), progress=progress)
        if best is None or other.rms < best.rms:
            best, start = other, "random"
    best = best._replace(parameters=frame.back(best.parameters))
    if derivatives.basis is not None and enough and best.rms > tolerance:
        steps = _steps(data, best.parameters)
        best = polish(residual, best.parameters, data, tolerance=tolerance, steps=steps, damping=NEAR)
    reason = _reason(best.rms, tolerance, ceiling, enough)
    return LayerSolution(best.parameters, best.rms, start, reason)


def _reason(rms: float, tolerance: float, ceiling: float, enough: bool) -> str:
    if rms <= tolerance and enough:
        return ""
    if not enough and rms <= ceiling:
        return f"the queries are too few to make it exact; it is near, off by {rms:.1e} on their answers."
    return f"nothing was found that fits the answers: they are off by {rms:.1e}; give more queries, starts or hidden units."


def _steps(data: Data, p: dict[str, np.ndarray]) -> int:
    """Steps of a polish, so many that it ends in bounded time; starts may lead."""
    hidden, features = p["weight0"].shape[-2:]
    size = unknowns(features, hidden, p["bias1"].shape[-1])
    return int(np.clip(WORK / (data.target.size * size**2), 5, 60))


def _parameters(layer: Hidden, tape: Tape, activation: str) -> dict[str, np.ndarray]:
    """A layer found as tanh is one of sigmoid, for tanh(z) = 2 sigmoid(2 z) - 1."""
    twice = 2.0 if activation == "sigmoid" else 1.0
    output, offset = tape.basis @ layer.output, tape.basis @ layer.offset
    return {
        "weight0": twice * layer.weight,
        "bias0": twice * layer.bias,
        "weight1": twice * output,
        "bias1": offset - (twice - 1) * output.sum(axis=1),
    }


def _starts(starts: int, features: int, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "weight0": rng.normal(size=(starts, hidden, features)) / features**0.5,
        "bias0": 0.3 * rng.normal(size=(starts, hidden)),
        "weight1": rng.normal(size=(starts, classes, hidden)) / hidden**0.5,
        "bias1": np.zeros((starts, classes)),
    }
