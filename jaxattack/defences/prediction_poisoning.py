"""Prediction poisoning (MAD; Orekondy et al. 2020): answers moved so that a thief who learns from them is led astray.

A thief lowers the cross entropy of a model F with answers y, and its gradient is G^T y, where row k of G is the gradient of
-log F_k. Within |y' - y|_1 <= epsilon the answer is moved to where the gradient's direction is farthest from the true one,

    | G^T y' / |G^T y'| - G^T y / |G^T y| |^2,    0 to 4

The authors' F is a network that was never trained, of which the last layer counts. There G^T y = h (s - y)^T with the inputs h and
the answer s of that layer: h cancels, and what is left is |u(s - y') - u(s - y)|^2, u(v) = v / |v|. A network that was never
trained answers about evenly; here s = 1 / classes, and no network is needed. The authors look for the best of extreme answers,
and go towards it as far as epsilon lets them; with s even those are known:

    MAD          all mass on one class: the least likely is best
    MAD-argmax   equal mass on some classes, the label among them: for each number of classes the least likely, so that the best of
                 classes - 1 sets is found exactly, which the authors enumerate or draw

| guarantee | |
| --- | --- |
| epsilon | bounds the distance of each answer in L1, and is reached unless the extreme answer is nearer; 0 changes nothing |
| the answer | is a confidence vector: not negative, sums to 1 |
| the label | stays under ``argmax``; else it is that of the moved answer |

It belongs to the record: repetitions tell nothing. A thief who trusts labels alone loses nothing to MAD-argmax.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from jaxattack.defences.scores import require_confidences
from jaxattack.types import Access, Answer, InputError, config

LABEL_EXTRA = 1e-5
"""What the label's mass in an extreme answer is above the others', as in the authors' code, so that it stays the label."""


@config
class PredictionPoisoning:
    """Answers that mislead a thief's gradient; needs confidences of all classes.

    Attributes:
        epsilon: how far an answer may move, in L1: 0 to 2.
        argmax: keep the label (the authors' MAD-argmax).

    Raises:
        InputError: epsilon out of range.
    """

    paper = "Orekondy et al. 2020"
    resolution = 0.0
    fresh = False

    epsilon: float = 0.5
    argmax: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 2:
            raise InputError(f"epsilon is {self.epsilon}: give a distance of 0 to 2.")

    @property
    def relabels(self) -> bool:
        """As `jaxattack.types.RelabellingDefence`."""
        return self.epsilon > 0 and not self.argmax

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        return replace(require_confidences(before, "prediction poisoning"), decimals=None)

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`."""
        p = answer.probability
        if not self.epsilon or p is None:
            return answer
        if self.argmax:
            return Answer(answer.label, towards(p, farthest_with(p, answer.label), self.epsilon))
        moved = towards(p, _one_hot(p, p.argmin(1)), self.epsilon)
        return Answer(moved.argmax(1), moved)


def towards(p: Any, goal: Any, epsilon: float) -> Any:
    """Confidences moved straight towards others, by epsilon in L1 or all the way: ["query cls"]."""
    xp = p.__array_namespace__()
    distance = xp.abs(goal - p).sum(axis=1, keepdims=True)
    return p + xp.where(distance > epsilon, epsilon / xp.where(distance > 0, distance, 1), 1) * (goal - p)


def farthest_with(p: Any, label: Any) -> Any:
    """Of even confidences on the label and some other classes those whose direction from an even answer is farthest from p's.

    The cosine with m classes is (their mean confidence - 1 / C) / sqrt(1 / m - 1 / C), but for what does not depend on m, and
    least with the least likely classes.
    """
    xp = p.__array_namespace__()
    classes = p.shape[1]
    is_label = _one_hot(p, label)
    rest = xp.where(is_label > 0, xp.inf, p)
    order = xp.argsort(rest, axis=1, stable=True)
    lowest = xp.take_along_axis(rest, order, axis=1)[:, : classes - 2]
    number = xp.arange(1, classes, dtype=p.dtype)[None]
    own = xp.take_along_axis(p, label[:, None], axis=1)
    total = xp.concatenate([own, own + lowest.cumsum(axis=1)], axis=1)
    cosine = (total / number - 1 / classes) / xp.sqrt(1 / number - 1 / classes)
    others = cosine.argmin(1)
    chosen = (xp.argsort(order, axis=1) < others[:, None]).astype(p.dtype)
    among = (1 + LABEL_EXTRA) * is_label + chosen
    return among / among.sum(axis=1, keepdims=True)


def misdirection(surrogate: Any, moved: Any, p: Any) -> Any:
    """|u(s - y') - u(s - y)|^2 of each answer, 0 to 4: how far the gradient of a surrogate that answers s turns; ["query"]."""
    xp = p.__array_namespace__()

    def unit(v: Any) -> Any:
        norm = xp.sqrt((v * v).sum(axis=1, keepdims=True))
        return v / xp.where(norm > 0, norm, 1)

    turned = unit(surrogate - moved) - unit(surrogate - p)
    return (turned * turned).sum(axis=1)


def _one_hot(p: Any, classes: Any) -> Any:
    return p.__array_namespace__().eye(p.shape[1], dtype=p.dtype)[classes]
