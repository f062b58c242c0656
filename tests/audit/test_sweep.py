from __future__ import annotations

import json
import tempfile

import numpy as np
import pytest
from flax import nnx

from jaxattack.attacks.membership import ATTACKS, lookup
from jaxattack.audit import MembershipAudit, membership, rescore, sweep
from jaxattack.audit.findings import values
from jaxattack.data import Exact, Poisson, Sized, load, random_labels
from jaxattack.models import Architecture, build
from jaxattack.store import RunFolder
from jaxattack.training import Placement, Recipe
from jaxattack.training.learners import Standard
from jaxattack.types import InputError

NAME = "synthetic:random-labels?records=40&features=5&classes=3"
DATA = load(NAME)
MODEL, LEARNER = Architecture(name="softmax"), Standard(recipe=Recipe(epochs=2, batch=5))
EVERY = tuple(ATTACKS.values())
PLACEMENT = Placement(chunk=4, vmap=1)
REPORT = {
    "format",
    "kind",
    "title",
    "attacks",
    "models",
    "calibration",
    "claim",
    "comparison",
    "vulnerable",
    "vulnerability",
    "cost",
    "notes",
    "config",
    "environment",
}
ENTRY = {
    *(
        "name",
        "family",
        "description",
        "summary",
        "paper",
        "settings",
        "auc",
        "balanced_accuracy",
        "advantage",
        "tpr",
        "auc_interval",
        "tpr_interval",
        "auc_freedom",
        "tpr_freedom",
        "tpr_interval_corrected",
        "auc_interval_corrected",
        "false_positives",
        "resolvable",
    ),
    *(
        "per_target",
        "per_record",
        "transferred",
        "ppv",
        "roc",
        "band",
        "histogram",
        "by_models",
        "by_queries",
        "seconds",
        "tied",
    ),
}
RATES = {"0.1", "0.01", "0.001", "0.0001", "0.00001"}
TIMES = ("seconds", "memory_bytes")


def run(folder, **changes):
    settings = {
        "model": MODEL,
        "dataset": DATA,
        "learner": LEARNER,
        "models": 8,
        "attacks": named("loss", "attack-r"),
        "placement": PLACEMENT,
    }
    return membership(folder, **settings | changes)


def named(*names):
    return tuple(map(lookup, names))


def plain(findings):
    """Findings in values, without what differs from run to run."""
    findings = values(findings)
    if isinstance(findings, dict):
        return {key: plain(value) for key, value in findings.items() if key not in TIMES}
    return [plain(value) for value in findings] if isinstance(findings, list) else findings


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "run"
    return folder, run(folder, attacks=EVERY)


def test_findings_are_json_with_the_documented_keys(finished):
    report = values(finished[1].findings)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(report) == REPORT
    assert {entry["name"] for entry in report["attacks"]} == set(ATTACKS)
    for entry in report["attacks"]:
        assert set(entry) - {"references", "records"} == ENTRY
        assert all(set(entry[name]) == RATES for name in ("tpr", "tpr_interval", "false_positives", "resolvable"))
        assert set(entry["roc"]) == {"false_positives", "true_positives", "negatives", "positives"}
        assert set(entry["histogram"]) == {"edges", "member", "non_member"}
        assert sum(entry["histogram"]["member"]) == entry["roc"]["positives"] == 8 * 20
        assert sum(entry["histogram"]["non_member"]) == entry["roc"]["negatives"] == 8 * 20
        assert [point["models"] for point in entry["by_models"]] in ([], [4, 8], [8])
    accuracies, sizes = {"train_accuracy", "test_accuracy"}, {"fewest_members", "most_members"}
    assert set(report["models"]) == {"count", "records", "scored", "classes", "members", *sizes} | accuracies
    assert report["models"]["members"] == 20
    assert set(report["cost"]["seconds"]) == {"compile", "train", "observe", "score", "total"}
    assert report["cost"]["gradient_steps"] == 8 * 2 * 4
    assert report["cost"]["queries"] == 8 * 40
    said = {"record", "label", "vulnerability", "beyond_chance", "detected", "falsely"}
    assert set(report["vulnerable"]["records"][0]) == said
    assert set(report["vulnerability"]) == {"edges", "count", "stability", "beyond_chance"}
    assert sum(report["vulnerability"]["count"]) == 40
    assert report["config"]["seed"] == 0
    assert finished[1].pictures == {}


def test_attacks_come_strongest_first(finished):
    assert finished[1].findings.claim.rate == "0.1"  # 160 non-members allow 16 false positives
    strength = [(entry.tpr["0.1"], entry.auc) for entry in finished[1].findings.attacks]
    assert strength == sorted(strength, reverse=True)


