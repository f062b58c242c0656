"""How alike a stolen model and its victim are, from answers of both and from what is known inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction import Head, ReluNetwork, Tree, align, log_probability
from jaxattack.attacks.extraction.asking import ask_most
from jaxattack.audit.findings.extraction import (
    Accuracy,
    Agreement,
    ComparisonFindings,
    CurvePoint,
    ErrorHistogram,
    FidelityFindings,
    ParameterFindings,
    ParameterPart,
    Spread,
    TreeFindings,
    TreeNode,
    WeightPictures,
)
from jaxattack.audit.victim import Victim
from jaxattack.metrics.fidelity import Fidelity, agreement, fidelity, gauge, total_variation
from jaxattack.types import Answer, Extraction, InputError, Oracle

SHOWN = 2000
_LEAVES = 24
_STRAIGHT = 1e-6


class Both(NamedTuple):
    """The same records asked of both.

    Attributes:
        x: the records.
        victim: its answers.
        stolen: the stolen model's.
        label: the true classes, where known.
    """

    x: Shaped[np.ndarray, "record *feature"]
    victim: Answer
    stolen: Answer
    label: Int[np.ndarray, "record"] | None = None


def compare(
    victim: Victim,
    extraction: Extraction,
    random: Float[np.ndarray, "record *feature"],
    *,
    paid: Oracle | None = None,
) -> ComparisonFindings:
    """Compare a stolen model with its victim.

    Args:
        victim: what was stolen, and what is known of it.
        extraction: what the attack made of it.
        random: inputs on which the two are compared, beside the records held out.
        paid: what is asked instead of the victim's twin, where there is none: half of the inputs are records held out
            then, where there are any, each is asked once, and where its budget ends the rest is left out.
    """
    x, label = victim.x, victim.y
    if paid is not None and x is not None:
        records = -(-len(random) // 2)
        x, label, random = x[:records], None if label is None else label[:records], random[: len(random) - records]
    ask = victim.ask if paid is None else paid
    held_out, uniform = _ask(ask, extraction, x, label), _ask(ask, extraction, random, None)
    pairs = _parameters(victim, extraction, random) if paid is None else []
    return ComparisonFindings(
        fidelity=FidelityFindings(held_out=_agreement(held_out), uniform=_agreement(uniform)),
        curve=_curve(extraction, held_out, uniform),
        parameters=_side_by_side(pairs),
        weights=_pictures(victim, pairs),
        errors=_errors([both for both in (held_out, uniform) if both is not None]),
        tree=_tree(victim, extraction),
    )


def _ask(ask: Callable[[np.ndarray], Answer], extraction: Extraction, x: Any, label: Any) -> Both | None:
    """The answers of both, to as many records as the budget holds; None where there are none, or no answers to them."""
    if x is None or not len(x):
        return None
    try:
        stolen = extraction.answer(x)
    except InputError:
        return None
    victim, count, _ = ask_most(ask, x)
    if victim is None:
        return None
    return Both(x[:count], victim, stolen.take(slice(count)), None if label is None else label[:count])


def _agreement(both: Both | None) -> Agreement | None:
    if both is None:
        return None
    result: Fidelity = fidelity(both.victim, both.stolen, both.label)
    spread = Spread(mean=result.variation_mean, max=result.variation_max)
    accuracy = Accuracy(victim=result.victim_accuracy, stolen=result.accuracy)
    return Agreement(
        records=result.queries,
        agreement=result.agreement,
        interval=result.interval,
        total_variation=None if result.variation_mean is None else spread,
        difference=result.logit_error,
        accuracy=None if result.accuracy is None else accuracy,
    )


def _curve(extraction: Extraction, held_out: Both | None, uniform: Both | None) -> tuple[CurvePoint, ...]:
    """Agreement after so many queries; the last point is the stolen model itself."""
    steps = [(snapshot.queries, snapshot.answer) for snapshot in extraction.snapshots]
    queries = extraction.attack_cost.queries
    if not steps or steps[-1][0] < queries:
        steps.append((queries, extraction.answer))

    def share(both: Both | None, answer: Callable[[np.ndarray], Answer]) -> float | None:
        return None if both is None else agreement(both.victim, answer(both.x))

    return tuple(
        CurvePoint(queries=queries, held_out=share(held_out, answer), uniform=share(uniform, answer))
        for queries, answer in steps
    )


Pair = tuple[str, Float[np.ndarray, "..."], Float[np.ndarray, "..."]]


def _parameters(victim: Victim, extraction: Extraction, random: Float[np.ndarray, "record *feature"]) -> list[Pair]:
    """Name, true value and stolen value of each array of parameters, lined up; none where the truth is unknown."""
    stolen = extraction.stolen
    if isinstance(stolen, ReluNetwork) and isinstance(victim.truth, ReluNetwork) and stolen.sizes == victim.truth.sizes:
        lined = align(stolen, victim.truth).network
        true = victim.truth.parameters
        return [(name, true[name], value) for name, value in lined.parameters.items()]
    if isinstance(stolen, Head) and isinstance(victim.truth, np.ndarray):
        own, truth = stolen.projection[stolen.coverage], victim.truth[stolen.coverage]
        return [("projection", truth, own @ np.linalg.lstsq(own, truth, rcond=None)[0])]
    if set(extraction.parameters) != {"weight", "bias"} or extraction.parameters["weight"].ndim != 2:
        return []
    true = _linear(victim, random)
    if true is None or true[0].shape != extraction.parameters["weight"].shape:
        return []
    mine = gauge(extraction.parameters["weight"], extraction.parameters["bias"])
    return [(name, *pair) for name, pair in zip(("weight", "bias"), zip(true, mine, strict=True), strict=True)]


def _linear(
    victim: Victim, random: Float[np.ndarray, "record *feature"]
) -> tuple[Float[np.ndarray, "feature cls"], Float[np.ndarray, "cls"]] | None:
    """The weights of a linear victim, read off its own answers one feature at a time; None where it is not linear."""
    inputs = victim.oracle.access.inputs
    low, high = inputs.low.ravel(), inputs.high.ravel()
    middle, step = (low + high) / 2, (high - low) / 8
    neighbours = (middle + np.vstack([np.zeros(len(low)), np.diag(step)])).reshape(-1, *inputs.shape)
    with np.errstate(invalid="ignore"):
        score, there = (
            log - log.mean(axis=1, keepdims=True) for log in map(log_probability, map(victim.ask, (neighbours, random)))
        )
        weight = (score[1:] - score[0]) / step[:, np.newaxis]
        bias = score[0] - middle @ weight
        straight = np.abs(random.reshape(len(random), -1) @ weight + bias - there)
    return (weight, bias) if np.isfinite(straight).all() and straight.max() < _STRAIGHT * np.abs(there).max() else None


def _side_by_side(pairs: list[Pair]) -> ParameterFindings | None:
    if not pairs:
        return None
    apart = np.concatenate([np.abs(true - stolen).ravel() for _, true, stolen in pairs])
    return ParameterFindings(
        unknowns=apart.size,
        max=float(apart.max()),
        rms=float(np.sqrt(np.mean(apart**2))),
        parts=tuple(
            ParameterPart(name=name, true=_thin(true, apart.size), stolen=_thin(stolen, apart.size))
            for name, true, stolen in pairs
        ),
    )


def _thin(values: np.ndarray, unknowns: int) -> list[float]:
    """Values evenly chosen, so that all parts together show at most `SHOWN`, and each a few."""
    step = max(1, min(unknowns // SHOWN, values.size // 8))
    return values.ravel()[::step].tolist()


def _pictures(victim: Victim, pairs: list[Pair]) -> WeightPictures | None:
    """A linear victim's weights by class, where its records are pictures of one channel."""
    shape = victim.oracle.access.inputs.shape
    if len(shape) != 3 or shape[2] != 1 or [name for name, *_ in pairs] != ["weight", "bias"]:
        return None
    _, true, stolen = pairs[0]
    return WeightPictures(shape=(shape[0], shape[1]), true=true.T[:10], stolen=stolen.T[:10])


