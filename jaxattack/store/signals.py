"""The signals of a run folder as a mapping that reads them from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from jaxattack.chunk import damaged_chunk, read_signal


class StoredSignals(Mapping[str, np.ndarray]):
    """The signals of a run folder, each read when it is asked for and kept no longer than its reader keeps it."""

    def __init__(self, chunks: Mapping[Path, np.ndarray], models: int, records: int, names: tuple[str, ...]):
        self._chunks, self._models, self._records, self._names = chunks, models, records, names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # a mapping's own would read the signal

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        stacked = None
        for file, some in self._chunks.items():
            values = read_signal(file, name, len(some), self._records)
            if stacked is None:
                stacked = np.empty((self._models, *values.shape[1:]), values.dtype)
            if values.shape[1:] != stacked.shape[1:]:
                raise damaged_chunk(file, f"{name} has shape {values.shape} and {stacked.shape} in other chunks")
            within = some < self._models
            stacked[some[within]] = values[within]
        assert stacked is not None
        return stacked
