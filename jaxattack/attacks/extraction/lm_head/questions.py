"""Asking until a budget ends, and what an answer says of logits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction.asking import ask_most
from jaxattack.types import Answer, Bias, BudgetSpent, Oracle, OracleError

NUMBERS = 1 << 25
"""Numbers in the queries or in the answers of one call."""

Prompts = Shaped[np.ndarray, "prompt *feature"]
Tokens = Int[np.ndarray, "token"]
Logits = Float[np.ndarray, "prompt token"]


@dataclass
class Questions:
    """An oracle that is asked until its budget ends.

    Attributes:
        oracle: what is asked.
        refusal: how the budget ended, once it has.
    """

    oracle: Oracle
    refusal: BudgetSpent | None = None

    def __call__(self, x: np.ndarray, bias: Bias | None = None, *, part: bool = True) -> Answer | None:
        """The answers; to as many of the first queries as are left if ``part``, and None where that is none."""
        if self.refusal is not None:
            return None

        def ask(some: np.ndarray) -> Answer:
            return self.oracle(some, bias and Bias(bias.token[: len(some)], bias.value[: len(some)]))

        if part:
            answer, _, self.refusal = ask_most(ask, x)
            return answer
        try:
            return ask(x)
        except BudgetSpent as refusal:
            self.refusal = refusal
            return None

    def score(
        self, answer: Answer, token: Int[np.ndarray, "query token"] | None = None
    ) -> Float[np.ndarray, "query token"]:
        """Logits or log-probabilities in float64, of all tokens or of chosen ones of each query.

        NaN where they are withheld, and where a probability is too small to have all digits in the victim's arithmetic.
        """
        value = answer.probability if answer.logit is None else answer.logit
        if value is None:
            raise OracleError(f"the victim answers with labels alone and its level is {self.oracle.access.level!r}.")
        value = (value if token is None else np.take_along_axis(value, token, axis=1)).astype(np.float64)
        if answer.logit is not None:
            return value
        least = np.finfo(np.float64 if self.oracle.access.precision == "float64" else np.float32).tiny
        return np.log(np.where(value >= least, value, np.nan))
