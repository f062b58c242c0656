"""A network with one hidden layer (Tramèr et al. 2016, section 4.1.3): f(x) = V act(W x + b) + c.

1. Short segments all over the range tell around which share of it answers bend most, and units are not saturated. That may
   be far from the middle: records of many zeros lie in a corner of what a service takes.
2. There gradients span the weights, which leaves h numbers of each weight instead of d and tells h; of smooth units (tanh,
   sigmoid) Hessians in that span show every weight to a few digits, by linear algebra (`curvature`).
3. Least squares in that span. Where Hessians do not do (ReLU, coarse answers) many random starts are descended from at once
   and the best are polished; where gradients do not do either (rounded answers, inputs of whole numbers, as many units as
   features) in all unknowns, which may end at a wrong place and then says so.
4. Least squares for all unknowns on all answers, those around that share, uniform ones, and those for derivatives.

A ReLU network that answers exactly is stolen better by its kinks.

Hidden units come in any order, here the most influential first. tanh(-z) = -tanh(z), so units of tanh are given with a
positive bias; sigmoid(-z) = 1 - sigmoid(z) likewise. From probabilities, V and c have zero mean over classes.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxattack.attacks.extraction.equations import curvature
from jaxattack.attacks.extraction.equations.families import (
    ACTIVATIONS,
    draft,
    network_logits,
    or_constant,
    probability_residual,
    remove_mean,
    score_residual,
)
from jaxattack.attacks.extraction.equations.tape import Tape, coordinates
from jaxattack.attacks.extraction.equations.terms import FITS, equations, exact, resolution, scores
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.attacks.search.coordinates import Coordinates
from jaxattack.attacks.search.least_squares import Data, Fit, fit, polish
from jaxattack.types import NUMBERS, Access, BudgetSpent, Draft, InputError, at_least, config

GUESS = 20
"""Hidden units fitted where their number is neither given nor found: those of the paper's networks."""

MARGIN = 1.2
"""Equations for each unknown, by default. Of 28 networks 26 are complete; with 1.05 26, 1% fewer queries; with 2 26, 6% more."""

CEILING = 1e-3
"""A fit in the span of the gradients is at a wrong place if off by more, as a share of the spread of the equations. Of the 56 networks of
`curvature` 53 with a tenth, 52 with ten times this."""

SHARES, PAIRS, CANDIDATES = (0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97), 3, 4
"""Shares whose odds are about 1, 3, 9 and 30 either way: of 12 networks 10 are complete, with every other one too, 12% fewer queries, .3 of a
digit less. Twice as many pairs take 9% more queries, none more complete. With one candidate both networks 20-8-2 are missed."""

NEAR = 1e-9
"""Damping of the first step of the last fit. A thousandth 53, as exact; a thousand times 53, 2 bits less."""


class Derivatives(NamedTuple):
    """What derivatives show: the share of the range around which answers bend most, the span of the weights, the layer."""

    share: float = 0.5
    basis: Float[np.ndarray, "feature neuron"] | None = None
    layer: curvature.Hidden | None = None


