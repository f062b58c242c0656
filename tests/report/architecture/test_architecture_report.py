"""An inference of architecture's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import copy
import csv
import io

import numpy as np
import pytest
from report.readable import check_whole, figures, printed

from jaxattack.report import headline, measures, read, write


def _row(attribute, accuracy, chance):
    return {
        "attribute": attribute,
        "accuracy": accuracy,
        "interval": [accuracy - 0.1, accuracy + 0.1],
        "chance": chance,
    }


def _attribute(name, posterior, guess, truth):
    return {"name": name, "values": [*posterior], "posterior": [*posterior.values()], "guess": guess, "truth": truth}


def findings():
    return {
        "format": 1, "kind": "architecture", "title": "a <network> · kennen-i",
        "victim": {
            "name": "a <network>", "level": "label", "classes": 10, "features": 64, "top": 0, "decimals": None,
            "precision": "float64", "transport": "in this process",
        },
        "attack": {
            "name": "kennen-i", "paper": "Oh et al. 2018", "settings": {"steps": 400}, "questions": 9, "complete": True,
            "reason": "", "notes": {},
        },
        "zoo": {
            "data": "digits", "nets": 192, "architectures": 111, "parameters": 11609, "records": 1344, "accuracy": 0.92,
            "spread": 0.08, "left_out": 1,
        },
        "attributes": [
            _attribute("pooling", {"stride": 0.1, "max": 0.9}, "max", "max"),
            _attribute("kernel", {"3": 0.6, "5": 0.4}, "3", "5"),
        ],
        "splits": [
            {"name": "random", "nets": 191, "attributes": [_row("pooling", 0.8, 0.5), _row("kernel", 0.7, 0.5)]},
            {"name": "depth", "nets": 60, "attributes": [_row("pooling", 0.75, 0.5)]},
        ],
        "warnings": [], "notes": [],
        "cost": {
            "queries": 10, "calls": 2, "bytes": 0, "price": 0.001, "kept": 0, "models": 192, "steps": 61440,
            "memory_bytes": 1 << 28, "device": "2 x cpu", "seconds": {"zoo": 30.0, "judging": 9.0, "attack": 2.0, "total": 41.0},
        },
        "config": {"method": "kennen-i"}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("architecture")
    return folder, {path.name for path in write(folder, findings())}


def test_every_figure_is_there_and_the_findings_come_back(written):
    folder, names = written
    assert figures(names) == {"posterior", "accuracy"}
    assert read(folder) == findings()


def test_the_page_is_whole_escaped_and_has_the_published_cells(written):
    html = (written[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 2)
    assert "a &lt;network&gt;" in html
    assert "1 of 2" in html
    assert "94.8%" in html
    assert "1, whose training diverged" in html


def test_each_value_is_a_row_of_its_own(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "attributes.csv").read_text())))
    assert [(row["attribute"], row["value"], row["guess"], row["truth"]) for row in rows] == [
        ("pooling", "stride", "False", "False"), ("pooling", "max", "True", "True"), ("kernel", "3", "True", "False"),
        ("kernel", "5", "False", "True"),
    ]  # fmt: skip
    assert [row["depth"] for row in rows] == ["0.75", "0.75", "", ""]


def test_the_terminal_and_the_headline_say_what_it_is_taken_for():
    shown = printed(findings())
    assert "90.0%" in shown
    assert "192" in shown
    text = headline(findings())
    assert "takes the victim, by 10 queries ($0.0010), for pooling max (90.0%)" in text
    assert "1 of its 2 attributes are guessed right" in text
    assert "reads 75.0% of the attributes of networks that it has not seen; chance is 50.0%" in text
    assert measures(findings()) == {"accuracy": 0.75}


def test_what_held_out_networks_show_to_be_chance_is_no_finding_however_sure():
    doubtful = findings()
    doubtful["splits"][0]["attributes"][0] |= {"accuracy": 0.55, "interval": [0.48, 0.62]}
    assert "takes the victim, by 10 queries ($0.0010), for kernel 3 (60.0%); 1 of" in headline(doubtful)
    doubtful["splits"][0]["attributes"][1] |= {"accuracy": 0.5, "interval": [0.43, 0.57]}
    assert "read nothing of the victim by 10 queries ($0.0010): it reads no attribute of held-out" in headline(doubtful)
    assert "takes the victim" not in headline(doubtful)


def test_of_nine_attributes_that_nothing_tells_one_is_named_by_chance_no_oftener_than_stated():
    rng, repeats, named, none = np.random.default_rng(0), 400, 0, findings()
    values = [2, 2, 2, 3, 3, 3, 3, 4, 7]
    none["attributes"] = [
        _attribute(f"a{place}", {f"{value}": 1 / many for value in range(many)}, "0", "0")
        for place, many in enumerate(values)
    ]
    for _ in range(repeats):
        shares = rng.binomial(191, 1 / np.array(values)) / 191
        none["splits"][0]["attributes"] = [
            _row(f"a{place}", share, 1 / many) for place, (share, many) in enumerate(zip(shares, values, strict=True))
        ]
        named += "takes the victim" in headline(none)
    assert named <= 0.05 * repeats


def test_findings_without_splits_or_answers_still_make_a_report(tmp_path):
    bare = copy.deepcopy(findings()) | {"splits": []}
    bare["attack"] |= {"complete": False, "reason": "The budget ended."}
    for attribute in bare["attributes"]:
        attribute["truth"] = None
    names = {path.name for path in write(tmp_path, bare)}
    assert not figures(names)
    assert "did not read the victim: The budget ended." in headline(bare)
    assert "how good it is was not measured" in headline(bare)
    assert "is not known: every answer is read" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert measures(bare) == {"accuracy": None}