def test_a_finished_run_is_not_trained_again(finished, no_training):
    again = run(finished[0], attacks=EVERY)
    assert plain(again.findings) == plain(finished[1].findings)
    assert again.findings.cost.seconds.train == finished[1].findings.cost.seconds.train


def test_scoring_a_run_folder_gives_the_same_findings(finished, no_training):
    assert plain(rescore(finished[0]).findings) == plain(finished[1].findings)
    some = rescore(finished[0], named("gap")).findings
    assert [entry.name for entry in some.attacks] == ["gap"]


def test_the_first_models_of_a_run_are_a_smaller_run(finished, no_training, tmp_path):
    found = run(finished[0], models=4)
    assert found.findings.models.count == 4
    assert found.findings.cost.models == 4
    assert found.findings.cost.gradient_steps == 4 * 2 * 4


def test_more_models_extend_a_run_and_equal_one_made_at_once(finished, tmp_path):
    seen = []
    run(tmp_path / "run", models=4)
    grown = run(tmp_path / "run", models=8, attacks=EVERY, progress=lambda *now: seen.append(now))
    assert [now for now in seen if now[0] == "models"] == [("models", 4, 8), ("models", 8, 8)]
    assert ("attacks", len(ATTACKS), len(ATTACKS)) in seen
    np.testing.assert_array_equal(
        RunFolder.existing(tmp_path / "run").observations(8).signal("phi"),
        RunFolder.existing(finished[0]).observations(8).signal("phi"),
    )
    assert plain(grown.findings) == plain(finished[1].findings)


def test_a_run_that_was_stopped_goes_on_with_what_it_lacks(finished, tmp_path):
    folder = tmp_path / "run"
    run(folder)
    next(folder.glob("chunk-000004-*")).unlink()
    assert rescore(folder, named("loss")).findings.models.count == 4
    run(folder)
    np.testing.assert_array_equal(
        RunFolder.existing(folder).observations(8).signal("phi"),
        RunFolder.existing(finished[0]).observations(8).signal("phi"),
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"learner": Standard(recipe=Recipe(epochs=3, batch=5))}, "recipe.epochs is 2 there and 3 here"),
        ({"design": Poisson(rate=0.5)}, "design is 'halves' there and 'poisson:0.5' here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"model": Architecture(name="mlp:4")}, "victim.model is 'softmax' there and 'mlp:4' here"),
        ({"dataset": random_labels(records=40, features=5, classes=3, seed=1)}, "data.name is|data.sha256 is"),
    ],
    ids=["recipe", "design", "seed", "model", "records"],
)
def test_another_configuration_is_refused_by_the_field_that_differs(finished, no_training, changes, words):
    with pytest.raises(InputError, match=words):
        run(finished[0], **changes)


@pytest.mark.parametrize("design", [Exact(), Poisson(rate=0.6)])
def test_every_design_can_be_scored_by_attacks_that_need_both_sides(tmp_path, design):
    found = run(
        tmp_path / "run",
        models=24,
        design=design,
        attacks=named("loss", "lira-online"),
        placement=Placement(chunk=24, vmap=1),
    ).findings
    assert {entry.name for entry in found.attacks} == {"loss", "lira-online"}
    assert found.models.count == 24


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"records": 41}, "records is 41 and .* has 40"),
        ({"design": Sized(members=41)}, "asks for more members than the 40 records"),
        ({"model": Architecture(name="cnn:4")}, "needs images"),
        ({"model": lambda shape, classes: 1 / 0}, "ZeroDivisionError: division by zero"),
        ({"queries": 2}, "holds no images"),
        ({"learner": Standard(recipe=Recipe(flip=True))}, "holds no images"),
    ],
    ids=["records", "members", "model", "factory", "queries", "augmentation"],
)
def test_bad_input_is_refused_and_leaves_nothing(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("models", 3), ("seed", -1), ("queries", 3), ("attacks", ()), ("background", -1), ("records", 3)],
)
def test_an_audit_checks_itself(field, value):
    with pytest.raises(InputError, match=field) as caught:
        MembershipAudit(**{"model": MODEL, "dataset": DATA, field: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "word", "remedy"),
    [
        ("model", "mlp:64", r"as jaxattack\.models\.Architecture\(name='mlp:256'\)"),
        ("dataset", "digits", r"as jaxattack\.load\('digits'\)"),
        ("attacks", "loss", r"as \(jaxattack\.attacks\.LiRA\(online=True\),\)"),
        ("attacks", ("loss",), r"as \(jaxattack\.attacks\.LiRA\(online=True\),\)"),
        ("declare", "loss", r"as jaxattack\.attacks\.LiRA\(online=True\)"),
        ("learner", "dp-sgd", r"as jaxattack\.learners\.Standard\("),
        ("learner", Recipe(), r"as jaxattack\.learners\.Standard\("),
        ("defences", ("round:2",), r"as \(jaxattack\.defences\.Round\(decimals=2\),\)"),
        ("design", "halves", r"as jaxattack\.designs\.Halves\(\)"),
    ],
)
def test_a_word_where_an_object_is_due_is_refused_with_the_object_to_give(tmp_path, field, word, remedy):
    with pytest.raises(InputError, match=rf"^{field} is .*: give .*, {remedy}") as caught:
        run(tmp_path / "run", **{field: word})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_scoring_refuses_words_too(finished):
    for attacks, remedy in (("loss", r"give several, as \("), (("loss",), "give it as an object, as ")):
        with pytest.raises(InputError, match=remedy + r"jaxattack\.attacks\.LiRA"):
            rescore(finished[0], attacks)


