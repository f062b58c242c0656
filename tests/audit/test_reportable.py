"""What a person gets of findings and results: a short line, a table in a notebook, a folder, a frame; the same from both."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

import jaxattack as ja
from jaxattack import audit, providers
from jaxattack.audit import findings as families
from jaxattack.audit.comparison.compare import ComparisonResult
from jaxattack.audit.findings.reportable import Reportable
from jaxattack.audit.observation_scoring import score_records
from jaxattack.audit.target.run import TargetResult
from jaxattack.types import InputError

RESULTS = [getattr(audit, name) for name in audit.__all__ if name.endswith("Result")]


@pytest.fixture(scope="module")
def result():
    random = np.random.default_rng(0)
    member = np.tile(np.arange(40) % 2 == 0, (4, 1)) ^ (np.arange(4) % 2 == 0)[:, np.newaxis]
    phi = random.normal(size=(4, 40)) + member
    observations = ja.as_observations({"phi": phi, "member": member, "label": np.arange(40) % 2})
    return score_records(observations, (ja.attacks.Threshold(quantity="confidence"),), name="<b>mine</b>")


def reported():
    """Every class of findings that a report is made of."""
    for module in pkgutil.iter_modules(families.__path__, f"{families.__name__}."):
        for kind in vars(importlib.import_module(module.name)).values():
            if dataclasses.is_dataclass(kind) and {"kind", "format"} <= {
                field.name for field in dataclasses.fields(kind)
            }:
                yield kind


@pytest.mark.parametrize("kind", [*dict.fromkeys(reported()), *RESULTS, ComparisonResult, TargetResult])
def test_every_result_and_all_findings_of_a_report_show_themselves(kind):
    assert issubclass(kind, Reportable)
    assert kind.__repr__ is Reportable.__repr__


def test_findings_are_a_few_words_in_a_terminal(result):
    lines = repr(result).splitlines()
    assert lines[0] == "<MembershipResult: <b>mine</b> · 4 models"
    assert lines[1].startswith(" ")
    assert lines[1].endswith(".>")
    assert len(lines) == 2
    assert repr(result.findings) == repr(result).replace("Result", "Findings")
    assert len(repr(result.findings.attacks[0])) < 3000


def test_findings_that_lack_something_still_print():
    class Partial(Reportable):
        title = "half of it"

    assert repr(Partial()) == "<Partial: half of it>"


def test_a_notebook_shows_the_headline_and_the_table_and_nothing_of_a_name_as_code(result):
    text = result._repr_html_()
    assert text == result.findings._repr_html_()
    assert re.sub("<[^>]*>", "", text).count("confidence") >= 1
    tags = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.add(tag)
    parser.feed(text)
    assert tags <= {"p", "pre", "span"}
    assert ja.report.headline(result.findings).split()[0] in text


def test_what_is_saved_is_what_the_command_writes(result, tmp_path):
    written = {path.name for path in result.save(str(tmp_path / "all"))}
    assert {"report.html", "report.json", "attacks.csv", "records.csv", "scores.npz"} <= written
    assert {path.name for path in (tmp_path / "all").iterdir()} == written
    assert written - {path.name for path in result.findings.save(tmp_path / "findings")} == {
        "records.csv",
        "scores.npz",
    }
    assert ja.report.read(tmp_path / "all")["title"] == result.findings.title


def test_a_frame_has_a_row_an_attack(result, monkeypatch):
    pandas = pytest.importorskip("pandas", reason="the extra tables is not installed")
    frame = result.to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame["name"].tolist() == [attack.name for attack in result.findings.attacks]
    np.testing.assert_allclose(frame["auc"], [attack.auc for attack in result.findings.attacks])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="a frame needs pandas: pip install"):
        result.to_frame()


def test_the_package_says_what_makes_a_report():
    assert providers.provider("report") is ja.report
