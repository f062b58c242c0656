"""Steal the last layer of a language model (Carlini et al. 2024, Stealing part of a production language model).

Logits of random prompts are read for some of the tokens (`reading`), a quarter more prompts each time, until the
singular values end (`spectrum`): the hidden size. Then the other tokens are read of as many prompts as that takes, and
one product gives the projection. Classes are tokens; any victim with fewer hidden units than outputs has such a layer.

What is recovered is W up to a change of basis, and without the mean over tokens where only log-probabilities show.
Prompts are what the service documents of its inputs, drawn uniformly; the hidden states stay unknown.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from jaxattack.attacks.extraction.asking import uniform
from jaxattack.attacks.extraction.lm_head.head import Head, compare, head_model
from jaxattack.attacks.extraction.lm_head.reading import Reader, kind, price
from jaxattack.attacks.extraction.lm_head.spectrum import GAP, MARGIN, Spectrum, projection, spectrum
from jaxattack.attacks.extraction.verification import Attack, Theft
from jaxattack.types import EVERY_LEVEL, Access, Draft, InputError, Inputs, Oracle, at_least, config

FIRST, GROWTH = 32, 1.25
"""The first prompts, and how many times as many come next: a quarter too many at most, and the decompositions cost twice the last. Of 108 heads
with 4 to 70 hidden units all are stolen from half and twice either. First 16 or 64 prompts took 4% fewer and 67% more queries, but 2.5 and .8 times
the calls; steps of half and twice the growth 2% fewer and 2% more."""

TOKENS = 2
"""Tokens a prompt while the hidden size is sought, which keeps singular values of n random prompts above (2^.5 - 1) n^.5; with as many as
prompts the least are near n^-.5. Of the 108 all are stolen with 1 and 4, by 5% fewer and 9% more queries."""

BLOCK = 1 << 11
"""Tokens read together, once the hidden size is known: what is lost where the budget ends. The 50,257 tokens of GPT-2 take 25 rounds of calls;
half and twice take 50 and 13 from nearly as many queries."""

DRAWS = 64
"""How often prompts are drawn until they are distinct: of n that are to be all that a service takes, k that are missing become k^2 / n fewer at a
draw, and so all but 1 part of DRAWS is drawn."""


class Table(NamedTuple):
    """Logits read so far, up to a number a prompt, and the tokens still to be read."""

    prompts: Shaped[np.ndarray, "prompt *feature"]
    tokens: Int[np.ndarray, "token"]
    logit: Float[np.ndarray, "prompt token"]
    left: Int[np.ndarray, "rest"]


@config
class LmHead(Attack):
    """Steal a last layer from logits, probabilities, the top k or labels; the latter two need a bias.

    Attributes:
        prompts: give up where so many show no gap; by default their logits are 4.3 GB.
        resolution: to which labels are bisected, in logits; float64 resolves a bias of 4,096 to 1e-12, float32 logits of 8 to 16 to 1e-6.
            Of 12 heads all are stolen with ten times and a tenth too, by 11% fewer and more queries, .9 of a digit less and .6 more.

    Raises:
        InputError: a value out of range.
    """

    prompts: int = 16_384
    resolution: float = 1e-6

    name = "lm-head"
    paper = "Carlini et al. 2024"
    levels = EVERY_LEVEL
    pool = False

    def __post_init__(self) -> None:
        at_least(MARGIN + 2, prompts=self.prompts)
        if not 1e-12 <= self.resolution < 1:
            raise InputError(f"resolution is {self.resolution}: give a part of a logit, 1e-12 or more, such as 1e-6.")

    def needs(self, access: Access) -> int:
        """The fewest queries with which it can succeed, those for a single hidden unit; h of them take h times more."""
        if kind(access) == "all":
            return 2 + MARGIN
        some = min(TOKENS * FIRST, access.classes)
        rest = (1 + MARGIN) * price(access, access.classes - some, self.resolution) if some < access.classes else 0
        return min(FIRST, access.classes) * price(access, some, self.resolution) + rest

    def run(self, theft: Theft) -> Draft:
        """Steal the last layer.

        Returns:
            ``stolen`` is a `Head`; the model maps hidden states to logits, and ``answer`` refuses prompts. Notes: ``rank``,
            ``gap``, ``offset``, ``prompts`` and ``tokens`` read. Where the budget or the prompts ended before the spectrum
            did, the head has a column for each prompt; where it ended later, tokens that were not read are NaN.
        """
        access = theft.access
        order = theft.rng.permutation(access.classes)
        read = Reader(theft.oracle, int(order[0]), self.resolution)
        table, estimate = self._search(theft, read, order)
        if not table.logit.size and read.refusal is not None:
            raise read.refusal
        earlier = table.prompts
        if estimate is not None and kind(access) != "all":
            table = self._rest(theft, read, table, estimate.rank)
        head = _head(table, estimate, read, access.classes)
        spectral = {} if estimate is None else {"rank": estimate.rank, "gap": estimate.ratio, "offset": estimate.offset}

        def trial(oracle: Oracle, count: int, rng: np.random.Generator) -> Bool[np.ndarray, "trial"]:
            def draw(fresh: int) -> np.ndarray:
                return _distinct(access.inputs, earlier, len(earlier) + fresh, rng)[len(earlier) :]

            return compare(head, Reader(oracle, read.reference, self.resolution), draw, count)

        return Draft(
            stolen=head,
            answer=head.answer,
            parameters={"projection": head.projection, "offset": head.offset},
            model=head_model(head.hidden, access.classes),
            stop=self._reason(table, estimate, access, read.refusal is not None),
            trial=trial,
            notes={**spectral, "prompts": len(table.prompts), "tokens": len(table.tokens)},
        )

    def _search(self, theft: Theft, read: Reader, order: Int[np.ndarray, "token"]) -> tuple[Table, Spectrum | None]:
        """Read more and more prompts until the hidden size shows."""
        access = theft.access
        table = Table(np.zeros((0, *access.inputs.shape)), order[:0], np.zeros((0, 0)), order)
        limit, estimate, count = min(self.prompts, access.classes), None, 0
        while estimate is None and read.refusal is None and count < limit:
            count = min(int(GROWTH * count) + 1 if count else FIRST, limit)
            prompts = _distinct(access.inputs, table.prompts, count, theft.rng)
            tokens = access.classes if kind(access) == "all" else TOKENS * len(prompts)
            table = _extend(table, prompts, max(tokens - len(table.tokens), 0), read)
            estimate = spectrum(_sample(table, read))
            theft.report("prompts until the hidden size shows", len(table.prompts), limit)
            # Where most of what was asked taught nothing, more of it will not either. Of 18 heads with biases of 4 to 100 11 are
            # stolen, and with a quarter and all of it too.
            if len(prompts) < count or 2 * min(table.logit.shape) < count:
                break
        return table, estimate

    def _rest(self, theft: Theft, read: Reader, table: Table, rank: int) -> Table:
        """Read the other tokens, of as many prompts as the rank takes."""
        rows = rank + MARGIN
        table = table._replace(prompts=table.prompts[:rows], logit=table.logit[:rows])
        while len(table.left) and read.refusal is None:
            table = _extend(table, table.prompts, BLOCK, read)
            theft.report("tokens", theft.access.classes - len(table.left), theft.access.classes)
        return table

    def _reason(self, table: Table, estimate: Spectrum | None, access: Access, refused: bool) -> str:
        """Why the theft is not complete; empty where it is."""
        missing = access.classes - len(table.tokens)
        if estimate is None:
            cause, remedy = ("the budget ended", "allow more queries") if refused else self._exhausted(table, access)
            return (
                f"{cause} and no gap of {GAP:g} shows in the singular values of {len(table.prompts):,} prompts: "
                f"the hidden size is above {max(min(table.logit.shape) - 1 - MARGIN, 0):,}, or noise hides it; "
                f"{remedy}."
            )
        if missing and refused:
            queries = (estimate.rank + MARGIN) * price(access, access.classes, self.resolution)
            return f"the budget ended with {missing:,} tokens unread: the {access.classes:,} take some {queries:,} queries."
        return f"tokens not read: {missing:,}, because {_hidden(access)}." if missing else ""

    def _exhausted(self, table: Table, access: Access) -> tuple[str, str]:
        """Why no hidden size shows though the budget did not end, and the remedy."""
        if len(table.tokens) + len(table.left) < access.classes or not len(table.prompts):
            return _hidden(access), "nothing can be read of them"
        if len(table.prompts) >= self.prompts:
            return "the prompts ended", "allow more than the field prompts does"
        if not len(table.left) and len(table.tokens) <= len(table.prompts):
            return "the classes ended", "a last layer shows only where it has fewer inputs than outputs"
        return "the victim takes no other prompts", "there is nothing more to ask"


def _hidden(access: Access) -> str:
    if kind(access) == "all":
        return f"{access.precision} probabilities are too small for unlikely tokens"
    return f"the largest bias, {access.bias:g}, does not raise unlikely tokens"


def _distinct(
    inputs: Inputs, prompts: Shaped[np.ndarray, "prompt *feature"], count: int, rng: np.random.Generator
) -> Shaped[np.ndarray, "more *feature"]:
    """So many prompts, none twice, for a repeated one adds no rank; fewer where a service takes so few."""
    for _ in range(DRAWS):
        if len(prompts) >= count:
            break
        both = np.concatenate([prompts, uniform(inputs, count - len(prompts), rng)])
        prompts = both[np.sort(np.unique(both, axis=0, return_index=True)[1])]
    return prompts


def _extend(table: Table, prompts: np.ndarray, more: int, read: Reader) -> Table:
    """The table with more prompts and so many more tokens; only what is new is read."""
    tokens = np.concatenate([table.tokens, table.left[:more]])
    logit = np.full((len(prompts), len(tokens)), np.nan)
    old, width = table.logit.shape
    logit[:old, :width] = table.logit
    if old and width < len(tokens):
        logit[:old, width:] = read(prompts[:old], tokens[width:])
    if len(prompts) > old:
        logit[old:] = read(prompts[old:], tokens)
    finite = np.isfinite(logit)
    # A budget ends between prompts; a bias too small fails tokens, or a prompt that is sure of one token. Which, most of its tokens tell:
    # of those 18 as many are stolen where a quarter of them or three quarters do.
    row = finite.all(axis=1) if read.refusal is not None else finite.mean(axis=1) > 0.5
    row |= len(prompts) == old
    column = finite[row].all(axis=0)
    extension = Table(prompts[row], tokens[column], logit[np.ix_(row, column)], table.left[more:])
    return extension if min(extension.logit.shape) >= min(table.logit.shape) else table


def _sample(table: Table, read: Reader) -> Float[np.ndarray, "prompt some"]:
    """Some of the tokens, without the number a prompt."""
    return read.centre(table.logit[:, : max(TOKENS * len(table.prompts), 1)])


def _head(table: Table, estimate: Spectrum | None, read: Reader, classes: int) -> Head:
    """What the table shows; a column for each prompt where it does not show the hidden size."""
    logit = read.centre(table.logit)
    hidden, offset = (min(table.logit.shape), False) if estimate is None else (estimate.hidden, estimate.offset)
    weight, constant = np.full((classes, hidden), np.nan), np.full(classes, np.nan)
    if logit.size:
        weight[table.tokens], constant[table.tokens] = projection(logit, _sample(table, read), hidden, offset)
    return Head(projection=weight, offset=constant)
