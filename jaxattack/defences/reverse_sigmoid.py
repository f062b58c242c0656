"""The reverse sigmoid (Lee et al. 2019): confidences bent towards one another, so that a thief learns from wrong ones.

    p_k <- p_k - strength (sigmoid(slope logit p_k) - 1/2),    then scaled to sum to 1

With strength 0.9 and slope 0.2, (0.9, 0.08, 0.02) becomes (0.682, 0.159, 0.159): confidences that the model tells apart are
answered alike, and below about 0.03 a smaller one is answered as larger, so that no map leads back.

| guarantee | |
| --- | --- |
| the label | never changes, and no class is answered above it |
| the answer | is a confidence vector: not negative, sums to 1 |
| strength 0 | changes nothing |

Unbounded, what is bent may rise above the label: of two classes for no slope up to 1, of more where the label's own confidence is
low, since a class of confidence 0 rises to strength / 2. What would rise above the label is answered level with it.
"""

from __future__ import annotations

from dataclasses import replace

from jaxattack.defences.scores import require_confidences
from jaxattack.types import Access, Answer, InputError, above_zero, config


@config
class ReverseSigmoid:
    """Confidences less a sigmoid of their own logit; needs confidences of all classes.

    Attributes:
        strength: of what is taken off, 0 to 1; beyond 1 confidences could be negative.
        slope: of the sigmoid, above 0.

    Raises:
        InputError: a value out of range.
    """

    paper = "Lee et al. 2019"
    resolution = 0.0
    fresh = False

    strength: float = 0.9
    slope: float = 0.2

    def __post_init__(self) -> None:
        above_zero(slope=self.slope)
        if not 0 <= self.strength <= 1:
            raise InputError(f"strength is {self.strength}: give 0 to 1.")

    def access(self, before: Access) -> Access:
        """As `jaxattack.types.Defence`.

        Raises:
            InputError: labels alone, the top k, or logits are answered.
        """
        return replace(require_confidences(before, "the reverse sigmoid"), decimals=None)

    def rescaled(self, resolution: float, classes: int) -> float:  # noqa: ARG002
        """As `jaxattack.types.RescalingDefence`: a class of confidence 0 is answered above it."""
        return 0.0 if self.strength else resolution

    def fit(self, key, endpoint, y, member):  # noqa: ARG002 (it learns nothing)
        """As `jaxattack.types.Defence`."""
        return ()

    def answer(self, state, answer: Answer, x, key) -> Answer:  # noqa: ARG002
        """As `jaxattack.types.Defence`; the label stays."""
        p = answer.probability
        if not self.strength or p is None:
            return answer
        xp = p.__array_namespace__()
        inside = p.clip(0, 1)  # a sum that was rounded up has no logit
        odds, against = inside**self.slope, (1 - inside) ** self.slope
        bent = p - self.strength * (odds / (odds + against) - 0.5)
        bent = xp.minimum(bent, xp.take_along_axis(bent, answer.label[:, None], axis=1))
        return Answer(answer.label, bent / bent.sum(axis=1, keepdims=True))
