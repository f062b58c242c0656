"""Strict numerics for every test: no silent broadcasting, the same examples every time, several devices to share."""

from __future__ import annotations

import os

import jax
import optax
import pytest
from compiled import compile_quickly, forget_programs, keep_programs, programs
from flax import nnx
from hypothesis import settings
from promotion import is_strict, leave_out, set_promotion, standard
from shapes import CHECKED, check_shapes

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
