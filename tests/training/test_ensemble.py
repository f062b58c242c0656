from __future__ import annotations

import time
from dataclasses import replace

import jax
import numpy as np
import pytest

from jaxattack.data import Halves, Poisson, load, random_labels
from jaxattack.models import build
from jaxattack.training import (
    Engine,
    Placement,
    Queries,
    Recipe,
    Sweep,
    ensemble,
    observe_one,
    train_ensemble,
    train_one,
)
from jaxattack.training.single import memberships
from jaxattack.types import InputError

DATA = random_labels(records=30, features=5, classes=3)
MODEL = build("mlp:4", (5,), 3)
RECIPE = Recipe(epochs=2, batch=4)
SWEEP = Sweep(model=MODEL, recipe=RECIPE, signals=("entropy",), seed=3)
MEMBER = Halves()(6, 30, 3)
ONE_BY_ONE = Placement(chunk=4, vmap=1)


def trained(member=MEMBER, seed=3, placement=ONE_BY_ONE, recipe=RECIPE):
    return train_ensemble(MODEL, recipe, DATA, member, seed=seed, signals=("entropy",), placement=placement)


@pytest.fixture(scope="module")
def plain():
    return trained()


def assert_close(found, expected, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=atol), found, expected)


def first(models, result):
    trained, observed = result
    return jax.tree.map(lambda leaf: leaf[:models], trained.variables), {
        name: observed.signal(name)[:models] for name in observed.signals
    }


def test_there_are_several_devices_to_share():
    assert len(jax.local_devices()) == 4
    assert ensemble.device_mesh().size == 4


def test_a_result_has_an_axis_for_models_records_and_queries(plain):
    found, observed = plain
    assert {leaf.shape[0] for leaf in jax.tree.leaves(found.variables)} == {6}
    np.testing.assert_array_equal(found.member, MEMBER)
    np.testing.assert_array_equal(observed.label, DATA.y)
    assert set(observed.signals) == {"phi", "correct", "entropy"}
    assert {observed.signal(name).shape for name in observed.signals} == {(6, 30, 1)}


@pytest.mark.parametrize(("devices", "chunk", "vmap"), [(1, 6, 3), (2, 4, 2)])
def test_devices_chunks_and_groups_do_not_change_results(on_devices, plain, devices, chunk, vmap):
    on_devices(devices)
    found = trained(placement=Placement(chunk=chunk, vmap=vmap))
    assert_close(first(6, found), first(6, plain))


def test_a_model_does_not_depend_on_how_many_others_there_are(plain):
    for models in (1, 3):
        assert_close(first(models, trained(MEMBER[:models])), first(models, plain), atol=0)


def test_models_can_be_trained_in_any_order_and_one_by_one(plain):
    engine = Engine(SWEEP, DATA, models=6, slots=15, placement=ONE_BY_ONE)
    chunk = engine.run([4, 1], MEMBER[[4, 1]])
    np.testing.assert_array_equal(chunk.models, [4, 1])
    found, observed = plain
    assert_close(chunk.variables, jax.tree.map(lambda leaf: leaf[np.array([4, 1])], found.variables), atol=0)
    np.testing.assert_array_equal(chunk.signals["phi"], observed.signal("phi")[[4, 1]])
    assert chunk.train_seconds > 0
    assert chunk.observe_seconds > 0


def test_the_next_chunk_is_on_its_way_while_one_is_handed_out(plain):
    engine = Engine(SWEEP, DATA, models=6, slots=15, placement=Placement(chunk=2, vmap=1))
    begun, program = [], engine.program
    engine.program = program._replace(train=lambda *given: begun.append(len(begun)) or program.train(*given))
    wall, chunks = time.perf_counter(), []
    for number, chunk in enumerate(engine.run_all(range(6), MEMBER)):
        assert len(begun) == min(number + 2, len(range(0, 6, engine.chunk)))
        chunks.append(chunk)
    wall = time.perf_counter() - wall
    assert 0 < sum(chunk.train_seconds + chunk.observe_seconds for chunk in chunks) <= wall
    found = np.concatenate([chunk.signals["phi"] for chunk in chunks])
    np.testing.assert_allclose(found, plain[1].signal("phi"), rtol=1e-4, atol=1e-4)
    assert list(engine.run_all([], MEMBER)) == []


