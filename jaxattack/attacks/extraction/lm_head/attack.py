"""Steal the last layer of a language model (Carlini et al. 2024, Stealing part of a production language model).

Logits of random prompts are read for some of the tokens (`reading`), a quarter more prompts each time, until the
singular values end (`spectrum`): the hidden size. Then the other tokens are read of as many prompts as that takes, and
one product gives the projection. Classes are tokens; any victim with fewer hidden units than outputs has such a layer.

What is recovered is W up to a change of basis, and without the mean over tokens where only log-probabilities show.
Prompts are what the service documents of its inputs, drawn uniformly; the hidden states stay unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.lm_head.head import Head, head_model
from jaxattack.attacks.extraction.lm_head.questions import Questions
from jaxattack.attacks.extraction.lm_head.reading import Reader, answers_all, price, reader
from jaxattack.attacks.extraction.lm_head.spectrum import Spectrum, projection, remove_shift, spectrum
from jaxattack.attacks.extraction.lm_head.trial import compared
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import EVERY_LEVEL, Access, Draft, InputError, Inputs, Progress, config

FIRST, GROWTH = 32, 1.25
TOKENS = 2
"""Tokens a prompt while the hidden size is sought: with as many as prompts, small singular values sink towards noise."""

DRAWS = 64
"""A service that takes few prompts is left after so many draws."""


class Table(NamedTuple):
    """Logits read so far.

    Attributes:
        prompts: ["prompt *feature"].
        tokens: Int["token"].
        logit: Float["prompt token"], up to a number a prompt.
        left: Int["rest"], tokens still to be read.
    """

    prompts: np.ndarray
    tokens: np.ndarray
    logit: np.ndarray
    left: np.ndarray


@config
class LmHead(Attack):
    """Steal a last layer from logits, probabilities, the top k or labels; the latter two need a bias.

    Attributes:
        gap: the least ratio of neighbouring singular values that ends the spectrum.
        margin: singular values wanted below the gap, and prompts beyond the hidden size.
        prompts: give up where so many show no gap.
        resolution: to which labels are bisected, in logits.

    Raises:
        InputError: a value out of range.
    """

    gap: float = 100.0
    margin: int = 16
    prompts: int = 16_384
    resolution: float = 1e-6

    name = "lm-head"
    paper = "Carlini et al. 2024"
    levels = EVERY_LEVEL
    pool = False

    def __post_init__(self) -> None:
        if not self.gap > 1:
            raise InputError(f"gap is {self.gap}: give a ratio above 1, such as 100.")
        if self.margin < 2:
            raise InputError(f"margin is {self.margin}: give at least 2.")
        if self.prompts < self.margin + 2:
            raise InputError(f"prompts is {self.prompts}: give at least the margin and 2 more, {self.margin + 2}.")
        if not 1e-12 <= self.resolution < 1:
            raise InputError(f"resolution is {self.resolution}: give a part of a logit, 1e-12 or more, such as 1e-6.")

    def needs(self, access: Access) -> int:
        """The fewest queries with which it can succeed, those for a single hidden unit; h of them take h times more."""
        if answers_all(access):
            return 2 + self.margin
        some = min(TOKENS * FIRST, access.classes)
        rest = (1 + self.margin) * price(access, access.classes - some, self.resolution) if some < access.classes else 0
        return min(FIRST, access.classes) * price(access, some, self.resolution) + rest

    def run(self, theft: Theft) -> Draft:
        """Steal the last layer.

        Returns:
            ``stolen`` is a `Head`, and the model maps hidden states to logits; ``answer`` refuses prompts, because the
            layers before the last stay unknown. Notes: ``rank``, ``gap``, ``offset``, ``prompts`` and ``tokens`` read.
            Where the budget or the prompts ended before the spectrum did, the head has a column for each prompt; where
            it ended later, the tokens that were not read are NaN.
        """
        access, rng, progress = theft.access, theft.rng, theft.report
        order = rng.permutation(access.classes)
        questions = Questions(theft.oracle)
        read = reader(questions, int(order[0]), self.resolution)
        shifted = access.level != "logit" or not read.complete
        table, estimate = self._search(questions, read, order, shifted, rng, progress)
        if not table.logit.size and questions.refusal is not None:
            raise questions.refusal
        earlier = table.prompts
        if estimate is not None and not read.complete:
            table = self._rest(questions, read, table, estimate, progress)
        head = _head(table, estimate, shifted, access.classes)
        reason = self._reason(table, estimate, questions)
        return Draft(
            stolen=head,
            answer=head.answer,
            parameters=head.parameters,
            model=head_model(head.hidden, access.classes),
            stop=reason,
            trial=compared(
                head,
                lambda count, rng: _distinct(access.inputs, earlier, len(earlier) + count, rng)[len(earlier) :],
                reference=int(order[0]),
                shifted=shifted,
                resolution=self.resolution,
            ),
            notes={
                **(
                    {}
                    if estimate is None
                    else {"rank": estimate.rank, "gap": estimate.ratio, "offset": estimate.offset}
                ),
                "prompts": len(table.prompts),
                "tokens": len(table.tokens),
            },
        )

    def _search(
        self,
        questions: Questions,
        read: Reader,
        order: Int[np.ndarray, "token"],
        shifted: bool,
        rng: np.random.Generator,
        progress: Progress,
    ) -> tuple[Table, Spectrum | None]:
        inputs = questions.oracle.access.inputs
        table = Table(np.zeros((0, *inputs.shape)), order[:0], np.zeros((0, 0)), order)
        limit, estimate = min(self.prompts, len(order)), None
        for count in _sizes(limit):
            prompts = _distinct(inputs, table.prompts, count, rng)
            table = _extend(table, prompts, read, questions)
            estimate = spectrum(_sample(table, shifted), margin=self.margin, gap=self.gap)
            progress("prompts until the hidden size shows", len(table.prompts), limit)
            if estimate is not None or questions.refusal is not None or len(prompts) < count:
                break
            if 2 * min(table.logit.shape) < count:
                break  # most of what was asked taught nothing, and more of it will not either
        return table, estimate

    def _rest(self, questions: Questions, read: Reader, table: Table, estimate: Spectrum, progress: Progress) -> Table:
        rows = min(estimate.rank + self.margin, len(table.prompts))
        table = table._replace(prompts=table.prompts[:rows], logit=table.logit[:rows])
        size, parts, tokens = read.block, [table.logit], [table.tokens]
        for at in range(0, len(table.left), size):
            block = table.left[at : at + size]
            logit = read(table.prompts, block)
            finite = np.isfinite(logit).all(axis=0)
            parts.append(logit[:, finite])
            tokens.append(block[finite])
            progress("tokens", len(table.tokens) + at + len(block), questions.oracle.access.classes)
            if questions.refusal is not None:
                break
        return Table(table.prompts, np.concatenate(tokens), np.concatenate(parts, axis=1), table.left[:0])

    def _reason(self, table: Table, estimate: Spectrum | None, questions: Questions) -> str:
        access = questions.oracle.access
        if estimate is None:
            bound = max(min(table.logit.shape) - 1 - self.margin, 0)
            cause, remedy = self._exhausted(table, access)
            if questions.refusal is not None:
                cause, remedy = "the budget ended", "allow more queries"
            return (
                f"{cause} and no gap of {self.gap:g} shows in the singular values of {len(table.prompts):,} prompts: "
                f"the hidden size is above {bound:,}, or noise hides it; {remedy}."
            )
        missing = access.classes - len(table.tokens)
        if not missing:
            return ""
        if questions.refusal is not None:
            queries = (estimate.rank + self.margin) * price(access, access.classes, self.resolution)
            return f"the budget ended with {missing:,} tokens unread: the {access.classes:,} take some {queries:,} queries."
        return f"tokens not read: {missing:,}, because {_hidden(access)}."

    def _exhausted(self, table: Table, access: Access) -> tuple[str, str]:
        if len(table.tokens) + len(table.left) < access.classes or not len(table.prompts):
            return _hidden(access), "nothing can be read of them"
        if len(table.prompts) >= self.prompts:
            return "the prompts ended", "allow more than the field prompts does"
        if not len(table.left) and len(table.tokens) <= len(table.prompts):
            return "the classes ended", "a last layer shows only where it has fewer inputs than outputs"
        return "the victim takes no other prompts", "there is nothing more to ask"


def _hidden(access: Access) -> str:
    if answers_all(access):
        return f"{access.precision} probabilities are too small for unlikely tokens"
    return f"the largest bias, {access.bias:g}, does not raise unlikely tokens"


def _sizes(limit: int) -> Iterator[int]:
    size = FIRST
    while size < limit:
        yield size
        size = int(GROWTH * size) + 1
    yield limit


def _distinct(
    inputs: Inputs, have: Shaped[np.ndarray, "prompt *feature"], count: int, rng: np.random.Generator
) -> Shaped[np.ndarray, "more *feature"]:
    """More prompts, none twice: a repeated one adds no rank, and its absence would look like the end of the spectrum.

    Drawing many equals drawing few many times. Fewer than wanted come back where a service takes so few.
    """
    prompts = have
    for _ in range(DRAWS):
        if len(prompts) >= count:
            break
        both = np.concatenate([prompts, uniform(inputs, count - len(prompts), rng)])
        prompts = both[np.sort(np.unique(both, axis=0, return_index=True)[1])]
    return prompts


def _extend(table: Table, prompts: np.ndarray, read: Reader, questions: Questions) -> Table:
    """The table with more prompts, and with the tokens that go with them; only what is new is read."""
    total = len(table.tokens) + len(table.left)
    more = max((total if read.complete else min(TOKENS * len(prompts), total)) - len(table.tokens), 0)
    tokens = np.concatenate([table.tokens, table.left[:more]])
    logit = np.full((len(prompts), len(tokens)), np.nan)
    old, width = table.logit.shape
    logit[:old, :width] = table.logit
    if old and more:
        logit[:old, width:] = read(prompts[:old], tokens[width:])
    if len(prompts) > old:
        logit[old:] = read(prompts[old:], tokens)
    finite = np.isfinite(logit)
    # A budget ends between prompts; a bias too small fails tokens, or a prompt that is sure of one token.
    row = finite.all(axis=1) if questions.refusal is not None else finite.mean(axis=1) > 0.5
    column = finite[row].all(axis=0)
    extension = Table(prompts[row], tokens[column], logit[np.ix_(row, column)], table.left[more:])
    return extension if min(extension.logit.shape) >= min(table.logit.shape) else table


def _sample(table: Table, shifted: bool) -> Float[np.ndarray, "prompt some"]:
    some = table.logit[:, : max(TOKENS * len(table.prompts), 1)]
    return remove_shift(some) if shifted and some.size else some


def _head(table: Table, estimate: Spectrum | None, shifted: bool, classes: int) -> Head:
    logit = remove_shift(table.logit) if shifted and table.logit.size else table.logit
    hidden, offset = (min(table.logit.shape), False) if estimate is None else (estimate.hidden, estimate.offset)
    weight, constant = np.full((classes, hidden), np.nan), np.full(classes, np.nan)
    if logit.size:
        weight[table.tokens], constant[table.tokens] = projection(logit, _sample(table, shifted), hidden, offset)
    return Head(projection=weight, offset=constant)
