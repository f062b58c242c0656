"""Each ingredient of an identity by itself: that one alone changes, what it is called changes, and nothing else does.

What folders do with identities is asked in `test_identity`.
"""

from __future__ import annotations

from dataclasses import fields, replace
from inspect import isfunction
from pathlib import Path

import numpy as np
import pytest

from jaxattack.attacks.evasion import BIM, FGSM
from jaxattack.attacks.extraction import Mlp, Softmax
from jaxattack.attacks.inversion import MiFace, Numeric
from jaxattack.attacks.membership import Threshold
from jaxattack.attacks.reconstruction import Convex, Update, lookup
from jaxattack.attacks.reconstruction.property import Above
from jaxattack.audit import MembershipAudit, Victim, evade, extract, invert, open_victim, reconstruct
from jaxattack.audit.extraction import ExtractionAudit
from jaxattack.audit.inversion import InversionAudit
from jaxattack.audit.plan import planned
from jaxattack.data import Exact, Poisson
from jaxattack.defences import Noise, Round
from jaxattack.models import Architecture
from jaxattack.training import Recipe
from jaxattack.training.learners import DPSGD, Distillation, RelaxLoss, Standard
from jaxattack.types import Dataset, InputError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (24, 4, 4, 1)).astype(np.uint8)
IMAGES = Dataset(x=PIXELS, y=np.arange(24) % 2, classes=2, name="images")
COLUMNS = RNG.normal(size=(24, 3)).astype(np.float32) * np.array([1, 1000, 1], np.float32)
TABLE = replace(IMAGES, x=COLUMNS, name="table")
RECIPE = Recipe(epochs=2, batch=4)
BASE = MembershipAudit(
    model=Architecture(name="mlp:4"),
    dataset=IMAGES,
    learner=Standard(recipe=RECIPE),
    models=4,
    attacks=(Threshold(quantity="loss"),),
)


def paths(value, place="") -> dict:
    """Every plain value of a nest of dictionaries by its path."""
    if not isinstance(value, dict):
        return {place: value}
    return {
        path: leaf for name, part in value.items() for path, leaf in paths(part, f"{place}.{name}"[not place :]).items()
    }


def changed(one: dict, other: dict) -> set[str]:
    before, after = paths(one), paths(other)
    absent = object()
    return {path for path in {*before, *after} if before.get(path, absent) != after.get(path, absent)}


def one_value_more(array, place=(0,)):
    moved = array.copy()
    moved[place] += 1
    return moved


def factory(scale):
    def doubled(shape, classes):
        model = Architecture(name="softmax").build(tuple(shape), classes)
        return model._replace(apply=lambda variables, x: scale * model.apply(variables, x))

    return doubled


def learning(**settings):
    return {"learner": Standard(recipe=RECIPE, **settings)}


def training(**settings):
    return {"learner": Standard(recipe=replace(RECIPE, **settings))}


OTHER_RECIPES = {
    "epochs": 3, "batch": 5, "optimizer": "sgd", "learning_rate": 1e-3, "momentum": 0.8, "schedule": "cosine",
    "warmup": 0.1, "weight_decay": 0.1, "label_smoothing": 0.1, "ema": 0.9, "flip": True, "crop": 1, "cutout": 2,
    "precision": "bfloat16",
}  # fmt: skip
OWN, SCALED = {"model": factory(1.0)}, {"dataset": TABLE, "model": Architecture(name="softmax")}
PRIVATE = {"gradient.clip": {"clip": 2.0}, "gradient.noise": {"noise": 0.5}, "gradient.microbatch": {"microbatch": 8}}
# What changes, of which run, and what is then another in its identity.
OF_A_SWEEP = {
    "a pixel": ({}, {"dataset": replace(IMAGES, x=one_value_more(PIXELS, (0, 0, 0, 0)))}, {"data.sha256"}),
    "a label": ({}, {"dataset": replace(IMAGES, y=1 - IMAGES.y)}, {"data.sha256"}),
    "records": ({"records": 20}, {"records": 18}, {"data.records", "data.sha256"}),
    "model": ({}, {"model": Architecture(name="mlp:5")}, {"victim.model"}),
    "activation": ({}, {"model": replace(BASE.model, activation="tanh")}, {"victim.activation"}),
    "dropout": ({}, {"model": replace(BASE.model, dropout=0.5)}, {"victim.dropout"}),
    "code": (OWN, {"model": factory(2.0)}, {"victim.code"}),
    "standardise": (SCALED, {"standardise": "none"}, {"standardised"}),
    **{f"recipe.{name}": ({}, training(**{name: other}), {f"recipe.{name}"}) for name, other in OTHER_RECIPES.items()},
    "loss": (learning(loss=RelaxLoss(alpha=0.5)), learning(loss=RelaxLoss(alpha=0.6)), {"learner.loss.alpha"}),
    **{
        f"learner.{name}": (learning(gradient=DPSGD()), learning(gradient=DPSGD(**other)), {f"learner.{name}"})
        for name, other in PRIVATE.items()
    },
    "another learner": (
        {"learner": Distillation(recipe=RECIPE, temperature=2.0)},
        {"learner": Distillation(recipe=RECIPE, temperature=3.0)},
        {"learner.temperature"},
    ),
    "design": ({}, {"design": Poisson(rate=0.4)}, {"design"}),
    "a design's value": ({"design": Poisson(rate=0.5)}, {"design": Poisson(rate=0.4)}, {"design"}),
    "models of a design that cannot grow": ({"design": Exact()}, {"models": 6}, {"design"}),
    "queries": ({}, {"queries": 2}, {"queries"}),
    "seed": ({}, {"seed": 1}, {"seed"}),
    "a defence": ({}, {"defences": (Round(decimals=3),)}, {"defences"}),
    "a defence's value": ({"defences": (Round(decimals=3),)}, {"defences": (Round(decimals=2),)}, {"defences"}),
    "the order of defences": (
        {"defences": (Noise(), Round())}, {"defences": (Round(), Noise())}, {"defences"},
    ),
    "background": ({"background": 2}, {"background": 4}, {"background"}),
    "no background": ({}, {"background": 4}, {"background"}),
    "reserve": ({"reserve": 0.2}, {"reserve": 0.4}, {"reserve", "data.sha256"}),
}  # fmt: skip
NO_PART = {
    "models": 6,
    "attacks": (Threshold(quantity="entropy"),),
    "declare": Threshold(quantity="loss"),
    "keep_weights": False,
}


