"""What an attack on an oracle is handed by an audit: checked, kept on disk, within a budget; and how that is told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxattack.disk import make_folder, read_json, write_json
from jaxattack.oracle import budgeted, checked, journalled
from jaxattack.oracle import identity as who
from jaxattack.oracle.check import Checked
from jaxattack.store import differences
from jaxattack.types import InputError, Oracle

FORMAT = 2
"""Of the file that says whose answers a folder keeps."""


class Asked(NamedTuple):
    """A victim as an attack sees it.

    Attributes:
        oracle: what the attack is handed.
        kept: queries that an earlier start had paid for.
        seen: the check, which sees every answer.
    """

    oracle: Oracle
    kept: int
    seen: Checked

    @property
    def warnings(self) -> list[str]:
        """What is odd about the answers so far, in sentences."""
        return list(self.seen.findings.values())


@contextmanager
def asked(
    oracle: Oracle, *, kind: str, identity: Mapping[str, Any], out: Path | None, budget: int | None
) -> Iterator[Asked]:
    """Hand an oracle to an attack.

    Args:
        oracle: the victim, behind its defences.
        kind: of audit; names the file that says whose answers a folder keeps.
        identity: what must be the same when a folder is used again.
        out: a folder that keeps every answer; answers that are there are not paid for again.
        budget: queries, at most.

    Raises:
        InputError: a folder that keeps the answers of something else.
    """
    seen = checked(oracle)
    handed: Oracle = seen
    kept = 0
    with ExitStack() as opened:
        if out is not None:
            claim(out, kind, identity, oracle)
            handed = journal = opened.enter_context(journalled(handed, out / "answers"))
            kept = journal.paid.queries
        if budget is not None:
            handed = budgeted(handed, budget)
        yield Asked(handed, kept, seen)


def claim(out: Path, kind: str, identity: Mapping[str, Any], oracle: Oracle) -> None:
    """Make the folder this audit's, or see that it is: of the same victim, data, members, defences, terms and attack.

    Args:
        out: the folder.
        kind: of audit; names the file.
        identity: as `jaxattack.audit.Opened.identity`, and what decides the questions; the name of the victim is for people.
        oracle: what is asked; where its content is known, that counts.

    Raises:
        InputError: the folder is another's; the sentence names what differs.
    """
    answers = who.identity(oracle)
    whole = {"format": FORMAT, **identity, **answers, "content": answers["content"] or identity["content"]}
    here = json.loads(json.dumps(plain(whole)))
    file = out / f"{kind}.json"
    if not file.exists():
        make_folder(out)
        write_json(file, here)
        return
    there = read_json(file)
    other = [
        f"{place:.80} was {_shown(was)} and is now {_shown(now)}"
        for place, was, now in differences(here | {"victim": ""}, there | {"victim": ""})
    ]
    if other:
        raise InputError(f"{out} keeps the answers of another {kind} ({'; '.join(other[:3])}): give another folder.")


def _shown(value: Any) -> str:
    """A value in a sentence: the first letters of a digest tell it from others."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{20,52}\b", r"\1", repr(value))[:120]


def terms(oracle: Oracle) -> dict[str, Any]:
    """The terms on which a victim answers, as plain values."""
    access = oracle.access
    plain_ = {field.name: getattr(access, field.name) for field in fields(access) if field.name != "inputs"}
    return plain_ | {"shape": list(access.inputs.shape)}


def settings(attack: Any) -> dict[str, Any]:
    """The fields of an attack, as plain values."""
    return {field.name: plain(getattr(attack, field.name)) for field in fields(attack)}


def plain(value: Any) -> Any:
    """The same in values that JSON knows; anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
