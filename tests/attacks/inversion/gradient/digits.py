"""Digits, and untrained perceptrons whose gradients on them are sent."""

from __future__ import annotations

from functools import cache

import jax
import numpy as np
from sklearn.datasets import load_digits

import jaxattack as ja
from jaxattack.types import WhiteBox

X, Y = load_digits(return_X_y=True)
X = X.astype(np.float32) / 16


@cache
def victim(activation: str = "tanh", hidden: int = 32, images: bool = False) -> WhiteBox:
    """An untrained multilayer perceptron."""
    shape = (8, 8, 1) if images else (64,)
    model = ja.models.build(f"mlp:{hidden}", shape, 10, activation=activation)  # type: ignore[arg-type]
    return WhiteBox(model=model, variables=model.init(jax.random.key(0)), inputs=ja.Inputs.box(0, 1, shape), classes=10)


def private(users: int, records: int, images: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Digits of each user, ["user record feature"], and their labels."""
    shape = (8, 8, 1) if images else (64,)
    return X[: users * records].reshape(users, records, *shape), Y[: users * records].reshape(users, records)


def decibels(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return -10 * np.log10(((found - truth) ** 2).reshape(len(truth), -1).mean(axis=1))