@pytest.fixture
def identity(tmp_path, recwarn):
    """The identity of the folder of a run."""
    numbers = iter(range(10))
    return lambda audit: planned(tmp_path / str(next(numbers)), audit).folder.identity


def test_every_field_of_a_sweep_and_of_a_recipe_is_an_ingredient_or_is_none():
    told = {name for before, after, _ in OF_A_SWEEP.values() for name in {**before, **after}}
    assert told | NO_PART.keys() == {field.name for field in fields(MembershipAudit)}
    assert OTHER_RECIPES.keys() == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize("name", OF_A_SWEEP)
def test_an_ingredient_of_a_sweep_by_itself_makes_another_run(identity, name):
    before, after, places = OF_A_SWEEP[name]
    one = replace(BASE, **before)
    assert changed(identity(one), identity(replace(one, **after))) - {"signals"} == places


@pytest.mark.parametrize("name", NO_PART)
def test_what_decides_no_observation_leaves_the_run_the_same(identity, name):
    assert changed(identity(BASE), identity(replace(BASE, **{name: NO_PART[name]}))) == set()


@pytest.fixture(scope="module")
def network() -> Victim:
    """Its members are all records of a class and half of the others: nothing is left that an evaluation model could learn."""
    victim = open_victim("softmax", data="iris", fresh=True)
    return replace(victim, member=victim.member | (victim.dataset.y == 2))


OTHER_VICTIMS = {
    "content.weights": lambda victim: {"oracle": open_victim("softmax", data="iris", fresh=True, seed=1).oracle},
    "content.architecture": lambda victim: {"oracle": open_victim("mlp:2", data="iris", fresh=True).oracle},
    "data.sha256": lambda victim: {"dataset": replace(victim.dataset, x=one_value_more(victim.dataset.x, (0, 0)))},
    "data.records": lambda victim: {"dataset": victim.dataset.take(np.arange(149))},
    "data": lambda victim: {"dataset": None},
    "members.count": lambda victim: {"member": victim.member & (np.arange(150) > 9)},
    "members.sha256": lambda victim: {"member": victim.member[::-1]},
    "members": lambda victim: {"member": None},
    "pool": lambda victim: {"pool": one_value_more(victim.pool, (0, 0))},
}
WITH_IT = {
    "content.architecture": {"content.weights"},
    "data.records": {"data.sha256"},
    "data": {"data.records", "data.sha256"},
    "members.count": {"members.sha256"},
    "members": {"members.count", "members.sha256"},
}


@pytest.mark.parametrize("place", OTHER_VICTIMS)
def test_an_ingredient_of_a_victim_by_itself_makes_another_victim(network, place):
    other = replace(network, **OTHER_VICTIMS[place](network))
    assert changed(network.identity, other.identity) == {place} | WITH_IT.get(place, set())


def test_a_service_is_known_by_its_address_and_a_function_by_its_answers(network):
    oracle = network.oracle

    class Unknown:
        access, ledger = oracle.access, oracle.ledger

        def __call__(self, x, bias=None):
            return oracle(x)

    anyone = replace(network, oracle=Unknown(), twin=oracle)
    assert set(anyone.identity["content"]) == {"answers"}
    other = replace(anyone, twin=open_victim("softmax", data="iris", fresh=True, seed=1).oracle)
    assert changed(anyone.identity, other.identity) == {"content.answers"}
    services = [replace(anyone, url=f"http://127.0.0.1:{port}") for port in (1, 2)]
    assert changed(*(service.identity for service in services)) == {"content.url"}