@config
class Mlp(Attack):
    """Steal a network with one hidden layer.

    Attributes:
        hidden: how many units; None to find out, for smooth ones.
        activation: tanh, sigmoid or relu.
        queries: how many to ask; by default what derivatives take and 1.2 equations for each unknown.
        starts: random starts, where derivatives do not do. Of 24 networks with as many units as features 15 are complete, 14 with half as many,
            20 with twice and 16 with four times, from as many queries.

    Raises:
        InputError: a value out of range.
    """

    hidden: int | None = None
    activation: Literal["tanh", "sigmoid", "relu"] = "tanh"
    queries: int | None = None
    starts: int = 8

    name = "mlp"
    paper = "Tramèr et al. 2016"
    levels = NUMBERS
    pool = False
    every_class = True

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise InputError(f"activation is {self.activation!r}: choose {', '.join(ACTIVATIONS)}.")
        if self.hidden is None and self.activation == "relu":
            raise InputError("hidden is None and activation is relu: give the number of units.")
        at_least(1, hidden=self.hidden, queries=self.queries, starts=self.starts)

    def needs(self, access: Access) -> int:
        """What derivatives take; where they do not do, an equation for each unknown."""
        outputs = max(equations(access).shape[1], 1)
        features, hidden = int((access.inputs.high > access.inputs.low).sum()), self.hidden or 1
        if self.activation != "relu" and _differentiable(access) and hidden < features:
            coarse = access.precision != "float64"
            return 3 * PAIRS * len(SHARES) + curvature.fewest(features, outputs, hidden, coarse)
        return -(-unknowns(features, hidden, access.classes) // outputs)

    @or_constant
    def run(self, theft: Theft) -> Draft:
        """Steal the network.

        Returns:
            Parameters ``weight0`` ["neuron feature"], ``bias0``, ``weight1`` ["cls neuron"], ``bias1``. Notes: ``hidden``
            units, ``unknowns``, ``start`` (derivatives or random) and ``residual``, the root mean square over equations.
        """
        access, rng, where = theft.access, theft.rng, coordinates(self.name, theft.oracle)
        tape = Tape(theft.oracle, where, self.queries)
        known = self._differentiate(tape, where, rng)
        hidden = self.hidden or (GUESS if known.basis is None else known.basis.shape[1])
        features, outputs, close = len(where.reach), tape.basis.shape[1], tape.total
        count = unknowns(features, hidden, access.classes)
        rest = int(np.ceil(MARGIN * count / outputs)) if self.queries is None else max(self.queries - close, 0)
        draws = _draw(where, rest - rest // 2, rng), _draw(where, rest // 2, rng, known.share)
        tape.ask_most(rng.permutation(np.concatenate(draws)))
        within = features if known.basis is None else hidden
        tape.require(-(-unknowns(within, hidden, len(tape.basis)) // outputs))
        enough = (tape.total - (0 if known.basis is None else close)) * outputs >= count
        solution, start, reason = self._solve(tape, known, hidden, enough, theft)
        notes = {"hidden": hidden, "unknowns": count, "start": start, "residual": solution.rms}
        parameters = _canonical(solution.parameters, tape, where, self.activation)
        return draft(network_logits(self.activation), parameters, access, stop=reason, notes=notes)

    def _differentiate(self, tape: Tape, where: Coordinates, rng: np.random.Generator) -> Derivatives:
        """What derivatives show, as far as the budget goes."""
        known = Derivatives()
        if not _differentiable(tape.access) or (self.hidden or 0) >= len(where.reach):
            return known
        try:
            known = Derivatives(_busiest(tape, where, rng))
            steps = curvature.Steps.of(float(np.median(tape.off)), tape.access.precision != "float64")

            def draw(count: int) -> tuple[np.ndarray, np.ndarray]:
                # Two classes lose digits where one is unlikely: the best balanced of a few candidates lose least.
                candidates = _draw(where, count * (CANDIDATES if tape.access.classes == 2 else 1), rng, known.share)
                u = np.clip(candidates, 2 * steps.second - where.reach, where.reach - 2 * steps.second)
                y = tape.values(u)
                best = np.argsort(np.nan_to_num(np.ptp(y @ tape.basis.T, axis=1), nan=np.inf), kind="stable")[:count]
                return u[best], y[best]

            at, basis = curvature.gradients(tape.values, draw, steps, self.hidden)
            known = known._replace(basis=basis)
            if basis is not None and self.activation != "relu":
                known = known._replace(
                    layer=curvature.hidden_layer(tape.values, at, basis, steps, self.activation, rng)
                )
        except BudgetSpent as refusal:
            tape.refusal = refusal
        return known

    def _solve(self, tape: Tape, known: Derivatives, hidden: int, enough: bool, theft: Theft) -> tuple[Fit, str, str]:
        """Least squares in the span of the weights, then for all unknowns; what it started from, and why it is not exact."""
        access, logits = tape.access, network_logits(self.activation)
        data, residual = tape.data, score_residual(logits, access.level, access.classes)
        tolerance = FITS * float(np.median(tape.off)) if access.decimals is None else resolution(access)
        if access.level == "probability" and access.decimals is not None:
            share = np.exp(scores(access, tape.answer))
            data, residual = Data(tape.u, share, np.ones(len(share))), probability_residual(logits)
        ceiling = CEILING * (data.target @ tape.basis).std()
        basis = np.eye(data.x.shape[1]) if known.basis is None else known.basis
        near, best, start = data._replace(x=data.x @ basis), None, "random"
        if known.layer is not None:
            weight, bias, output, offset = known.layer
            guess = _parameters(weight @ basis, bias, tape.basis @ output, tape.basis @ offset)
            best, start = polish(residual, guess, near, tolerance=tolerance), "derivatives"
        if best is None or best.rms > ceiling:
            starts = _starts(self.starts, near.x.shape[1], hidden, access.classes, theft.rng)
            other = fit(residual, starts, near, tolerance=tolerance, progress=theft.report)
            if best is None or other.rms < best.rms:
                best, start = other, "random"
        best.parameters["weight0"] = best.parameters["weight0"] @ basis.T
        if known.basis is not None and enough and best.rms > tolerance:
            best = polish(residual, best.parameters, data, tolerance=tolerance, damping=NEAR)
        if best.rms <= tolerance and enough:
            return best, start, ""
        reason = f"nothing was found that fits the answers: they are off by {best.rms:.1e}; give more queries, starts or hidden units."
        if not enough and best.rms <= ceiling:
            reason = f"the queries are too few to make it exact; it is near, off by {best.rms:.1e} on their answers."
        return best, start, reason if tape.refusal is None else f"{tape.refusal} {reason}"


def _differentiable(access: Access) -> bool:
    """Whether differences between near queries tell derivatives: of whole numbers none are near."""
    return exact(access) and not access.inputs.whole


def unknowns(features: int, hidden: int, classes: int) -> int:
    """Weights and biases of both layers."""
    return (features + 1) * hidden + (hidden + 1) * classes


def _draw(
    where: Coordinates, queries: int, rng: np.random.Generator, share: float = 0.5
) -> Float[np.ndarray, "query feature"]:
    """Queries of so high a mean in the range; the low ones are what records look like of which most features are 0."""
    power = rng.random((queries, len(where.reach)))
    power = power ** (1 / share - 1) if share <= 0.5 else 1 - power ** (share / (1 - share))
    return (2 * power - 1) * where.reach


def _busiest(tape: Tape, where: Coordinates, rng: np.random.Generator) -> float:
    """The share of the range around which answers bend most."""
    seed = rng.integers(2**32)
    ends = np.stack([_draw(where, 2 * PAIRS, np.random.default_rng(seed), share) for share in SHARES])
    ends = ends.reshape(len(SHARES), 2, PAIRS, -1)
    places = np.concatenate([ends, ends.mean(axis=1, keepdims=True)], axis=1)
    y = tape.values(places.reshape(-1, places.shape[-1])).reshape(*places.shape[:3], -1)
    bend = np.linalg.norm(y[:, 2] - y[:, :2].mean(axis=1), axis=-1) / ((ends[:, 0] - ends[:, 1]) ** 2).sum(axis=-1)
    return SHARES[int(np.nan_to_num(bend).mean(axis=1).argmax())]


def _starts(starts: int, features: int, hidden: int, classes: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    # Of uniform queries w.x varies by 3^-.5: biases of half as much bend units where queries are.
    weight, bias = rng.normal(size=(starts, hidden, features)) / features**0.5, 0.3 * rng.normal(size=(starts, hidden))
    output = rng.normal(size=(starts, classes, hidden)) / hidden**0.5
    return _parameters(weight, bias, output, np.zeros((starts, classes)))


def _parameters(weight: np.ndarray, bias: np.ndarray, output: np.ndarray, offset: np.ndarray) -> dict[str, np.ndarray]:
    return {"weight0": weight, "bias0": bias, "weight1": output, "bias1": offset}


def _canonical(
    parameters: dict[str, np.ndarray], tape: Tape, where: Coordinates, activation: str
) -> dict[str, np.ndarray]:
    """Parameters for the victim's records, in the form that the module names."""
    weight, bias = where.fold(parameters["weight0"], parameters["bias0"])
    output, offset = parameters["weight1"], parameters["bias1"]
    if activation != "relu":
        negative = bias < 0
        offset = offset + (output[:, negative].sum(axis=1) if activation == "sigmoid" else 0.0)
        sign = np.where(negative, -1.0, 1.0)
        weight, bias, output = weight * sign[:, None], bias * sign, output * sign
    if tape.access.level == "probability":
        output, offset = remove_mean(output.T).T, remove_mean(offset)
    order = np.argsort(-np.linalg.norm(output, axis=0) * np.linalg.norm(parameters["weight0"], axis=1))
    return _parameters(weight[order], bias[order], output[:, order], offset)
