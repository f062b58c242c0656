"""All victims of all training sets: one sweep of the engine, in a run folder that survives a kill.

OUT/poisoning.json       what was asked for; a folder of another audit is refused
OUT/poison-DIGEST.npz    the poison, under a digest of what decides it: made once
OUT/victims              the run folder of the victims (`jaxattack.store`)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool

from jaxattack.attacks.poisoning.features import features_of_all
from jaxattack.attacks.poisoning.units import to_inputs
from jaxattack.audit.model_source import identity as model_identity
from jaxattack.audit.plan import Plan
from jaxattack.audit.retraining.cells import Cell, Layout
from jaxattack.audit.retraining.crafting import Attacker, Craft
from jaxattack.audit.retraining.plan import PoisonAudit
from jaxattack.audit.sweep import train_missing
from jaxattack.data import fingerprint
from jaxattack.disk import make_folder, read_arrays, read_json, write_arrays, write_json_once
from jaxattack.models import Architecture
from jaxattack.store import RunFolder, differences
from jaxattack.training import Placement, Sweep
from jaxattack.training.source import model_for
from jaxattack.types import Dataset, FolderError, InputError, Poison, Progress, Surrogate, gradient_steps

FORMAT = 1
HEAD = Architecture(name="softmax")
"""What victims train on features that are public."""


class Answers(NamedTuple):
    """What the victims say.

    Attributes:
        right: Bool["cell seed record"], whether each labels each record of the sweep as its label is.
        gradient_steps: of all victims.
    """

    right: np.ndarray
    gradient_steps: int


def identity(audit: PoisonAudit, records: Dataset) -> dict[str, Any]:
    """What decides the poison and the victims, as plain values."""
    model = model_for(audit.model, records)
    terms = {
        "format": FORMAT,
        "data": {"name": records.name, "records": len(records), "sha256": fingerprint(records)},
        "victim": model_identity(audit.model, model, records.shape),
        **audit.words(),
    }
    return json.loads(json.dumps(terms))


def claim_folder(out: Path, terms: dict[str, Any]) -> None:
    """Make the folder this audit's, or see that it is.

    Raises:
        InputError: it is another's, or holds other files.
    """
    make_folder(out)
    file = out / "poisoning.json"
    if not file.exists() and any(entry.suffix != ".partial" for entry in out.iterdir()):
        raise FolderError(f"{out} holds files that are no poisoning audit: give an empty or a new folder.")
    write_json_once(file, terms)
    other = [
        f"{place:.80} was {was!r:.80} and is now {now!r:.80}" for place, was, now in differences(terms, read_json(file))
    ]
    if other:
        raise FolderError(f"{out} keeps another poisoning audit ({'; '.join(other[:3])}): give another folder.")


def read_or_craft(out: Path, terms: dict[str, Any], craft: Callable[[], tuple[Craft, ...]]) -> tuple[Craft, ...]:
    """The poison, from the folder or made now and kept."""
    digest = hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]
    file = out / f"poison-{digest}.npz"
    if not file.exists():
        crafts = craft()
        arrays = {
            f"{number}-{name}": getattr(each.poison, name)
            for number, each in enumerate(crafts)
            for name in ("x", "y", "replaces", "source")
        }
        about = [[each.attack, each.share, each.target, each.poison.attack, dict(each.poison.notes)] for each in crafts]
        write_arrays(file, arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)})
        return crafts
    try:
        about = json.loads(read_arrays(file, ("about",))["about"].tobytes())
        names = [f"{number}-{name}" for number in range(len(about)) for name in ("x", "y", "replaces", "source")]
        arrays = read_arrays(file, tuple(names))
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("poison is NaN or infinite")
        return tuple(
            Craft(
                attack,
                share,
                target,
                Poison(
                    attack=name,
                    x=arrays[f"{number}-x"],
                    y=arrays[f"{number}-y"],
                    replaces=arrays[f"{number}-replaces"],
                    source=arrays[f"{number}-source"],
                    notes=notes,
                ),
            )
            for number, (attack, share, target, name, notes) in enumerate(about)
        )
    except (ValueError, TypeError) as error:
        raise FolderError(f"{file} is damaged: delete this file, and the poison is made again.") from error


def train_victims(
    audit: PoisonAudit,
    layout: Layout,
    cells: tuple[Cell, ...],
    attacker: Attacker,
    terms: dict[str, Any],
    out: Path,
    placement: Placement,
    progress: Progress | None,
) -> Answers:
    """Train every cell's victims from scratch, those that the folder lacks, and ask each about every record.

    Raises:
        InputError: a foreign or damaged folder, or a training that diverged.
    """
    records, source = layout.records, audit.model
    if audit.frozen:
        assert attacker.surrogate is not None
        records, source = public_features(records, attacker.surrogate), HEAD
    member: Bool[np.ndarray, "model record"] = np.repeat(np.stack([cell.member for cell in cells]), audit.seeds, axis=0)
    sweep = Sweep(model=model_for(source, records), recipe=audit.learner, seed=audit.seed)
    slots = int(member.sum(axis=1).max())
    run_identity = {
        **terms,
        "sweep": fingerprint(records),
        "member": hashlib.sha256(np.packbits(member, axis=1).tobytes()).hexdigest(),
        "signals": [signal.name for signal in sweep.signals],
    }
    folder = RunFolder.open(out / "victims", run_identity, records.y)
    plan = Plan(folder, source, sweep, records, member, slots, False, False)
    train_missing(plan, range(len(member)), placement, progress)
    right = folder.observations(len(member)).signal("correct")[:, :, 0].astype(bool)
    steps = len(member) * gradient_steps(audit.learner, slots, 0)
    return Answers(right.reshape(len(cells), audit.seeds, -1), steps)


def public_features(records: Dataset, surrogate: Surrogate) -> Dataset:
    """Records as what the last layer of the public network is given: a table.

    Raises:
        InputError: features that do not tell records apart.
    """
    blocks = np.array_split(records.x, -(-len(records) // 4096))
    parts = [
        np.asarray(features_of_all(surrogate.model, surrogate.variables, jnp.asarray(to_inputs(block))))[0]
        for block in blocks
    ]
    x = np.concatenate(parts).astype(np.float32)
    if not np.ptp(x):
        raise InputError("the public network's features are the same for every record: train it longer, or on more.")
    return Dataset(x=x, y=records.y, classes=records.classes, name=records.name, names=records.names)
