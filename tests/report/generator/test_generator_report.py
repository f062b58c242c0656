"""The report on generators, of findings that an audit by samples alone makes: whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from report.readable import check_page, figures, printed

from jaxattack.attacks.membership.generators import GanLeaks, MonteCarlo, lookup
from jaxattack.audit.findings import values
from jaxattack.audit.generators import audit_generators, read_samples, score_generators
from jaxattack.cli import generator as command
from jaxattack.cli.generator import Generating, generator
from jaxattack.cli.output import Output
from jaxattack.data import load
from jaxattack.report import headline, measures, read, write
from jaxattack.training.generators import Prior
from jaxattack.types import InputError

RECORDS, FEATURES = 60, 6
ATTACKS = (GanLeaks(calibrated=False), MonteCarlo(), lookup("gan-leaks-white"))


def arrays(noise=0.01, targets=2):
    """Samples that are members, moved by so much noise."""
    random = np.random.default_rng(0)
    records, pool = random.uniform(size=(2, RECORDS, FEATURES))
    member = np.zeros((targets, RECORDS), bool)
    for target in range(targets):
        member[target, random.permutation(RECORDS)[: RECORDS // 2]] = True
    samples = np.stack([records[row] for row in member])
    samples += noise * random.normal(size=samples.shape)
    return {"samples": samples, "records": records, "member": member.astype(int), "pool": pool}


def save(folder, **changes):
    path = folder / "samples.npz"
    np.savez(path, **{name: array for name, array in (arrays() | changes).items() if array is not None})
    return path


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    evidence, member = read_samples(save(tmp_path_factory.mktemp("samples")))
    return score_generators(evidence, member, attacks=ATTACKS, set_size=5, name="a <generator>")


@pytest.fixture(scope="module")
def written(findings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("generator")
    return folder, {path.name for path in write(folder, findings)}


def test_what_samples_are_enough_for_is_found_and_the_rest_named(findings):
    assert findings.attacks[0].name == "gan-leaks-full"
    assert findings.attacks[0].auc == 1
    assert findings.attacks[0].precision.mean == 1
    assert findings.attacks[0].sets.accuracy == 1
    assert findings.notes == ("gan-leaks-white needs weights and there are samples alone: give the generators too.",)
    assert 0.5 < findings.generators.distance < 2
    assert values(findings)["generators"]["latent"] is None


def test_the_page_is_whole_and_the_findings_come_back(written, findings):
    folder, names = written
    assert figures(names) == {"auc", "roc"}
    assert read(folder) == values(findings)
    html = (folder / "report.html").read_text(encoding="utf-8")
    check_page(html, names=("gan-leaks-full", "monte-carlo", "a <generator>"))
    assert "a &lt;generator&gt;" in html
    rows = list(csv.DictReader(io.StringIO((folder / "attacks.csv").read_text())))
    assert [row["attack"] for row in rows] == [attack.name for attack in findings.attacks]
    assert float(rows[0]["auc"]) == 1
    assert float(rows[0]["set_accuracy"]) == 1


def test_the_terminal_and_the_headline_say_what_was_found(findings):
    plain = values(findings)
    assert "gan-leaks-full" in printed(plain)
    assert "gan-leaks-full tells the members of 2 generators with an AUC of 1.000" in headline(plain)
    assert "Strongest of 2 attacks" in headline(plain)
    assert measures(plain)["auc"] == 1
    for attack in plain["attacks"]:
        assert attack["auc_interval_corrected"][0] < attack["auc_interval"][0]  # two were run
    for attack in plain["attacks"]:
        attack["auc_interval_corrected"] = [0.4, 0.6]
    assert "No attack is above guessing" in headline(plain)
    plain["attacks"][0]["auc_interval_corrected"] = [0.6, 0.7]
    assert "Not above guessing by the interval of their AUC: monte-carlo." in headline(plain)


def test_the_command_attacks_a_file_of_samples_and_takes_nothing_that_has_no_use(tmp_path, capsys):
    path, folder = save(tmp_path), tmp_path / "report"
    generator(path, attacks=("gan-leaks-full",), output=Output(json=True, quiet=True), out=folder)
    assert json.loads(capsys.readouterr().out)["attacks"][0]["auc"] == 1
    assert (folder / "report.html").exists()
    with pytest.raises(InputError, match="kind is 'gan' and the samples come from a file"):
        generator(path, generating=Generating(kind="gan"))


def test_the_command_trains_what_its_words_say(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(command, "audit_generators", lambda **fields: calls.append(fields))
    monkeypatch.setattr(command, "publish", lambda *_, **__: None)
    words = Generating(kind="gan", latent=3, steps=7, targets=2, references=0, records=90)
    generator(data="iris", attacks=("monte-carlo?samples=10",), generating=words, output=Output(quiet=True), seed=4)
    (fields,) = calls
    assert fields["dataset"].name == "iris"
    assert (fields["prior"], fields["attacks"]) == (Prior(kind="gan", latent=3, steps=7), (MonteCarlo(samples=10),))
    assert [fields[name] for name in ("targets", "references", "records", "set_size", "seed")] == [2, 0, 90, 20, 4]


@pytest.mark.parametrize("fields", [{"targets": 10**9}, {"attacks": (GanLeaks(samples=10**9),)}])
def test_more_than_memory_holds_is_refused_before_anything_is_trained(fields):
    with pytest.raises(InputError, match="free: give fewer"):
        audit_generators(dataset=load("iris"), **fields)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pool": None}, "has no pool"),
        ({"member": np.full((2, RECORDS), 2)}, "something but 0 and 1"),
        ({"member": np.zeros((3, RECORDS), int)}, "there are 2 targets"),
        ({"samples": np.zeros((2, 5, FEATURES + 1))}, "samples has dtype"),
        ({"records": np.full((RECORDS, FEATURES), np.nan)}, "records holds NaN"),
        ({"pool": np.zeros((3, FEATURES))}, "pool has 3 rows"),
        ({"samples": np.zeros((2, 5, FEATURES), np.uint8)}, "on one scale"),
        ({"reference_samples": np.zeros((5, FEATURES))}, "reference_samples has dtype"),
    ],
)  # fmt: skip
def test_a_file_that_is_something_else_is_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        read_samples(save(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"member": np.ones((2, RECORDS), int)}, "member has dtype int64"),
        ({"member": np.zeros((2, RECORDS), bool)}, f"member has 0 of {RECORDS} records in target 0"),
        ({"member": np.zeros((3, RECORDS), bool)}, "there are 2 targets"),
        ({"set_size": 0}, "set_size is 0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_truth_or_a_number_that_judges_nothing_is_refused(tmp_path, changes, words):
    evidence, member = read_samples(save(tmp_path))
    with pytest.raises(InputError, match=words):
        score_generators(evidence, changes.pop("member", member), attacks=ATTACKS, **changes)


def test_one_generator_may_stand_without_its_axis(tmp_path):
    one = arrays(targets=1)
    path = save(tmp_path, samples=one["samples"][0], member=one["member"][0])
    evidence, member = read_samples(path)
    assert (evidence.targets.samples.shape, member.shape) == ((1, RECORDS // 2, FEATURES), (1, RECORDS))
    with pytest.raises(InputError, match="does not exist"):
        read_samples(tmp_path / "none.npz")