EXTRACTING = {"attack": Softmax(), "trials": 20, "compare": 20}
INVERTING = {
    "attack": MiFace(restarts=1, steps=2), "targets": (0,), "evaluation": Architecture(name="softmax"),
}  # fmt: skip
EVADING = {"attack": BIM(steps=2), "records": 4}
RECONSTRUCTING = {"attack": Convex(), "targets": 4}
RUNS = {
    "extraction": (extract, EXTRACTING),
    "inversion": (invert, INVERTING),
    "evasion": (evade, EVADING),
    "reconstruction": (reconstruct, RECONSTRUCTING),
}


@pytest.fixture(scope="module")
def minimum() -> Victim:
    return open_victim("newton", data="iris")


@pytest.fixture(scope="module")
def run(tmp_path_factory, network, minimum):
    """A run of each family in its folder; called again there with something else."""
    folders: dict[str, Path] = {}

    def call(family, change):
        audit, how = RUNS[family]
        victim = minimum if family == "reconstruction" else network
        if family not in folders:
            folders[family] = tmp_path_factory.mktemp(family)
            audit(victim, **how, out=folders[family])
        options = how | {name: part(victim) if isfunction(part) else part for name, part in change.items()}
        return audit(options.pop("victim", victim), **options, out=folders[family])

    return call


def behind(*defences):
    return {"victim": lambda victim: victim.behind(defences)}


def other_members(victim):
    return replace(victim, member=~victim.member)


ELSEWHERE = {"victim": other_members}
# Of which audit, what changes, and what the refusal names.
OF_A_FOLDER = {
    "extraction, method": ("extraction", {"attack": Softmax(queries=40)}, "method"),
    "extraction, seed": ("extraction", {"seed": 1}, "seed"),
    "extraction, trials": ("extraction", {"trials": 21}, "trials"),
    "extraction, defences": ("extraction", behind(Round(decimals=3)), r"access\.decimals .*defences"),
    "extraction, victim": ("extraction", ELSEWHERE, r"members\.sha256"),
    "inversion, method": ("inversion", {"attack": MiFace(restarts=1, steps=3)}, "method"),
    "inversion, targets": ("inversion", {"targets": (1,)}, "targets"),
    "inversion, extract": ("inversion", {"extract": Softmax()}, "extract"),
    "inversion, seed": ("inversion", {"seed": 1}, "seed"),
    "inversion, users": ("inversion", {"users": 7}, "users"),
    "inversion, batch": ("inversion", {"batch": 2}, "batch"),
    "inversion, trained": ("inversion", {"trained": True}, "trained"),
    "inversion, defences": (
        "inversion",
        behind(Round(decimals=3)) | {"attack": Numeric()},
        r"access\.decimals .*defences",
    ),
    "inversion, victim": ("inversion", ELSEWHERE, r"members\.sha256"),
    "evasion, method": ("evasion", {"attack": BIM(steps=3)}, "method"),
    "evasion, extract": ("evasion", {"attack": FGSM(), "extract": Mlp(hidden=2)}, "extract"),
    "evasion, seed": ("evasion", {"seed": 1}, "seed"),
    "evasion, records": ("evasion", {"records": 5}, "changes"),
    "evasion, values": (
        "evasion",
        {"x": lambda victim: one_value_more(victim.x, (0, 0))[:4] - 0.5, "y": lambda victim: victim.y[:4]},
        "changes",
    ),
    "evasion, surrogate": ("evasion", {"attack": FGSM(), "surrogate": lambda victim: victim.inside}, "surrogate"),
    "evasion, defences": ("evasion", behind(Round(decimals=3)), r"access\.decimals .*defences"),
    "evasion, victim": ("evasion", ELSEWHERE, r"members\.sha256"),
    "reconstruction, attack": ("reconstruction", {"attack": lookup("convex?tolerance=1e-7")}, "attack"),
    "reconstruction, targets": ("reconstruction", {"targets": 5}, r"question\.targets"),
    "reconstruction, property": ("reconstruction", {"has": Above(column=1)}, r"question\.has"),
    "reconstruction, recipe": ("reconstruction", {"recipe": Recipe(epochs=2)}, r"question\.recipe\.epochs"),
    "reconstruction, update": ("reconstruction", {"update": Update(steps=2)}, r"question\.update\.steps"),
    "reconstruction, seed": ("reconstruction", {"seed": 1}, "seed"),
    "reconstruction, victim": ("reconstruction", ELSEWHERE, r"members\.sha256"),
}


def test_every_field_of_what_is_tried_is_an_ingredient_or_only_judges_or_ends_it():
    tried = {"extraction": ExtractionAudit, "inversion": InversionAudit}
    no_part = {"extraction": {"budget", "compare", "watch"}, "inversion": {"budget", "evaluation"}}
    for family, audit in tried.items():
        told = {name for of, change, _ in OF_A_FOLDER.values() if of == family for name in change}
        assert {field.name for field in fields(audit)} == (told - {"victim"}) | no_part[family]


@pytest.mark.parametrize("name", OF_A_FOLDER)
def test_a_folder_refuses_what_differs_in_one_ingredient_and_names_it(run, name):
    family, change, place = OF_A_FOLDER[name]
    with pytest.raises(
        InputError, match=rf"keeps the answers of another {family} \((.*; )?{place}.* was .* and is now"
    ):
        run(family, change)
