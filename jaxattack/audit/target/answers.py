"""What a target answers about the records of an audit, asked of a victim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Shaped

from jaxattack.audit.columns import UNKNOWN, match_columns, names_of, require_features, require_whole
from jaxattack.audit.extraction import target_findings
from jaxattack.audit.findings.target import TargetFindings
from jaxattack.audit.picture_scale import PictureScale, as_taken, best_scale, on_scale
from jaxattack.audit.session import open_session, recheck_reserve
from jaxattack.audit.target.terms import Membership, Scale
from jaxattack.audit.victim import Victim
from jaxattack.oracle.identity import elsewhere, fingerprint_of
from jaxattack.training import Queries
from jaxattack.training.images import view
from jaxattack.types import Answer, Dataset, InputError, Ledger, Level, Progress

BLOCK = 1024
"""Records a target is asked about in one call."""


class More(NamedTuple):
    """What is asked of a target beside its records.

    Attributes:
        questions: how many for each view of a record.
        ask: is handed the target, in the units of the data, and its answers to the records; gives signals by name.
    """

    questions: int
    ask: Callable[[Callable[[np.ndarray], Answer], TargetAnswers], Mapping[str, np.ndarray]]


class TargetAnswers(NamedTuple):
    """What a target answers.

    Attributes:
        name: of the target.
        answer: to every view of every record, ["record query"] or ["record query cls"]; the columns are the data's classes.
        level: how much it answers.
        decimals: to which the service says that it rounds; None where it says nothing.
        top: it answers so many classes alone; 0 for all.
        terms: of a victim that was asked; None of a file.
        cost: of asking.
        prepaid: queries that an earlier start had paid for.
        member: what the file says of its members; None where it says nothing.
        notes: how it is understood, and what is odd, in sentences.
        more: signals that asked it more than once a record, by name.
    """

    name: str
    answer: Answer
    level: Level
    decimals: int | None = None
    top: int = 0
    terms: TargetFindings | None = None
    cost: Ledger = Ledger()
    prepaid: int = 0
    member: Membership | None = None
    notes: tuple[str, ...] = ()
    more: Mapping[str, Float[np.ndarray, "1 record view *value"]] = MappingProxyType({})

    def take(self, records: Int[np.ndarray, "chosen"]) -> TargetAnswers:
        """The answers about the chosen records."""
        member = None if self.member is None else self.member[records]
        return self._replace(answer=self.answer.take(records), member=member)


def ask_victim(
    victim: Victim,
    records: Dataset,
    queries: Queries,
    *,
    scale: Scale = "auto",
    budget: int | None = None,
    out: Path | None = None,
    more: More | None = None,
    progress: Progress | None = None,
) -> TargetAnswers:
    """Ask a victim about every view of every record.

    Args:
        victim: the target.
        records: as the references are trained on them.
        queries: the views.
        scale: on what scale it takes pictures.
        budget: questions, at most.
        out: a folder that keeps every answer; those that are there are not paid for again.
        more: what else is asked, once the records themselves are answered.
        progress: called as answers come.

    Raises:
        InputError: records of another shape, or of classes that the victim does not know; a budget below what must be
            asked; a folder that keeps other answers.
    """
    oracle = victim.oracle
    count = len(records) * queries.count
    if budget is not None:
        _require_budget(
            budget,
            count * (1 + (more.questions if more else 0)),
            recheck_reserve(budget) if out is not None and elsewhere(oracle) else 0,
        )
    require_features(records, oracle)
    require_whole(victim.name, records, oracle.access.inputs)
    order, notes = _column_order(victim, records)
    if scale not in ("auto", "data") and records.x.dtype != np.uint8:
        raise InputError(f"target_scale is {scale} and the data has {records.x.dtype} and no bytes: leave it out.")
    if scale == "auto":
        scale, sentences = _best_scale(victim, records, order)
        notes = (*notes, *sentences)
    shape = oracle.access.inputs.shape
    questions = {"views": queries.count, "scale": scale, "records": fingerprint_of([records.x, records.y])}
    identity = {} if out is None else victim.identity | questions
    with open_session(oracle, kind="target", identity=identity, out=out, budget=budget) as session:
        before = session.oracle.ledger

        def ask(x: np.ndarray) -> Answer:
            return _with_columns(session.oracle(as_taken(victim.name, on_scale(x, scale), shape)), order)

        answers = TargetAnswers(
            name=victim.name,
            answer=_ask_views(ask, queries, records.x, progress),
            level=oracle.access.level,
            decimals=oracle.access.decimals,
            top=oracle.access.top,
            terms=target_findings(victim),
        )
        signals = more.ask(ask, answers) if more else {}
        cost = session.oracle.ledger - before
        return answers._replace(
            cost=cost,
            prepaid=min(session.prepaid, cost.queries),
            notes=tuple(dict.fromkeys((*victim.notes, *notes, *session.warnings))),
            more=signals,
        )


def _ask_views(
    ask: Callable[[np.ndarray], Answer],
    queries: Queries,
    x: Shaped[np.ndarray, "record *feature"],
    progress: Progress | None,
) -> Answer:
    """The answers about every view of every record, a view after the other, in blocks of records."""
    by_view: list[Answer] = []
    for offset in queries.offsets():
        blocks = []
        for start in range(0, len(x), BLOCK):
            views = view(queries, jnp.asarray(x[start : start + BLOCK]), jnp.asarray(offset))
            blocks.append(ask(np.asarray(views)))
            if progress:
                progress("answers", len(by_view) * len(x) + min(start + BLOCK, len(x)), len(x) * queries.count)
        by_view.append(_joined(blocks))
    return _stacked(by_view)


def _require_budget(budget: int, questions: int, reserve: int) -> None:
    """Refuse a budget that ends before the questions do; one more sees whether the same one is answered alike.

    Raises:
        InputError: it says how many there are.
    """
    checks = 1 + reserve
    if budget < questions + checks:
        raise InputError(
            f"budget is {budget:,}, and there are {questions:,} questions and {checks} to check the answers: give as many, or fewer "
            "records or queries."
        )


def _best_scale(
    victim: Victim, records: Dataset, order: Int[np.ndarray, "column"]
) -> tuple[PictureScale, tuple[str, ...]]:
    """The scale on which a file fits pictures of bytes best, by its loss, and a sentence that says so."""
    twin = victim.twin
    if twin is None or victim.dataset is not None or records.x.dtype != np.uint8 or victim.oracle.access.inputs.whole:
        return "data", ()
    shape, name = victim.oracle.access.inputs.shape, victim.name
    return best_scale(
        lambda x: _with_columns(twin(as_taken(name, x, shape)), order),
        records.x,
        records.y,
        data=records.name,
        model=name,
    )


def _column_order(victim: Victim, records: Dataset) -> tuple[Int[np.ndarray, "column"], tuple[str, ...]]:
    """The victim's columns in the order of the data's classes, those of other classes last; and what is to be said of it.

    Raises:
        InputError: a regressor, or a victim that lacks classes of the data.
    """
    classes = victim.oracle.access.classes
    if classes == 1:
        raise InputError(f"{victim.name} answers with a number and has no classes: attack a classifier.")
    if victim.dataset is not None and classes == records.classes:
        return np.arange(classes), ()
    columns = match_columns(records, victim.oracle)
    if columns.of is None or (columns.of == UNKNOWN).any():
        unknown = names_of(records) if columns.of is None else np.array(names_of(records))[columns.of == UNKNOWN]
        raise InputError(
            f"{victim.name} does not know the classes {', '.join(map(str, unknown[:5]))} of {records.name}: leave their records out, "
            "or name the classes as it does."
        )
    others = np.setdiff1d(np.arange(classes), columns.of)
    return np.concatenate([columns.of, others]), columns.notes


def _with_columns(answer: Answer, order: Int[np.ndarray, "column"]) -> Answer:
    def moved(scores: np.ndarray | None) -> np.ndarray | None:
        return None if scores is None else scores[:, order]

    return Answer(np.argsort(order)[answer.label], moved(answer.probability), moved(answer.logit))


def _joined(answers: Sequence[Answer]) -> Answer:
    return Answer(*(None if part[0] is None else np.concatenate(part) for part in zip(*answers, strict=True)))  # type: ignore[arg-type]


def _stacked(answers: Sequence[Answer]) -> Answer:
    return Answer(*(None if part[0] is None else np.stack(part, axis=1) for part in zip(*answers, strict=True)))  # type: ignore[arg-type]
