"""Options for speed leave what a model learns as it is: with XLA optimising as it does for users, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from jax.sharding import Mesh

from jaxattack.data import Halves, load
from jaxattack.models import build
from jaxattack.training import Placement, Recipe, ensemble, train_ensemble

MODELS = 8
# XLA's library takes over sums from about 5,000 terms on: 8 x 64 answers of 10 classes are that many, 2 x 64 are not.
WAYS = {
    "mlp:64": {
        "as it is": (4, {"chunk": 8, "vmap": 2}),
        "one by one": (2, {"chunk": 2, "vmap": 1}),
        "all at once": (1, {"chunk": 8, "vmap": 8}),
        "blocks": (4, {"chunk": 8, "vmap": 2, "block": 90}),
    },
    "cnn:16": {"as it is": (2, {"chunk": 8, "vmap": 1}), "at once": (1, {"chunk": 8, "vmap": 8, "block": 90})},
}


def compare() -> dict[str, dict[str, tuple[float, float]]]:
    """By architecture and way, the largest differences from the first way: in phi, and in any weight."""
    digits = load("digits").take(np.arange(0, 1797, 5))
    member = Halves()(MODELS, len(digits), 0)
    differences = {}
    for architecture, ways in WAYS.items():
        model = build(architecture, digits.shape, digits.classes)
        results = {}
        for name, (devices, options) in ways.items():
            mesh = Mesh(np.array(jax.local_devices()[:devices]), ("model",))
            ensemble.device_mesh = lambda mesh=mesh: mesh
            models, answers = train_ensemble(model, Recipe(epochs=8), digits, member, placement=Placement(**options))
            leaves = jax.tree.leaves(models.variables.params)
            results[name] = answers.signal("phi"), np.concatenate([np.ravel(leaf) for leaf in leaves])
        first = next(iter(results.values()))
        differences[architecture] = {
            name: tuple(float(np.abs(a - b).max()) for a, b in zip(result, first, strict=True))
            for name, result in results.items()
        }
    return differences


@pytest.fixture(scope="module")
def differences():
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    environment |= {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "4"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("architecture", "way"), [(architecture, way) for architecture, ways in WAYS.items() for way in ways]
)
def test_answers_are_within_rounding(differences, architecture, way):
    assert differences[architecture][way][0] <= 1e-4


@pytest.mark.parametrize("way", WAYS["mlp:64"])
def test_dense_networks_are_the_same_bits(differences, way):
    phi, weights = differences["mlp:64"][way]
    assert weights == 0
    assert phi <= (1e-5 if "block" in WAYS["mlp:64"][way][1] else 0)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compare()))
