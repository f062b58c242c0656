"""Attacks by name, and names of attacks: ``rmia-offline?a=tuned&gamma=1.5`` is a registered attack with fields of its own.

`named` reads a name and `label` writes one, so that ``named(label(attack, registry), registry, kind) == attack``. Values are
written as

    true, false, none       as words
    3, 0.5, relu            as they are
    20-10-10, 0.1-0.03      several numbers; one alone as it is, none as nothing
    substitute=rbf          a field that is a configuration, by its own first field
    substitute.epochs=5     another field of it
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from jaxattack.types import InputError
from jaxattack.types.config import holds

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
    base, _, settings = name.partition("?")
    if base not in attacks:
        near = difflib.get_close_matches(base, attacks, n=1) or [
            one for one in attacks if base and one.startswith(base)
        ]
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise InputError(f"there is no {kind} {base!r}{hint}: choose from {', '.join(attacks)}.")
    parts = [setting.partition("=") for setting in settings.split("&") if setting]
    try:
        return _with(attacks[base], [(place, text) for place, _, text in parts], base, fixed)
    except TypeError as error:
        raise InputError(f"{name} sets a field to something of another kind ({error}): mend the value.") from error


def label(attack: Any, attacks: Mapping[str, Any]) -> str:
    """The name that `named` reads an attack back from: that of the registered attack which differs in the fewest fields.

    An attack of a class that is not registered has its own name.
    """
    registered = [(name, other) for name, other in attacks.items() if type(other) is type(attack)]
    if not registered:
        return attack.name
    alike = [(name, other) for name, other in registered if _same_kinds(attack, other)]
    settings = [(name, [*_differences(attack, other)]) for name, other in alike or registered]
    name, differing = min(settings, key=lambda pair: len(pair[1]))
    return f"{name}?{'&'.join(differing)}" if differing else name


def labelled(attacks: Collection[Attack], registry: Mapping[str, Any]) -> dict[str, Attack]:
    """Each attack under its `label`; one that is there twice once.

    Raises:
        InputError: two different attacks of one label, as two of one's own may have.
    """
    by_label: dict[str, Attack] = {}
    for attack in attacks:
        if by_label.setdefault(label(attack, registry), attack) != attack:
            raise InputError(f"two attacks are called {label(attack, registry)!r}: give each a name of its own.")
    return by_label


def _with(attack: Any, settings: Sequence[tuple[str, str]], base: str, fixed: Collection[str] = ()) -> Any:
    """An attack with fields set, all at once; a field may be a field's own, as ``substitute.epochs``."""
    hints = typing.get_type_hints(type(attack))
    fields = {field.name for field in dataclasses.fields(attack)} - {*fixed}
    changes: dict[str, Any] = {}
    nested: dict[str, list[tuple[str, str]]] = {}
    for place, text in settings:
        field, _, rest = place.partition(".")
        if field not in fields or (rest and not _is_config(getattr(attack, field))):
            raise InputError(f"{base} has no {place!r}: set one of {', '.join(sorted(fields)) or 'nothing'}.")
        if _is_config(current := getattr(attack, field)):
            nested.setdefault(field, []).append((rest or _first_field(current), text))
        else:
            changes[field] = _value(text, hints[field])
    changes |= {field: _with(getattr(attack, field), inner, f"{base}'s {field}") for field, inner in nested.items()}
    return dataclasses.replace(attack, **changes)


def _same_kinds(attack: Any, other: Any) -> bool:
    """Whether configurations within the two are of the same classes, so that settings can make one the other."""
    pairs = ((getattr(attack, field.name), getattr(other, field.name)) for field in dataclasses.fields(attack))
    return all(type(ours) is type(theirs) for ours, theirs in pairs if _is_config(ours))


def _is_config(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and bool(dataclasses.fields(value))


def _first_field(value: Any) -> str:
    return dataclasses.fields(value)[0].name


def _differences(attack: Any, other: Any) -> Iterator[str]:
    """Settings that make the other attack this one."""
    for field in dataclasses.fields(attack):
        ours, theirs = getattr(attack, field.name), getattr(other, field.name)
        if ours == theirs:
            continue
        if not _is_config(ours) or type(ours) is not type(theirs):
            yield f"{field.name}={_text(ours)}"
            continue
        for setting in _differences(ours, theirs):
            inner, _, text = setting.partition("=")
            yield f"{field.name}{'' if inner == _first_field(ours) else f'.{inner}'}={text}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        # An exponent has a hyphen of its own.
        return "-".join(np.format_float_positional(one) if isinstance(one, float) else _text(one) for one in value)
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _value(text: str, annotation: Any) -> Any:
    """A value as it is written: the first reading that a field's annotation admits, or else the first there is."""
    readings = [*_readings(text)]
    return next((value for value in readings if holds(value, annotation)), readings[0])


def _readings(text: str) -> Iterator[Any]:
    words: dict[str, Any] = {"true": True, "false": False, "none": None}
    for read in (words.__getitem__, int, float, _several, str):
        try:
            value = read(text)
        except (KeyError, ValueError):
            continue
        yield value
        yield (value,)


def _several(text: str) -> tuple[float, ...]:
    return tuple(float(part) if "." in part else int(part) for part in text.split("-")) if text else ()
