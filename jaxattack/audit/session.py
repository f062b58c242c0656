"""An audit's session with an oracle: what an attack is handed is checked, kept on disk and within a budget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jaxattack.audit.findings import values
from jaxattack.disk import make_folder, read_json, write_json
from jaxattack.oracle import PRADA, Watched, budgeted, checked, journalled, watched
from jaxattack.oracle import identity as who
from jaxattack.oracle.check import Checked
from jaxattack.oracle.recheck import QUESTIONS
from jaxattack.store import differences
from jaxattack.types import InputError, Oracle

FORMAT = 2
"""Of the file that says whose answers a folder keeps."""

_ASKING = "extraction", "evasion", "inversion", "reconstruction", "architecture", "target"
_OF_A_RUN = (
    "report.json", "answers", *(f"{kind}.json" for kind in (*_ASKING, "run", "ownership", "poisoning"))
)  # fmt: skip
"""What tells that a folder is a run's."""


class Session(NamedTuple):
    """A victim as an attack sees it.

    Attributes:
        oracle: what the attack is handed.
        prepaid: queries that an earlier start had paid for.
        check: reads every answer.
        doubts: what is not known about the answers that were kept, in sentences.
        watched: sees every question as the victim would; None where nobody watches.
    """

    oracle: Oracle
    prepaid: int
    check: Checked
    doubts: tuple[str, ...] = ()
    watched: Watched | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the answers so far, in sentences."""
        return (*self.check.findings.values(), *self.doubts)


@contextmanager
def open_session(
    oracle: Oracle,
    *,
    kind: str,
    identity: Mapping[str, Any],
    out: Path | None,
    budget: int | None,
    detector: PRADA | None = None,
) -> Iterator[Session]:
    """Open a session with an oracle.

    What answers behind an address is known by its answers alone. Where a folder keeps some, a few of their questions are
    asked again while they are replayed, counted and paid for; of a budget a twentieth, at most 16 queries, is set aside
    for that over all starts, and where it is spent the report says so.

    Args:
        oracle: the victim, behind its defences.
        kind: of audit; names the file that says whose answers a folder keeps.
        identity: what must be the same when a folder is used again.
        out: a folder that keeps every answer; answers that are there are not paid for again.
        budget: queries, at most, the one that the check asks among them.
        detector: watches the questions, those too that an earlier start had paid for; None for nobody.

    Raises:
        InputError: a folder that keeps the answers of something else.
    """
    reserve, prepaid = 0, 0
    doubts: list[str] = []
    with ExitStack() as stack:
        if out is not None:
            claim(out, kind, identity, oracle)
            # Only answers that can be believed are kept.
            journal = stack.enter_context(journalled(checked(oracle, repeat=False), out / "answers"))
            prepaid = journal.paid.queries
            if who.elsewhere(oracle):
                reserve = recheck_reserve(budget)
                questions = QUESTIONS if budget is None else (reserve - journal.rechecked) // 2
                journal.recheck(questions)
                if prepaid and questions < 1:
                    doubts.append(
                        f"the budget leaves no query to see whether the service is still the one whose {prepaid:,} answers "
                        f"{out} keeps: they are taken as they are."
                    )
            oracle = journal
        if budget is not None:
            oracle = budgeted(oracle, budget - reserve)
        watch = None if detector is None else watched(oracle, detector)
        check = checked(watch or oracle)
        yield Session(check, prepaid, check, tuple(doubts), watch)


def recheck_reserve(budget: int | None) -> int:
    """How many queries are set aside to see whether a service is still the one whose answers a folder keeps."""
    return 2 * QUESTIONS if budget is None else min(2 * QUESTIONS, budget // 20)


def claim(out: Path, kind: str, identity: Mapping[str, Any], oracle: Oracle) -> None:
    """Make the folder this audit's, or see that it is: of the same victim, data, members, defences, terms and attack.

    Args:
        out: the folder.
        kind: of audit; names the file.
        identity: as `jaxattack.audit.Victim.identity`, and what decides the questions; the name of the victim is for people.
        oracle: what is asked; where its content is known, that counts.

    Raises:
        InputError: the folder is another's; the sentence names what differs.
    """
    answers = who.identity(oracle)
    here = values({"format": FORMAT, **identity, **answers, "content": answers["content"] or identity["content"]})
    file = out / f"{kind}.json"
    check_folder(out, kind)
    if not file.exists():
        make_folder(out)
        write_json(file, here)
        return
    there = read_json(file)
    other = [
        f"{place:.80} was {_text_of(was)} and is now {_text_of(now)}"
        for place, was, now in differences(here | {"victim": ""}, there | {"victim": ""})
    ]
    if other:
        raise InputError(f"{out} keeps the answers of another {kind} ({'; '.join(other[:3])}): give another folder.")


def check_folder(out: Path, kind: str) -> None:
    """See that a folder is no other run's, whose report and answers would be lost among these.

    Args:
        out: the folder; there may be none.
        kind: of audit.

    Raises:
        InputError: it holds answers or a report, and no audit of this kind.
    """
    if (out / f"{kind}.json").exists() or not out.is_dir():
        return
    if other := next((name for name in _OF_A_RUN if (out / name).exists()), None):
        raise InputError(f"{out} holds {other} of another run, and no {kind}: give an empty or a new folder.")


def _text_of(value: Any) -> str:
    """A value in a sentence: the first letters of a digest tell it from others."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,52}\b", r"\1", repr(value))[:120]


def terms(oracle: Oracle) -> dict[str, Any]:
    """The terms on which a victim answers, as plain values."""
    access = oracle.access
    plain_ = {
        field.name: getattr(access, field.name) for field in fields(access) if field.name not in ("inputs", "refuses")
    }
    refuses = {"refuses": True} if access.refuses else {}  # not in the folders of all the others
    return plain_ | refuses | {"shape": list(access.inputs.shape)}


def settings(attack: Any) -> dict[str, Any]:
    """The fields of an attack, as plain values; one that is a configuration itself as text."""
    parts = {field.name: getattr(attack, field.name) for field in fields(attack)}
    return {name: str(part) if is_dataclass(part) else values(part) for name, part in parts.items()}
