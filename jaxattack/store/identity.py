"""What decides the results of a run, as plain values, and where two of them differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxattack.disk import read_json
from jaxattack.error import FolderError

FORMAT = 1


def plain_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a run as it is read back from a folder: JSON's values, with the folder's format."""
    return json.loads(json.dumps({"format": FORMAT, **identity}))


def differences(here: Any, there: Any, place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two identities differ, as plain values: each place, what is there and what is here."""
    if isinstance(here, dict) and isinstance(there, dict):
        # Records are known by their fingerprint: a path typed otherwise, or a moved file, is no other data. A model of one's
        # own is known by its code alone.
        same = here.get("sha256") is not None and here["sha256"] == there.get("sha256")
        keys = {"code"} if "code" in here and "code" in there else {*here, *there} - ({"name"} if same else set())
        for key in sorted(keys):
            yield from differences(here.get(key), there.get(key), f"{place}.{key}" if place else key)
    elif here != there:
        yield place, there, here


def require_same(path: Path, identity: Mapping[str, Any]) -> dict[str, Any]:
    """The identity of a folder as plain values, naming the signals that it has.

    Raises:
        InputError: it is another one.
    """
    plain, stored = plain_identity(identity), read_json(path / "run.json")
    plain["signals"] = stored.get("signals", plain.get("signals"))
    plain.pop("own_signals", None)
    plain |= {name: stored[name] for name in ("own_signals",) if name in stored}
    different = [
        f"{place:.80} is {there!r:.80} there and {here!r:.80} here" for place, there, here in differences(plain, stored)
    ]
    if different:
        raise FolderError(
            f"{path} holds another run ({'; '.join(different[:3])}): give another folder, or the settings of that run."
        )
    return plain