def _errors(compared: list[Both]) -> ErrorHistogram | None:
    """How far the two are apart on each record: total variation, or the outputs where they are no confidences."""
    if not compared:
        return None
    several = compared[0].victim.logit is None or compared[0].victim.logit.shape[1] > 1
    try:
        apart = [_variation(both) if several else _distance(both) for both in compared]
    except InputError:
        return None
    values = np.concatenate(apart)
    inexact = np.log10(values[values > 0])
    low, high = (np.floor(inexact.min()), np.ceil(inexact.max())) if inexact.size else (-16, -15)
    edges = np.linspace(low, max(high, low + 1), 41)
    return ErrorHistogram(
        of="total variation" if several else "|f - f'|",
        edges=edges.tolist(),
        count=np.histogram(inexact, edges)[0].tolist(),
        exact=int((values == 0).sum()),
    )


def _variation(both: Both) -> Float[np.ndarray, "record"]:
    return total_variation(np.exp(log_probability(both.victim)), np.exp(log_probability(both.stolen)))


def _distance(both: Both) -> Float[np.ndarray, "record"]:
    assert both.victim.logit is not None
    if both.stolen.logit is None:
        raise InputError("the stolen model gives no outputs: compare labels alone.")
    return np.abs(both.victim.logit - both.stolen.logit).max(axis=1)


def _tree(victim: Victim, extraction: Extraction) -> TreeFindings | None:
    """The recovered tree as text, and as nodes where it fits on a page."""
    tree = extraction.stolen
    if not isinstance(tree, Tree):
        return None
    names = victim.oracle.access.inputs.names
    return TreeFindings(text=tree.text(names), nodes=_nodes(tree, names) if tree.leaves <= _LEAVES else ())


def _nodes(tree: Tree, names: Sequence[str]) -> tuple[TreeNode, ...]:
    """A tree's nodes from left to right: leaves side by side, and every other node above the middle of its children."""
    count = len(tree.feature)
    parent = {int(child): node for node in range(count) for child in (tree.left[node], tree.right[node]) if child >= 0}
    depth = [0] * count
    for node in range(1, count):
        depth[node] = depth[parent[node]] + 1
    place: dict[int, float] = {}
    pending = [0]
    while pending:
        node = pending.pop()
        if tree.feature[node] < 0:
            place[node] = float(len(place))
        else:
            pending += [int(tree.right[node]), int(tree.left[node])]
    for node in reversed(range(count)):
        if node not in place:
            place[node] = (place[int(tree.left[node])] + place[int(tree.right[node])]) / 2
    return tuple(
        TreeNode(
            x=place[node],
            depth=depth[node],
            parent=parent.get(node),
            words=_words(tree, node, names),
            leaf=bool(tree.feature[node] < 0),
        )
        for node in range(count)
    )


def _words(tree: Tree, node: int, names: Sequence[str]) -> str:
    feature = int(tree.feature[node])
    if feature < 0:
        return tree.outcome(node).split(" (")[0]
    return tree.rules(node, names[feature] if names else f"feature {feature}")[0]
