"""What the benchmarks of gradient inversion attack, and how close they come: networks, pictures, PSNR."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sklearn.datasets import load_sample_images

import jaxattack as ja
from jaxattack.audit.environment import device
from jaxattack.types import WhiteBox

SHAPE, CLASSES, TV, RATE = (32, 32, 3), 10, 1e-3, 0.1


def victim(name: str) -> WhiteBox:
    """An untrained network that takes pictures from 0 to 1."""
    model = (
        ja.models.build("lenet:12", SHAPE, CLASSES)
        if name == "lenet"
        else ja.models.build("mlp:128", SHAPE, CLASSES, activation="tanh")
    )
    variables = model.init(jax.random.key(0))
    return WhiteBox(model=model, variables=variables, inputs=ja.Inputs.box(0, 1, SHAPE), classes=CLASSES)


def pictures(data: Path | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Float pictures from 0 to 1, and labels."""
    if data:
        with np.load(data) as file:
            return file["x"][:count].astype(np.float32) / 255, file["y"][:count].astype(int)
    rng = np.random.default_rng(0)
    photographs = [image[::4, ::4] for image in load_sample_images().images]
    corners = [(rng.integers(image.shape[0] - 32), rng.integers(image.shape[1] - 32)) for image in photographs * count]
    cut = [image[i : i + 32, j : j + 32] for image, (i, j) in zip(photographs * count, corners, strict=True)][:count]
    return np.stack(cut).astype(np.float32) / 255, rng.integers(CLASSES, size=count)


def psnr(found: np.ndarray, truth: np.ndarray) -> float:
    """Decibels, the mean over pictures that run from 0 to 1."""
    return float(np.mean(-10 * np.log10(((found - truth) ** 2).reshape(len(truth), -1).mean(axis=1))))


def spread(values: np.ndarray) -> dict[str, Any]:
    """Decibels: each, their mean, and the standard error of the mean."""
    error = float(values.std(ddof=1) / np.sqrt(len(values)))
    return {"psnr": values.round(2).tolist(), "mean": float(values.mean()), "error": error}


def environment() -> dict[str, Any]:
    """The device and the versions."""
    found: dict[str, Any] = {"device": device()}
    for package in ("jax", "flax", "optax", "numpy", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def write(out: Path | None, figures: dict[str, Any]) -> None:
    """Put figures into the file, which keeps those of the other command."""
    if out:
        before = json.loads(out.read_text()) if out.exists() else {}
        out.write_text(json.dumps({**before, **figures}, indent=1) + "\n")
