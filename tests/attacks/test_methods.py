"""The catalogue is made from the classes, and every class says which paper it is of."""

from __future__ import annotations

import pytest

import jaxattack.attacks as attacks
from jaxattack.attacks.inversion import CollaborativeGan
from jaxattack.attacks.membership import REGISTRY, FewReferences, LiRA, generators, lookup
from jaxattack.attacks.methods import FAMILIES, catalogue
from jaxattack.training.learners import DPSGD, RelaxLoss, Standard
from jaxattack.types import SIGHTS, InputError

ALL = catalogue()
BY_NAME = {(method.family, method.name): method for method in ALL}


@pytest.mark.parametrize("method", ALL, ids=lambda method: f"{method.family}-{method.name}")
def test_every_method_says_its_paper(method):
    words = method.paper.removeprefix("this project").strip(", ")
    assert method.paper == "common practice" or not words or any(word[:4].isdigit() for word in words.split())


def test_what_is_registered_is_listed_once_in_its_order():
    assert [method.name for method in catalogue(["membership"])] == [*REGISTRY]
    assert len(BY_NAME) == len(ALL) == sum(len(registry) for parts in FAMILIES.values() for registry, _ in parts)
    assert tuple(dict.fromkeys(method.family for method in ALL)) == tuple(FAMILIES)


def test_a_row_says_what_its_attack_sees_asks_and_trains():
    # By hand: family, name, what it sees, queries a record, models.
    for family, name, *row in (
        ("membership", "gap", "label", 1, 0),
        ("membership", "lira-online", "probability", 1, 4),
        ("membership", "loss-classwise", "probability", 1, 1),
        ("membership", "merlin", "probability", 101, 0),
        ("membership", "morgan", "probability", 101, 1),
        ("membership", "bit-flips", "label", 101, 1),
        ("membership", "augmentation-translation", "label", 5, 0),
        ("membership", "yoqo", "label", 1, 6),
        ("membership", "oslo", "label", 5, 3),
        ("membership", "canary", "probability", 10, 10),
        ("membership", "gradient-norm", "weights", 1, 0),
        ("extraction", "lowd-meek", "label", None, 0),
        ("extraction", "softmax", "probability", None, 0),
        ("inversion", "mi-face", "weights", 0, 0),
        ("inversion", "boundary", "label", None, 0),
        ("inversion", "idlg", "weights", 0, 0),
        ("reconstruction", "csmia", "probability", None, 0),
        ("reconstruction", "property", "weights", 0, 200),
        ("evasion", "hopskipjump", "label", 1000, 0),
        ("evasion", "transfer-bim", "label", 2, 1),
        ("ownership", "rank-lira", "probability", 1, 19),
        ("ownership", "rank-label", "label", 1, 19),
        ("poisoning", "flip-influence", None, 0, 0),
        ("poisoning", "gradient-matching", None, 0, 4),
        ("signals", "taylor_t1", "logit", 1, None),
        ("generators", "gan-leaks-partial-calibrated", "latent", None, 1),
        ("generators", "logan-white", "weights", None, 0),
        ("defences", "round", None, None, None),
        ("learners", "dp-sgd", None, None, None),
    ):
        method = BY_NAME[family, name]
        assert [method.sees, method.queries, method.models] == row, name


def test_what_an_attack_sees_is_a_degree_of_sight_and_what_changes_a_model_sees_nothing():
    for method in ALL:
        assert (method.sees is None) == (method.family in ("defences", "learners", "poisoning"))
        assert method.sees in (generators.SIGHTS if method.family == "generators" else (None, *SIGHTS))


def test_a_form_has_the_paper_that_published_it():
    assert lookup("rmia-online-log").paper.startswith("Lassila")  # pyright: ignore[reportAttributeAccessIssue]
    assert FewReferences(attack=LiRA(online=True, variance="bayes"), pairs=1).paper.startswith("Brannvall")
    assert Standard(loss=RelaxLoss()).paper.startswith("Chen")
    assert Standard(loss=RelaxLoss(), gradient=DPSGD()).paper.count(";") == 1
    assert CollaborativeGan.paper


def test_attacks_that_differ_in_details_alone_are_one_family():
    # By hand: every registered attack is in one of these, and those of a row in the same.
    families = {
        "lira": "lira-online lira-offline lira-online-bayes lira-online-bayes-normal canary pmia-class",
        "rmia": "rmia-online rmia-offline-log",
        "threshold": "loss confidence entropy modified-entropy loss-classwise merlin morgan risk-score ml-leaks-3",
        "label-only": "gap boundary-distance noise-robustness augmentation-rotation augmentation-rotation-network bit-flips yoqo",
        "learned": "shokri ml-leaks-1 nsh rapid",
        "white-box": "nasr gradient-norm input-gradient-norm",
        "base": "base-1 base-4",
        **{name: name for name in ("attack-p", "attack-r", "calibration")},
    }
    assert {attack.family for attack in REGISTRY.values()} == {*families}
    for family, names in families.items():
        assert {REGISTRY[name].family for name in names.split()} == {family}
    assert FewReferences(attack=LiRA(online=True), pairs=1).family == "lira"


def test_an_unknown_family_is_refused_in_one_sentence():
    with pytest.raises(InputError, match="family is 'hypnosis': choose from membership, extraction"):
        attacks.catalogue(["hypnosis"])