def test_the_seed_decides(plain):
    assert_close(first(6, trained()), first(6, plain), atol=0)
    other = trained(seed=4)
    assert not np.allclose(other[1].signal("phi"), plain[1].signal("phi"), atol=1e-3)


def test_models_differ_from_one_another(plain):
    # The same members with another number are another model.
    found = trained(np.repeat(MEMBER[:1], 4, axis=0))[1].signal("phi")[..., 0]
    assert len(np.unique(found[:, 0])) == 4


def test_one_victim_equals_the_first_model_of_a_sweep(plain):
    seen = []
    variables = train_one(MODEL, RECIPE, DATA, MEMBER[0], seed=3, progress=lambda *now: seen.append(now))
    assert seen == [("epochs", 1, 2), ("epochs", 2, 2)]
    found, observed = plain
    assert_close(variables, jax.tree.map(lambda leaf: leaf[0], found.variables))
    answers = observe_one(MODEL, DATA, variables, ("entropy",))
    assert set(answers) == {"phi", "correct", "entropy"}
    for name, value in answers.items():
        np.testing.assert_allclose(value, observed.signal(name)[0], rtol=1e-4, atol=1e-5)


def counted(model):
    traces = {"forward": 0, "apply": 0, "init": 0}

    def count(name, function):
        def counting(*arguments):
            traces[name] += 1
            return function(*arguments)

        return counting

    return model._replace(**{name: count(name, getattr(model, name)) for name in traces}), traces


def test_nothing_is_traced_again_between_chunks_or_by_a_second_engine():
    model, traces = counted(MODEL)
    sweep = replace(SWEEP, model=model)
    engine = Engine(sweep, DATA, models=6, slots=15, placement=ONE_BY_ONE)
    assert engine.compile_seconds > 0
    before = dict(traces)
    for chunk in engine.run_all(range(6), MEMBER):
        assert np.isfinite(chunk.signals["phi"]).all()
    again = Engine(replace(sweep), DATA, models=6, slots=15, placement=ONE_BY_ONE)
    again.run([5], MEMBER[5:])
    assert traces == before
    assert again.compile_seconds == 0


def test_another_seed_finds_the_program_again():
    Engine(SWEEP, DATA, models=6, slots=15, placement=ONE_BY_ONE)
    assert Engine(replace(SWEEP, seed=99), DATA, models=6, slots=15, placement=ONE_BY_ONE).compile_seconds == 0


def test_programs_of_other_sweeps_cost_nothing_to_compile_again():
    other = replace(RECIPE, label_smoothing=0.25)
    for recipe, signals in ((RECIPE, ("hinge",)), (other, ("loss",))):
        Engine(replace(SWEEP, recipe=recipe, signals=signals), DATA, models=6, slots=15, placement=ONE_BY_ONE)
    both = replace(SWEEP, recipe=other, signals=("hinge",))
    assert Engine(both, DATA, models=6, slots=15, placement=ONE_BY_ONE).compile_seconds == 0


def test_a_program_of_another_precision_is_not_taken_for_one_of_this():
    Engine(SWEEP, DATA, models=6, slots=15, placement=ONE_BY_ONE)
    with jax.default_matmul_precision("float32"):
        assert Engine(SWEEP, DATA, models=6, slots=15, placement=ONE_BY_ONE).compile_seconds > 0


def test_a_victim_is_traced_once_however_many_epochs_it_takes():
    model, traces = counted(MODEL)
    train_one(model, replace(RECIPE, epochs=1), DATA, MEMBER[0])
    once = traces["forward"]
    train_one(model, replace(RECIPE, epochs=5), DATA, MEMBER[0])
    assert traces["forward"] == 2 * once


