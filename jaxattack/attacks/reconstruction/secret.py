"""The attribute of a record that an attacker is after.

An attacker who knows all else of a record tries every value that the attribute can take. In a table one attribute may
lie in one column (a category's code, a number) or in several (one-hot).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from jaxattack.types import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Secret:
    """An attribute: where it lies in a record, and the values it can take.

    Attributes:
        columns: where.
        values: what these columns hold for each value.
        prior: how likely each value is in the population, P(v).

    Raises:
        InputError: fewer than two values, shapes that disagree, or a prior that is no distribution.
    """

    columns: tuple[int, ...]
    values: Float[np.ndarray, "value column"]
    prior: Float[np.ndarray, "value"]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.columns):
            raise InputError(
                f"values has shape {self.values.shape} and the secret lies in {len(self.columns)} columns: "
                "give a row for each value, an entry for each column."
            )
        if len(self.values) < 2:
            raise InputError(f"the secret has {len(self.values)} values: an attribute to guess takes at least 2.")
        if self.prior.shape != (len(self.values),):
            raise InputError(
                f"prior has shape {self.prior.shape}: give one share for each of {len(self.values)} values."
            )
        if not ((self.prior >= 0).all() and abs(self.prior.sum() - 1) < 1e-6):
            raise InputError(f"prior is {self.prior.tolist()}: give shares of 0 or more that sum to 1.")
        if len(set(self.columns)) != len(self.columns) or min(self.columns, default=-1) < 0:
            raise InputError(f"columns is {self.columns}: give different columns, counted from 0.")

    @classmethod
    def category(cls, column: int, prior: Float[np.ndarray, "value"]) -> Secret:
        """One column that holds the code 0, 1, ... of a category."""
        return cls(columns=(column,), values=np.arange(len(prior), dtype=float)[:, np.newaxis], prior=prior)

    @classmethod
    def one_hot(cls, columns: tuple[int, ...], prior: Float[np.ndarray, "value"]) -> Secret:
        """One column for each value, 1 where the record has it."""
        return cls(columns=columns, values=np.eye(len(prior)), prior=prior)

    def candidates(self, x: Float[np.ndarray, "record feature"]) -> Float[np.ndarray, "record value feature"]:
        """Each record with each value in the secret's place; what stood there is not read.

        Raises:
            InputError: records that lack the secret's columns.
        """
        if x.ndim != 2 or max(self.columns) >= x.shape[1]:
            raise InputError(
                f"records have shape {x.shape} and the secret lies in columns {self.columns}: mend either."
            )
        candidates = np.repeat(np.asarray(x, np.float64)[:, np.newaxis], len(self.values), axis=1)
        candidates[:, :, list(self.columns)] = self.values
        return candidates

    def truth(self, x: Float[np.ndarray, "record feature"]) -> Int[np.ndarray, "record"]:
        """The value that each record has, to judge an attack by.

        Raises:
            InputError: a record that holds none of the values.
        """
        holds = (x[:, np.newaxis, list(self.columns)] == self.values).all(axis=2)
        if not holds.any(axis=1).all():
            record = int(np.flatnonzero(~holds.any(axis=1))[0])
            raise InputError(f"record {record} holds none of the secret's {len(self.values)} values: give all values.")
        return holds.argmax(axis=1)
