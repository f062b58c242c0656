"""A run folder, opened to be filled or read (`jaxattack.store` has its files)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxattack.chunk import holds_array, read_label, read_member, read_models, read_signal
from jaxattack.disk import (
    make_folder,
    read_array,
    read_json,
    remove_abandoned,
    write_array,
    write_arrays,
    write_json,
    write_json_once,
)
from jaxattack.error import FolderError, InputError
from jaxattack.store.cost import Cost, read_cost
from jaxattack.store.identity import FORMAT, plain_identity, require_same
from jaxattack.store.leaves import leaves_by_path
from jaxattack.store.signals import StoredSignals

if TYPE_CHECKING:
    from jaxattack.types import Observations, Variables


class RunFolder:
    """A run folder, opened to be filled or read.

    Attributes:
        path: where it is.
        identity: what decides the results, as plain values.
        weights: the folder in which what its models learnt is kept: its own, or that of a run of the same models which
            answer otherwise.
    """

    def __init__(self, path: Path, identity: dict[str, Any], weights: Path | None = None):
        self.path, self.identity, self.weights = path, identity, weights or path

    def with_weights_of(self, other: RunFolder) -> RunFolder:
        """The same folder, of the models whose weights another one keeps."""
        return RunFolder(self.path, self.identity, other.weights)

    @classmethod
    def open(cls, path: Path, identity: Mapping[str, Any], label: Int[np.ndarray, "record"]) -> RunFolder:
        """Start a run folder, or go on with one of the same identity.

        Which signals were observed is no part of what decides the results: a folder that has others is gone on with, and
        keeps naming its own, and the code of those that are not of this package.

        Args:
            path: the folder; made where missing.
            identity: what decides the results, as plain JSON values.
            label: the true class of each record.

        Raises:
            InputError: the folder holds another run or other files, is damaged, or cannot be written to.
        """
        file = path / "run.json"
        make_folder(path)
        _refuse_foreign(path)
        # Tried on resuming too: a folder that cannot be written to is refused before any training.
        write_json_once(file, plain_identity(identity))
        plain = require_same(path, identity)
        remove_abandoned(path)
        if not _holds(path / "label.npy", label):
            write_array(path / "label.npy", label)
        return cls(path, plain)

    @classmethod
    def find(cls, path: Path, identity: Mapping[str, Any]) -> RunFolder | None:
        """The run folder of an identity as `open` would go on with it, or None where that would start one; nothing is written.

        Raises:
            InputError: the folder holds another run or other files, or is damaged.
        """
        if not path.is_dir() or not any(path.iterdir()):
            return None
        _refuse_foreign(path)
        return cls(path, require_same(path, identity)) if (path / "run.json").exists() else None

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """A run folder to read.

        Raises:
            InputError: there is none, or it is of another version.
        """
        identity = read_json(path / "run.json")
        signals = identity.get("signals")
        if identity.get("format") != FORMAT or not isinstance(signals, list):
            raise FolderError(
                f"{path} has run format {identity.get('format')!r:.40}, and this version reads {FORMAT}: run it anew."
            )
        if not all(isinstance(name, str) for name in signals):
            raise FolderError(f"{path / 'run.json'} names signals that are no names: give another folder.")
        return cls(path, identity)

    def chunks(self) -> dict[Path, Int[np.ndarray, "model"]]:
        """The files of its chunks, and the models of each.

        Raises:
            InputError: a chunk is damaged.
        """
        return {file: read_models(file) for file in sorted(self.path.glob("chunk-*.npz"))}

    def complete_models(self, *, weights: bool = False) -> set[int]:
        """The models that are there.

        Args:
            weights: only those whose weights were kept.

        Raises:
            InputError: a chunk is damaged.
        """
        chunks = self.chunks().items()
        rows = [models for file, models in chunks if not weights or self.weights_of(file).exists()]
        return {int(model) for models in rows for model in models}

    def weights_of(self, chunk: Path) -> Path:
        """The file of what the models of a chunk learnt, which is there where that was kept."""
        return self.weights / chunk.name.replace("chunk-", "weights-")

    @staticmethod
    def _cost(chunk: Path) -> Path:
        return chunk.with_name(chunk.name.replace("chunk-", "cost-")).with_suffix(".json")

    def write(
        self,
        models: Int[np.ndarray, "model"],
        member: Bool[np.ndarray, "model record"],
        signals: Mapping[str, Float[np.ndarray, "model record query"]],
        variables: Variables | None = None,
        cost: Cost | None = None,
    ) -> None:
        """Keep a chunk, with its weights and what it cost where they are given.

        Raises:
            InputError: the disk is full, or the folder cannot be written to.
        """
        chunk = self.path / f"chunk-{_name(models)}.npz"
        if variables is not None:
            write_arrays(self.weights_of(chunk), leaves_by_path(variables))
        if cost is not None:
            write_json(self._cost(chunk), cost._asdict())
        write_arrays(chunk, {"models": models, "member": np.packbits(member, axis=1), **signals})

    def signal(
        self, name: str, models: int, ask: Callable[[Int[np.ndarray, "model"], Path], np.ndarray], version: str = ""
    ) -> Float[np.ndarray, "model record query *value"]:
        """A signal of the first models: from their chunks, from what was asked of them afterwards, or asked now and kept.

        Args:
            name: of the signal.
            models: how many, all of which are there.
            ask: (models of a chunk, the file of their weights) -> the signal of each.
            version: of the signal, so that what another of the same name told is not taken for it.

        Raises:
            InputError: the models of a chunk did not keep their weights, or a file is damaged.
        """
        records, parts = len(read_label(self.path)), {}
        extras = self._readable(name, models, version)
        for chunk, some in self.chunks().items():
            if chunk not in extras:
                continue
            extra = extras[chunk]
            if extra is None:
                parts[chunk] = some, read_signal(chunk, name, len(some), records)
                continue
            if not extra.exists():
                write_arrays(extra, {name: ask(some, self.weights_of(chunk))})
            parts[chunk] = some, read_signal(extra, name, len(some), records)
        stacked = None
        for some, values in parts.values():
            stacked = np.empty((models, *values.shape[1:]), values.dtype) if stacked is None else stacked
            stacked[some[some < models]] = values[some < models]
        assert stacked is not None
        return stacked

    def _readable(self, name: str, models: int, version: str) -> dict[Path, Path | None]:
        """The chunks of which a signal is there or can be asked for, and the file that has it or will; None where the chunk does.

        Raises:
            InputError: they lack one of the first models.
        """
        chunks, readable = self.chunks(), {}
        same = self.identity.get("own_signals", {}).get(name, version) == version
        mark = f"signal-{name}-{version[:8]}-" if version else f"signal-{name}-"
        for chunk in chunks:
            extra = chunk.with_name(chunk.name.replace("chunk-", mark))
            if same and holds_array(chunk, name):
                readable[chunk] = None
            elif extra.exists() or self.weights_of(chunk).exists():
                readable[chunk] = extra
        there = {int(model) for chunk in readable for model in chunks[chunk]}
        for some in chunks.values():
            if not there.issuperset(some[some < models].tolist()):
                raise FolderError(
                    f"the signal {name} was not observed and {self.path} keeps no weights of models {some[0]} to "
                    f"{some[-1]}: run it in a new folder with keep_weights."
                )
        return readable

    def costs(self) -> list[tuple[int, Cost]]:
        """What each chunk whose cost was kept cost, after its number of models.

        Raises:
            InputError: a chunk or a cost is damaged.
        """
        chunks = {self._cost(file): len(models) for file, models in self.chunks().items()}
        return [(models, read_cost(file)) for file, models in chunks.items() if file.exists()]

    def observations(self, models: int) -> Observations:
        """What the first models say. A signal is read from the disk when it is asked for.

        Raises:
            InputError: a model is missing, or a file is damaged.
        """
        chunks = self.chunks()
        missing = set(range(models)) - {int(model) for some in chunks.values() for model in some}
        if missing or models < 1:
            raise FolderError(
                f"{self.path} lacks {len(missing)} of {models} models (model {min(missing, default=0)} first): "
                "give the command that made it again, and it goes on."
            )
        label = read_label(self.path)
        member = np.zeros((models, len(label)), bool)
        for file, some in chunks.items():
            rows = read_member(file, len(some), len(label))
            within = some < models
            member[some[within]] = rows[within]
        names = self.identity["signals"]
        from jaxattack.types import Observations  # a list of runs makes none, and need not wait for JAX

        return Observations(
            signals=StoredSignals(chunks, models, len(label), tuple(names)),
            member=member,
            label=label,
            versions=self.identity.get("own_signals", {}),
        )


def _name(models: Int[np.ndarray, "model"]) -> str:
    """The same for the same models, and another for others."""
    span = f"{models[0]:06d}-{models[-1]:06d}"
    contiguous = np.array_equal(models, np.arange(models[0], models[0] + len(models)))
    return span if contiguous else f"{span}-{zlib.crc32(models.astype('<i8').tobytes()):08x}"


def _holds(file: Path, array: np.ndarray) -> bool:
    try:
        return np.array_equal(read_array(file), array)
    except InputError:
        return False


def _refuse_foreign(path: Path) -> None:
    """Refuse a folder with files and no run.

    Raises:
        InputError: it holds other files.
    """
    # Listed before run.json is looked for: another process may be starting the same run.
    others = [entry for entry in path.iterdir() if entry.suffix != ".partial"]
    if others and not (path / "run.json").exists():
        raise FolderError(f"{path} holds files that are no run: give an empty or a new folder.")
