"""Attacks by name, their fields set as in an address: ``rmia-offline?a=tuned&gamma=1.5``."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from jaxattack.types import InputError

Attack = TypeVar("Attack")


def named(name: str, attacks: Mapping[str, Attack], kind: str, *, fixed: Collection[str] = ()) -> Attack:
    """One attack of a registry, with the fields that its name sets.

    Args:
        name: of the attack, perhaps with settings.
        attacks: the registry, of frozen dataclasses.
        kind: what they are, for the message.
        fixed: fields that a name does not set.

    Raises:
        InputError: an unknown name or field, or a value outside a field's range.
    """
    known, _, settings = name.partition("?")
    if known not in attacks:
        near = difflib.get_close_matches(known, attacks, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"there is no {kind} {known!r}{hint}: choose from {', '.join(attacks)}.")
    attack: Any = attacks[known]
    fields = {field.name for field in dataclasses.fields(attack)} - {*fixed}
    changes: dict[str, Any] = {}
    for setting in filter(None, settings.split("&")):
        field, _, value = setting.partition("=")
        if field not in fields:
            raise InputError(f"{known} has no {field!r}: set one of {', '.join(sorted(fields)) or 'nothing'}.")
        changes[field] = _fitting(getattr(attack, field), _value(value))
    try:
        return dataclasses.replace(attack, **changes)
    except TypeError as error:
        raise InputError(f"{name} sets a field to something of another kind ({error}): mend the value.") from error


def _fitting(current: Any, value: Any) -> Any:
    """A field that is a configuration itself is named by its own first field, as in ``substitute=rbf``; one of several may be alone."""
    if isinstance(current, tuple) and not isinstance(value, tuple):
        return (value,)
    if dataclasses.is_dataclass(current) and not isinstance(current, type):
        return dataclasses.replace(current, **{dataclasses.fields(current)[0].name: value})
    return value


def _value(text: str) -> bool | int | float | str | tuple[int, ...]:
    """A value as it is written: ``true``, ``3``, ``0.5``, ``20-10-10`` for several whole numbers, or a word."""
    words: dict[str, bool] = {"true": True, "false": False}
    for read in (words.__getitem__, int, float, _several):
        try:
            return read(text)
        except (KeyError, ValueError):
            continue
    return text


def _several(text: str) -> tuple[int, ...]:
    if "-" not in text:
        raise ValueError
    return tuple(int(part) for part in text.split("-"))
