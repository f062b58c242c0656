"""A run on one, two and four devices: the same observations, and no device that works on padding for long."""

from __future__ import annotations

import types

import numpy as np
import pytest

from jaxattack.attacks.membership import lookup
from jaxattack.audit import membership
from jaxattack.data import random_labels
from jaxattack.models import Architecture, build
from jaxattack.store import RunFolder
from jaxattack.training import Engine, Placement, Recipe, Sweep, ensemble
from jaxattack.training.ensemble import _evened, _sixteenth

MODELS = 7
DATA = random_labels(records=40, features=5, classes=3)
SWEEP = Sweep(model=build("softmax", DATA.shape, DATA.classes), recipe=Recipe(epochs=2, batch=5))


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """What seven models say, trained on so many devices: it divides by no number of them, nor by the chunk."""

    def train(count):
        folder = tmp_path_factory.mktemp("devices") / str(count)
        membership(
            folder,
            model=Architecture(name="softmax"),
            dataset=DATA,
            learner=SWEEP.learner,
            models=MODELS,
            attacks=(lookup("loss"),),
            placement=Placement(chunk=3, vmap=1),
        )
        return RunFolder.existing(folder).observations(MODELS), len(list(folder.glob("chunk-*")))

    return train


def test_one_two_and_four_devices_observe_the_same(on_devices, observed):
    found = {}
    for devices in (1, 2, 4):
        on_devices(devices)
        found[devices], chunks = observed(devices)
        assert chunks > 1
    for devices in (2, 4):
        np.testing.assert_array_equal(found[devices].member, found[1].member)
        for name in found[1].signals:
            np.testing.assert_allclose(
                found[devices].signal(name), found[1].signal(name), rtol=1e-4, atol=1e-5, err_msg=f"{devices} devices"
            )


@pytest.mark.parametrize("most", [1, 2, 7, 16, 32, 33, 64])
@pytest.mark.parametrize("models", [1, 2, 3, 16, 31, 32, 33, 100])
def test_chunks_are_as_even_as_they_can_be(models, most):
    chunks = -(-models // most)
    assert _evened(models, most) == min(size for size in range(1, most + 1) if -(-models // size) == chunks)


@pytest.mark.parametrize("group", [1, 2, 3])
@pytest.mark.parametrize("models", [1, 2, 3, 16, 31, 32, 33, 100, 128, 500])
def test_about_a_sixteenth_leaves_as_few_places_as_it_can(models, group):
    size = _sixteenth(models, group)
    most = next(n for n in range(group, models + group, group) if 16 * n >= models)
    sizes = [n for n in range(group, most + 1, group) if 2 * n > most]
    assert size in sizes
    assert size * -(-models // size) == min(n * -(-models // n) for n in sizes)


@pytest.fixture
def uncompiled(monkeypatch):
    """An engine that compiles nothing: its chunks are looked at, not run."""

    def compiled(*_):
        return types.SimpleNamespace(bytes_per_device=0)

    monkeypatch.setattr(ensemble, "compiled", compiled)


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize(
    "placement", [Placement(chunk=32, vmap=1), Placement(chunk=32), Placement(), Placement(chunk=5)]
)
def test_spare_places_of_the_last_chunk_are_few(on_devices, uncompiled, devices, placement):
    on_devices(devices)
    for models in (1, 5, 31, 32, 33, 63, 65, 97, 256):
        engine = Engine(SWEEP, DATA, models=models, slots=20, placement=placement)
        chunks = -(-models // engine.chunk)
        asked = -(-(placement.chunk or engine.chunk) // devices) * devices
        assert chunks <= -(-models // asked), "no more chunks than were asked for"
        # Each chunk is rounded up to whole groups on every device; nothing else is spare.
        assert chunks * engine.chunk - models < chunks * devices * engine.group, (models, engine.chunk)


def test_thirty_three_models_do_not_cost_two_chunks_of_thirty_two(on_devices, uncompiled):
    on_devices(1)
    assert Engine(SWEEP, DATA, models=33, slots=20, placement=Placement(chunk=32, vmap=1)).chunk == 17
    on_devices(4)
    assert Engine(SWEEP, DATA, models=33, slots=20, placement=Placement(chunk=32, vmap=1)).chunk == 20
