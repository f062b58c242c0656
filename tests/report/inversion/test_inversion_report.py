"""An inversion's report: there for every kind of findings, whole, escaped, and saying what the numbers say."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from report.readable import check_report, check_whole, figures, printed

from jaxattack.report import headline, read, write
from jaxattack.report.inversion.reading import looks, prior

PICTURES = {number: np.full((6, 5, 1), 20 * number, np.uint8) for number in range(8)}


def _row(target, rank):
    return {
        "target": target, "score": 0.99, "victim": target, "rank": rank, "steps": 120, "mse": 900.0, "psnr": 18.6,
        "ssim": 0.4, "correlation": 0.5, "correlation_mean": 0.6,
    }  # fmt: skip


def findings():
    return {
        "format": 1, "kind": "inversion", "title": "softmax on digits · mi-face",
        "victim": {
            "name": "softmax on digits", "level": "probability", "classes": 10, "features": 30, "top": 0, "decimals": None,
            "precision": "float64", "transport": "in this process", "members": 40,
            "accuracy": {"members": 1.0, "others": 0.9},
        },
        "attack": {
            "name": "mi-face", "settings": {}, "complete": True, "reason": "", "notes": {}, "white_box": True, "stolen": None,
            "updates": None,
        },
        "recognition": {
            "victim": 1.0, "victim_restarts": 0.9, "top1": 0.5, "top5": 1.0, "top1_restarts": 0.4, "restarts": 16,
            "diverged": 2,
        },
        "evaluation": {"model": "mlp:<256>", "accuracy": 0.97, "records": 60},
        "likeness": {"mse": 900.0, "psnr": 18.6, "ssim": 0.4, "correlation": 0.5, "correlation_mean": 0.6},
        "targets": [_row(3, 0), _row(8, 4)],
        "gallery": [
            {"target": 3, "mean": 0, "nearest": 1, "made": 2, "frames": [[1, 3]]},
            {"target": 8, "mean": 4, "nearest": 5, "made": 6, "frames": [[1, 7]]},
        ],
        "warnings": [],
        "cost": {
            "queries": 0, "calls": 0, "bytes": 0, "price": 0.0, "kept": 0, "gradients": 1920, "memory_bytes": 1 << 28,
            "device": "1 x cpu", "seconds": {"attack": 1.5, "evaluation": 2.0, "total": 3.6},
        },
        "config": {"method": "mi-face"}, "environment": {"jax": "0"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inversion")
    return folder, {path.name for path in write(folder, findings(), PICTURES)}


def test_every_figure_is_there_and_the_findings_come_back(written):
    folder, names = written
    assert figures(names) == {"gallery", "steps", "confidence"}
    assert read(folder) == findings()


def test_the_page_is_whole_escaped_and_needs_nothing_else(written):
    html = (written[0] / "report.html").read_text(encoding="utf-8")
    check_whole(html, 3)
    assert "mlp:&lt;256&gt;" in html
    assert "2 of 16 restarts" in html


def test_the_targets_are_a_table_of_their_own(written):
    rows = list(csv.DictReader(io.StringIO((written[0] / "targets.csv").read_text())))
    assert [(row["target"], row["rank"]) for row in rows] == [("3", "0"), ("8", "4")]


def test_the_terminal_and_the_headline_say_who_recognises_them():
    assert "50.0%" in printed(findings())
    text = headline(findings())
    assert "1,920 gradients" in text
    assert "an independent model 50.0%" in text
    assert "2 of the 10 classes" in text


def test_findings_without_pictures_members_or_evaluation_still_make_a_report(tmp_path):
    bare = findings() | {"gallery": [], "evaluation": None, "likeness": None}
    bare["victim"] |= {"members": None, "accuracy": None}
    bare["recognition"] |= {"top1": None, "top5": None, "top1_restarts": None}
    bare["targets"] = [{"target": 3, "score": None, "victim": 1, "rank": None, "steps": 4}]
    bare["attack"] |= {
        "complete": False, "reason": "The budget is spent.",
        "stolen": {
            "attack": "softmax", "converged": True, "complete": False, "reason": "Too few.", "queries": 65, "price": 0.0065,
            "verification": {"trials": 13, "disagreements": 0, "bound": 0.21, "places": {}},
        },
    }  # fmt: skip
    names = {path.name for path in write(tmp_path, bare, {})}
    assert not figures(names)
    assert "The budget is spent." in headline(bare)
    assert "by softmax, 65 queries" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("without", [(0,), (1,), (0, 1)])
def test_targets_that_nothing_can_be_correlated_with_are_left_out_of_the_figure(tmp_path, without):
    found = findings()
    for row in without:
        found["targets"][row] |= {"correlation": None, "correlation_mean": None}  # no member, one feature, one value
    if len(without) == 2:
        found["likeness"] |= {"correlation": None, "correlation_mean": None}
    assert ("confidence" in figures({path.name for path in write(tmp_path, found, PICTURES)})) == (len(without) == 1)
    assert "–" not in headline(found)


def seen(nearest, own, of_any=0.86, of_class=0.7, passes=(True, False)):
    """Findings with members at hand and an attack that has a generator."""
    found = findings()
    for row, passing in zip(found["targets"], passes, strict=True):
        if passing is None:  # of a class of one member nothing is measured, and findings leave out what is not
            row.pop("passes", None)
        else:
            row["passes"] = passing
    control = {"records": 300, "draws": 64, "of_class": of_class, "of_any": of_any, "own": own}
    found["appearance"] = {"measure": "ssim", "nearest": nearest, "members": 0.91, "share": 0.5, "control": control}
    return found | {"extent": 255.0}


def test_the_page_says_what_a_person_would_see_and_what_of_it_is_the_generators(tmp_path):
    found = seen(0.93, 0.92)
    assert looks(found).startswith("1 of 2 would pass for a record of its class to the eye")
    assert "None would pass for a record of its class" in looks(seen(0.47, 0.4, passes=(False, False)))
    assert looks(seen(0.93, 0.92, passes=(True, None))).startswith("1 of 1 would pass")
    assert looks(findings()) == prior(findings()) == ""
    assert looks(found) in headline(found)
    write(tmp_path, found, PICTURES)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert looks(found) in page
    assert prior(found).replace("'", "&#39;") in page
    assert "have a range of 255 at most" in page
    check_report(tmp_path)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (seen(0.93, 0.92), "as like a record of the attacker's own (0.92) as they are like a member (0.93)"),
        (seen(0.93, 0.6), "more like a member (0.93) than like any record of the attacker's own (0.60)"),
        (seen(0.45, 0.67), "more like a record of the attacker's own (0.67) than like any member (0.45)"),
        (seen(0.93, 0.92), "comes mostly from the generator; which class they show comes from the victim"),
        (seen(0.93, 0.92, of_any=0.5), "comes in part from the generator"),
        (seen(0.72, 0.72), "the victim adds nothing to which class they show"),
    ],
)
def test_what_the_victim_adds_is_read_off_the_controls(found, sentence):
    assert sentence in prior(found)


def test_gradients_of_users_are_told_as_such(tmp_path):
    found = findings()
    found["attack"] |= {"updates": {"users": 2, "batch": 1, "trained": False}}
    assert "2 records of 2 users" in headline(found)
    assert headline(found).endswith("18.6 dB.")  # as in reports of before
    found["attack"]["updates"] |= {"labels": 0.5, "baseline": 11.26, "nearer": 1}
    assert headline(found).endswith(
        "18.6 dB, where the mean of other records, which takes no gradient, has 11.3 dB; 1 of 2 are nearer than that mean; 50.0% of "
        "the labels came right."
    )
    write(tmp_path, found, PICTURES)
    assert "gradients of 2 users" in (tmp_path / "report.html").read_text(encoding="utf-8")
