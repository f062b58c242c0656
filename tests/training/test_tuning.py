from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.errors import JaxRuntimeError
from jax.sharding import Mesh

from jaxattack.data import Halves, load, random_labels
from jaxattack.models import build
from jaxattack.training import Engine, Placement, Queries, Recipe, Sweep, ensemble, program, train_ensemble, tuning
from jaxattack.training.learners import Standard
from jaxattack.training.program import Way, Work
from jaxattack.training.tuning import Timing, fastest, measure, shortened
from jaxattack.types import InputError

MESH = Mesh(np.array(jax.local_devices()[:1]), ("model",))
MODEL = build("mlp:4", (5,), 3)
RECIPE = Recipe(epochs=3, batch=10)
WORK = Work(MODEL, Standard(recipe=RECIPE), Queries(), ("phi", "correct"), 40, 3)
X = jax.ShapeDtypeStruct((10_000, 5), np.float32)


def timed_by(monkeypatch, step, answer=lambda way: 0.0, bytes_needed=lambda way: 1):
    tried = []

    def fake(work, mesh, way, x):
        tried.append(way)
        return Timing(way, step(way), answer(way), 0.0, bytes_needed(way))

    monkeypatch.setattr(tuning, "measure", fake)
    return tried


def chosen(share=100, room=10, given=Placement(), forms=("lax", "patches")):
    return fastest(WORK, MESH, X, share=share, room=room, placement=given, forms=forms)


def test_the_fastest_form_and_group_are_taken_and_climbing_stops_where_it_no_longer_pays(monkeypatch):
    cost = {("lax", 1): 8, ("lax", 4): 9, ("patches", 1): 10, ("patches", 4): 5, ("patches", 16): 4.9}
    tried = timed_by(monkeypatch, lambda way: cost[way.conv, way.group])
    assert chosen()[:2] == ("patches", 4)
    assert [way[:2] for way in tried if way.block == 1024] == list(cost)


def test_larger_blocks_are_taken_where_asking_is_faster_by_them(monkeypatch):
    timed_by(monkeypatch, lambda way: way.group, lambda way: 1 / min(way.block, 5000))
    assert chosen() == Way("lax", 1, 4096)


def test_the_whole_work_decides_and_not_the_training_alone(monkeypatch):
    timed_by(monkeypatch, lambda way: way.group, lambda way: {1: 1.0, 4: 0.1}.get(way.group, 1.0))
    assert chosen(forms=("lax",)).group == 4


def test_no_group_is_larger_than_the_share_and_none_that_is_given_is_changed(monkeypatch):
    tried = timed_by(monkeypatch, lambda way: 1 / way.group, lambda way: 1 / way.block)
    assert chosen(share=20).group == 16
    assert chosen(given=Placement(vmap=3, block=7)) == Way("lax", 3, 7)
    assert chosen(share=2, given=Placement(vmap=3, block=7)).group == 2
    assert {way.group for way in tried} == {1, 4, 16, 3, 2}


def test_a_way_that_finds_no_room_is_passed_over(monkeypatch):
    timed_by(monkeypatch, lambda way: 1 / way.group, bytes_needed=lambda way: way.group)
    assert chosen(room=5, forms=("lax",)).group == 4

    def failing(work, mesh, way, x):
        if way.group > 1:
            raise JaxRuntimeError("RESOURCE_EXHAUSTED")
        return Timing(way, 1.0, 0.0, 0.0, 1)

    monkeypatch.setattr(tuning, "measure", failing)
    assert chosen(forms=("lax",)).group == 1


def test_each_form_is_tried_and_no_further_way_is_begun_once_patience_is_over(monkeypatch):
    tried = timed_by(monkeypatch, lambda way: 1 / way.group)
    monkeypatch.setattr(tuning, "PATIENCE", -1.0)
    assert chosen() == Way("lax", 1, 1024)
    assert tried == [Way("lax", 1, 1024), Way("patches", 1, 1024), Way("lax", 1, 4096)]


@pytest.mark.parametrize("batch", [1, 10, 300])
@pytest.mark.parametrize("slots", [5, 40, 1000])
def test_shortened_work_takes_at_least_sixteen_steps_and_not_many_more(slots, batch):
    work = WORK._replace(slots=slots, learner=Standard(recipe=Recipe(epochs=99, batch=batch)))
    short = shortened(work, 100)
    assert short.slots <= 100
    assert 16 <= short.learner.steps(short.slots) <= 32
    assert min(batch, short.slots) == min(batch, slots, 100)


def test_a_way_is_measured_once():
    way = Way("lax", 2, 16)
    found = measure(WORK, MESH, way, X)
    assert found.way == way
    assert min(found[1:]) > 0
    assert measure(WORK, MESH, way, X) is found


def test_a_way_is_measured_again_in_another_precision():
    way = Way("lax", 2, 16)
    found = measure(WORK, MESH, way, X)
    with jax.default_matmul_precision("float32"):
        assert measure(WORK, MESH, way, X) is not found
    assert measure(WORK, MESH, way, X) is found


def test_ways_that_are_tried_take_no_place_of_programs_that_are_kept():
    kept, measured = program.compilations(), measure.cache_info().misses
    fastest(WORK._replace(slots=39), MESH, X, share=1, room=2**40, placement=Placement(), forms=("lax",))
    assert measure.cache_info().misses > measured
    assert program.compilations() == kept
    assert tuning._training.cache_info().currsize == 0


def test_an_engine_off_the_cpu_measures_and_says_what_it_took(monkeypatch):
    data, member = random_labels(records=30, features=5, classes=3), Halves()(4, 30, 0)
    sweep = Sweep(model=MODEL, recipe=RECIPE)
    plain = Engine(sweep, data, models=4, slots=15, placement=Placement(vmap=1)).run(range(4), member)
    monkeypatch.setattr(ensemble, "device_mesh", lambda: MESH)
    monkeypatch.setattr(ensemble, "on_cpu", lambda mesh: False)
    engine = Engine(sweep, data, models=4, slots=15)
    assert engine.placement.vmap in (1, 4)
    found = engine.run_all(range(4), member)
    phi = np.concatenate([chunk.signals["phi"] for chunk in found])
    np.testing.assert_allclose(phi, plain.signals["phi"], rtol=1e-4, atol=1e-5)
    known = measure.cache_info().misses
    again = Engine(sweep, data, models=4, slots=15, placement=engine.placement)
    assert again.placement == engine.placement
    assert measure.cache_info().misses == known


def test_forms_of_convolution_and_blocks_do_not_change_results():
    digits = load("digits").take(np.arange(0, 1797, 60))
    model, member = build("cnn:2", digits.shape, digits.classes), Halves()(2, len(digits), 0)
    phi = [
        train_ensemble(model, Recipe(epochs=1, batch=5), digits, member, placement=placement)[1].signal("phi")
        for placement in (Placement(conv="lax", block=7), Placement(conv="patches", vmap=2, block=30))
    ]
    np.testing.assert_allclose(*phi, rtol=1e-3, atol=1e-4)


def test_an_unknown_form_is_refused():
    with pytest.raises(InputError, match="conv is 'fft': give one of lax, patches, mixed"):
        Placement(conv="fft")
