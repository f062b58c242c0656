"""In which settings several runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from os.path import commonprefix
from typing import Any

from jaxattack.audit.findings.comparison import ChangeFindings
from jaxattack.types import number_in_name

LONGEST = 200
"""Letters of a value that are shown."""


def changes(configurations: Sequence[Mapping[str, Any]]) -> tuple[ChangeFindings, ...]:
    """The settings that are not the same everywhere.

    Args:
        configurations: of each run, as plain values.

    Returns:
        One for each place at which they differ, in the order in which places are first there. Records of one fingerprint are
        the same whatever their name.

    Example:
        >>> [one.name for one in changes([{"recipe": {"epochs": 10}}, {"recipe": {"epochs": 20}, "defences": ["Round"]}])]
        ['recipe.epochs', 'defences']
    """
    flat = [
        {place: None if value is None else text(value) for place, value in leaves(configuration)}
        for configuration in configurations
    ]
    places = list(dict.fromkeys(place for one in flat for place in one))
    if len({one.get("data.sha256") for one in flat}) == 1 and "data.sha256" in places:
        places.remove("data.name")
    values = {place: [one.get(place) for one in flat] for place in places}
    return tuple(
        ChangeFindings(name=place, values=_excerpts(row)) for place, row in values.items() if len(set(row)) > 1
    )


def _excerpts(texts: Sequence[str | None]) -> tuple[str | None, ...]:
    """What is shown of texts that differ: long ones from shortly before the first difference on."""
    alike = len(commonprefix([one for one in texts if one]))  # noqa: RUF071 - of letters
    start = max(alike - LONGEST // 4, 0) if max(len(one or "") for one in texts) > LONGEST else 0
    return tuple(one and ("…" if start else "") + one[start : start + LONGEST] for one in texts)


def leaves(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Nested plain values as their places, joined by points, and what is there."""
    for name, value in values.items():
        path = f"{place}.{name}" if place else str(name)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, path)
        else:
            yield path, value


def text(value: Any) -> str:
    """A plain value as a person writes it, and another one otherwise: objects that name themselves as calls, lists with commas.

    Example:
        >>> text([{"name": "Round", "decimals": 2}, {"name": "Label"}])
        'Round(decimals=2), Label'
    """
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    if isinstance(value, Mapping):
        fields = ", ".join(f"{name}={text(part)}" for name, part in value.items() if name != "name")
        return f"{value.get('name', '')}({fields})" if fields or "name" not in value else str(value["name"])
    return number_in_name(value) if isinstance(value, float) else str(value)
