"""A network with one hidden layer (Tramèr et al. 2016, section 4.1.3): f(x) = V act(W x + b) + c.

Smooth units (tanh, sigmoid). Gradients give the span of the weights, and with it the number of units; Hessians in that
span every weight to a few digits, by linear algebra (`curvature`). Least squares in the span, and then for all unknowns,
gives the other digits (`layer`). Where Hessians do not do (ReLU, coarse answers), many random starts in the span are
descended from at once and the best are polished (`least_squares`); where gradients do not do either (rounded answers, as
many units as features), in all unknowns, which may end at a wrong place and then says so. A ReLU network that answers
exactly is stolen better by its kinks.

Hidden units come in any order, here the most influential first. tanh(-z) = -tanh(z), so units of tanh are given with a
positive bias; sigmoid(-z) = 1 - sigmoid(z) likewise. From probabilities, V and c have zero mean over classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from jaxattack.attacks.extraction.equations.families import ACTIVATIONS, flat_draft, network_logits, remove_mean
from jaxattack.attacks.extraction.equations.layer import Layer, steal_layer
from jaxattack.attacks.extraction.equations.tape import Tape
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import NUMBERS, Access, Draft, InputError, config


@config
class Mlp(Attack):
    """Steal a network with one hidden layer.

    Attributes:
        hidden: how many units; None to find out, for smooth ones.
        activation: tanh, sigmoid or relu.
        queries: how many to ask; by default what derivatives take and 1.2 equations for each unknown.
        starts: random starts, where derivatives do not do.

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
        for name in ("hidden", "queries", "starts"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: give at least 1.")

    def needs(self, access: Access) -> int:
        """What derivatives take; where they do not do, an equation for each unknown."""
        return self._layer.needs(access)

    @property
    def _layer(self) -> Layer:
        return Layer(self.activation, self.hidden, self.queries, self.starts)

    def run(self, theft: Theft) -> Draft:
        """Steal the network.

        Returns:
            Parameters ``weight0`` ["neuron feature"], ``bias0``, ``weight1`` ["cls neuron"], ``bias1``. Notes: ``hidden``
            units, ``unknowns``, ``start`` (derivatives or random) and ``residual``, the root mean square over equations.
        """
        tape = Tape(self, theft.oracle, self.queries)
        solution = steal_layer(self, tape, self._layer, theft.rng, theft.report)
        return flat_draft(
            network_logits(self.activation),
            _canonical(solution.parameters, tape, self.activation),
            tape.access,
            stop=solution.reason,
            notes=solution.notes,
        )


def _canonical(parameters: dict[str, np.ndarray], tape: Tape, activation: str) -> dict[str, np.ndarray]:
    """Parameters for the victim's records, in the form that the module names."""
    weight, bias = tape.where.fold(parameters["weight0"], parameters["bias0"])
    output, offset = parameters["weight1"], parameters["bias1"]
    if activation != "relu":
        negative = bias < 0
        offset = offset + (output[:, negative].sum(axis=1) if activation == "sigmoid" else 0.0)
        sign = np.where(negative, -1.0, 1.0)
        weight, bias, output = weight * sign[:, None], bias * sign, output * sign
    if tape.access.level == "probability":
        output, offset = remove_mean(output.T).T, remove_mean(offset)
    order = np.argsort(-np.linalg.norm(output, axis=0) * np.linalg.norm(parameters["weight0"], axis=1))
    return {"weight0": weight[order], "bias0": bias[order], "weight1": output[:, order], "bias1": offset}
