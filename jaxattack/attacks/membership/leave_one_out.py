"""Sums over all models but one, for every model at once.

Each target's sum is that of the models before it plus that of the models after it. Unlike a total less the target's
own part this never subtracts: a target's own value and membership leave no trace, not even of rounding, and an
outlying target costs no digits. All targets together cost two passes over the models.

Work goes a block of records at a time (`jaxattack.threads`).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def leave_one_out(
    combine: np.ufunc,
    identity: float,
    values: Float[np.ndarray, "model *rest"],
    targets: Int[np.ndarray, "target"],
) -> Float[np.ndarray, "target *rest"]:
    """Combines the values of all models but the target, for each target.

    Args:
        combine: an associative and commutative ufunc, such as `numpy.add` or `numpy.logaddexp`.
        identity: what leaves the other operand as it is: 0 for a sum, minus infinity for a sum of logarithms.
        values: one slice a model.
        targets: the models left out, each once.

    Returns:
        One slice a target.
    """
    place = {int(model): i for i, model in enumerate(targets)}
    out = np.empty((len(targets), *values.shape[1:]))
    running = np.full(values.shape[1:], identity)
    for model in range(len(values)):
        if model in place:
            out[place[model]] = running
        combine(running, values[model], out=running)
    running.fill(identity)
    for model in reversed(range(len(values))):
        if model in place:
            combine(out[place[model]], running, out=out[place[model]])
        combine(running, values[model], out=running)
    return out
