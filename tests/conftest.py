"""Strict numerics for every test: no silent broadcasting, the same examples every time, several devices to share."""

from __future__ import annotations

import gc
import os

# Before NumPy is imported, and for commands too: a process of tests has a core of its own, and on small matrices BLAS's threads
# wait for one another with their cores busy, a quarter of what the tests of extraction took.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import jax
import numpy as np
import optax
import pytest
from compiled import compile_quickly, forget_programs, keep_programs, programs
from flax import nnx
from hypothesis import settings
from jax.sharding import Mesh
from promotion import TESTS, is_strict, leave_out, set_promotion, standard
from shapes import CHECKED, check_shapes

gc.disable()  # until everything is collected: eight thousand tests, none of which goes
compile_quickly()
keep_programs(programs())
os.environ["JAXATTACK_CACHE"] = (
    programs()
)  # of commands in processes of their own: nothing of a test stays with the user
# Four devices, so that results can be compared between one, two and four; before anything starts the backend.
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Before the package is imported, which builds transformations as it is.
leave_out(optax)
nnx.Linear.__call__ = standard(nnx.Linear.__call__)

# Arrays are what annotations say; before the package is imported.
check_shapes(*CHECKED)

settings.register_profile("same", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("same")


LONGEST = [
    TESTS / file
    for file in (
        "test_journeys.py",
        "test_leaky_victims.py",
        "training/learners/test_learners.py",
        "docs/test_pages.py",
        "attacks/extraction/relu/test_two_layer.py",
        "training/test_placement.py",
        "attacks/evasion/test_evasion_attacks.py",
        "test_settings.py",
        "test_machines.py",
        "training/test_view.py",
        "test_examples.py",
        "test_readme.py",
    )
]
"""Files that take longest, begun first: the last one that a process begins leaves the others without work."""


def pytest_configure(config):
    """Leave the order of files to `pytest_collection_modifyitems`: xdist's begins those of most tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Begin with the longest files."""
    items.sort(key=lambda item: item.path not in LONGEST)


def pytest_collection_finish():
    """Look for cycles again, among what comes from here on and seldom: what JAX traces makes very many small objects."""
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Run a test, its fixtures too, under the promotion of its directory."""
    set_promotion(strict=is_strict(item.path))
    try:
        return (yield)
    finally:
        set_promotion(strict=False)


@pytest.fixture(scope="module", autouse=True)
def _forget_programs():
    """Before a file's tests, not among them: some count what is compiled."""
    forget_programs()


@pytest.fixture
def on_devices(monkeypatch):
    """A function of a number: the engine spreads models over so many of the four devices."""
    from jaxattack.training import ensemble

    def use(count):
        mesh = Mesh(np.array(jax.local_devices()[:count]), ("model",))
        monkeypatch.setattr(ensemble, "device_mesh", lambda: mesh)

    return use