def test_groups_are_halved_until_the_program_fits(on_devices, monkeypatch):
    on_devices(1)
    monkeypatch.setattr(ensemble, "free_bytes", lambda mesh: 1)
    engine = Engine(SWEEP, DATA, models=6, slots=15)
    assert (engine.group, engine.chunk) == (1, 1)
    need = engine.bytes_per_device
    monkeypatch.setattr(ensemble, "free_bytes", lambda mesh: 10**12)
    roomy = Engine(SWEEP, DATA, models=6, slots=15)
    assert roomy.group == 2
    assert roomy.bytes_per_device > need > 0


def test_the_chunk_asked_for_is_rounded_up_to_fill_the_devices_and_no_further(on_devices):
    on_devices(1)
    assert Engine(SWEEP, DATA, models=6, slots=15, placement=Placement(chunk=1)).chunk == 1
    on_devices(4)
    assert Engine(SWEEP, DATA, models=16, slots=15, placement=Placement(chunk=3)).chunk == 4


@pytest.mark.parametrize("field", ["chunk", "vmap", "block"])
def test_a_placement_of_nothing_is_refused(field):
    with pytest.raises(InputError, match=f"{field} is 0: give 1 or more"):
        Placement(**{field: 0})


def test_models_of_different_sizes_are_padded_with_their_own_members():
    member = Poisson(rate=0.4)(5, 30, 1)
    counts = member.sum(axis=1)
    assert len(set(counts)) > 1
    slots = memberships(member, 25)
    for model in range(5):
        own = np.flatnonzero(member[model])
        np.testing.assert_array_equal(slots.index[model, : counts[model]], own)
        assert set(slots.index[model]) == set(own)
        np.testing.assert_array_equal(slots.weight[model], np.arange(25) < counts[model])


def test_models_of_different_sizes_train_together():
    member = MEMBER.copy()
    member[1, np.flatnonzero(member[1])[:6]] = False
    _, observed = trained(member)
    assert np.isfinite(observed.signal("phi")).all()
    equal = trained()[1].signal("phi")
    np.testing.assert_allclose(observed.signal("phi")[[0, 2, 3]], equal[[0, 2, 3]], rtol=1e-4, atol=1e-5)
    assert not np.allclose(observed.signal("phi")[1], equal[1], atol=1e-4)


@pytest.mark.parametrize("row", [np.zeros(30, bool), np.ones(30, bool)])
def test_a_model_without_members_or_with_too_many_is_refused(row):
    with pytest.raises(InputError, match="give each at least 1 and at most 15"):
        memberships(np.stack([MEMBER[0], row]), 15)


@pytest.mark.parametrize("recipe", [Recipe(flip=True), Recipe(crop=1), Recipe(cutout=1)])
def test_tables_are_not_augmented(recipe):
    with pytest.raises(InputError, match="holds no images"):
        Engine(replace(SWEEP, recipe=recipe), DATA, models=6, slots=15)
    with pytest.raises(InputError, match="holds no images"):
        train_one(MODEL, recipe, DATA, MEMBER[0])


def test_tables_have_no_views():
    with pytest.raises(InputError, match="holds no images"):
        Engine(replace(SWEEP, queries=Queries.counting(2)), DATA, models=6, slots=15)
    with pytest.raises(InputError, match="holds no images"):
        observe_one(MODEL, DATA, MODEL.init(jax.random.key(0)), queries=Queries.counting(2))


def test_an_unknown_signal_is_refused_before_anything_is_compiled():
    with pytest.raises(InputError, match="signal is 'margin'"):
        Sweep(model=MODEL, recipe=RECIPE, signals=("margin",))


def test_images_are_observed_from_every_view():
    digits = load("digits").take(np.arange(0, 1797, 100))
    member = Halves()(2, len(digits), 0)
    model = build("softmax", digits.shape, digits.classes)
    _, observed = train_ensemble(model, RECIPE, digits, member, queries=Queries.counting(18), placement=ONE_BY_ONE)
    phi = observed.signal("phi")
    assert phi.shape == (2, len(digits), 18)
    assert observed.signal("correct").shape == (2, len(digits), 1)
    # A view beyond the first is another picture, and the two mirrored halves of the views differ.
    assert (np.ptp(phi, axis=2) > 0).all()