def test_without_a_folder_the_findings_are_the_same_and_nothing_stays(finished, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert plain(run(None, attacks=EVERY).findings) == plain(finished[1].findings)
    assert not any(tmp_path.iterdir())


class Net(nnx.Module):
    def __init__(self, shape, classes, rngs):
        self.linear = nnx.Linear(shape[0], classes, rngs=rngs)

    def __call__(self, x):
        return self.linear(x)


def test_a_model_is_an_architecture_a_model_a_flax_class_or_a_factory(finished):
    softmax = build("softmax", DATA.shape, DATA.classes)
    expected = {entry.name: entry.auc for entry in finished[1].findings.attacks}
    sources = {
        "Model": softmax,
        f"{__name__}:Net": Net,
        f"{__name__}:test_a_model_is_an_architecture_a_model_a_flax_class_or_a_factory.<locals>.<lambda>": (
            lambda shape, classes: build("softmax", shape, classes)
        ),
    }
    for name, source in sources.items():
        findings = run(None, model=source).findings
        assert findings.config["victim"]["model"] == name
        assert len(findings.config["victim"]["code"]) == 64
        if source is not Net:  # which starts elsewhere
            assert all(entry.auc == expected[entry.name] for entry in findings.attacks)


def test_a_model_is_known_by_its_code_not_by_its_name(tmp_path, no_training):
    one, other = (lambda shape, classes, width=width: build(f"mlp:{width}", shape, classes) for width in (4, 5))
    sweep.planned(tmp_path / "run", MembershipAudit(model=one, dataset=DATA))
    sweep.planned(tmp_path / "run", MembershipAudit(model=build("mlp:4", DATA.shape, DATA.classes), dataset=DATA))
    with pytest.raises(InputError, match=r"victim\.code is"):
        sweep.planned(tmp_path / "run", MembershipAudit(model=other, dataset=DATA))


def test_a_folder_of_a_factory_of_an_older_version_is_gone_on_with(tmp_path, no_training):
    audit = MembershipAudit(model=Net, dataset=DATA)
    sweep.planned(tmp_path / "run", audit)
    file = tmp_path / "run" / "run.json"
    kept = json.loads(file.read_text())
    kept["victim"] |= {"activation": "relu", "dropout": 0.0, "model": "mine:Net"}
    file.write_text(json.dumps(kept))
    sweep.planned(tmp_path / "run", audit)


def test_a_folder_that_is_no_run_or_too_small_is_not_scored(tmp_path):
    with pytest.raises(InputError, match="give the folder of a run"):
        rescore(tmp_path)
    identity = {"data": {"name": "x", "records": 40}, "signals": ["phi"], "seed": 0, "victim": {"model": "softmax"}}
    RunFolder.open(tmp_path / "run", identity, DATA.y)
    with pytest.raises(InputError, match="holds 0 models: train at least 4"):
        rescore(tmp_path / "run")


def test_records_that_are_images_are_pictured_and_weights_kept(tmp_path):
    found = run(
        tmp_path / "run",
        dataset=load("digits"),
        records=40,
        learner=Standard(recipe=Recipe(epochs=2, flip=True)),
        models=4,
        queries=2,
        keep_weights=True,
    )
    assert [*found.pictures] == found.records.exposure.number.tolist() == [*range(40)]
    assert all((image.shape, image.dtype) == ((8, 8, 1), np.uint8) for image in found.pictures.values())
    assert found.findings.cost.queries == 4 * 40 * 2
    assert [file.name for file in tmp_path.glob("run/weights-*")] == ["weights-000000-000003.npz"]
    assert rescore(tmp_path / "run", named("loss")).pictures
