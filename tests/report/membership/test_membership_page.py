"""The page: whole, alone, escaped, and there for every kind of findings."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jaxattack.report import write

SHAPES = ((8, 8, 1), (32, 32, 3), (5, 9, 4), (6, 6, 2))
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Checks that tags close in order; keeps tags, attributes and text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def values(self, name):
        return [value for _, attribute, value in self.attributes if attribute == name]


def page(folder, findings, pictures=None):
    write(folder, findings, pictures)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def usual(tmp_path_factory, invent):
    """A page with everything on it, and its text as written."""
    folder = tmp_path_factory.mktemp("usual")
    pictures = {record: np.full(shape, 9, np.uint8) for record, shape in enumerate(SHAPES)}
    made = page(folder, invent() | {"command": "jaxattack membership --models 64"}, pictures)
    return made, (folder / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(usual):
    made, html = usual
    assert not {"script", "link", "iframe", "object"} & set(made.tags)
    for value in made.values("src") + made.values("href") + made.values("xlink:href"):
        assert value.startswith(("#", "data:"))
    assert "://" not in html
    assert not re.search(r"url\((?!#)|@import", html)


def test_identifiers_are_unique_and_every_reference_finds_its_own(usual):
    made, html = usual
    identifiers = made.values("id")
    assert len(identifiers) == len(set(identifiers))
    references = set(re.findall(r'(?:href="|url\()#([^")]+)', html))
    assert references
    assert references <= set(identifiers)


def test_every_figure_says_what_it_shows(usual):
    made, _ = usual
    assert made.tags.count("svg") == made.tags.count("figure") == 5
    described = made.values("aria-label")
    assert len(described) == 5
    assert all(len(text) > 40 for text in described)
    assert "record 0, label 0" in " ".join(described)


def test_pictures_of_any_channels_are_drawn(usual):
    assert usual[0].tags.count("image") == len(SHAPES)


def test_tables_and_figures_are_numbered_in_order(usual):
    for kind, expected in (("Figure", 5), ("Table", 9)):
        found = [int(number) for number in re.findall(rf"<b>{kind} (\d+)\.</b>", usual[1])]
        assert found == list(range(1, expected + 1))


def test_what_comes_from_the_user_is_escaped(invent, tmp_path):
    nasty = '</style></title><script>alert(1)</script><img src=x onerror="alert(2)"> $x$ & {{ 7 * 7 }}'
    findings = invent()
    findings["title"] = findings["cost"]["device"] = findings["command"] = nasty
    findings["config"] = {nasty: {"name": nasty, "list": [nasty]}}
    findings["environment"] = {"platform": nasty}
    findings["attacks"][0] |= {"name": nasty, "description": nasty}
    findings["vulnerable"] |= {"attack": nasty}
    findings["claim"] |= {"attack": nasty}
    findings["comparison"] |= {"attack": nasty}
    made = page(tmp_path, findings)
    assert "script" not in made.tags
    assert "img" not in made.tags
    assert nasty in made.text
    assert not made.values("onerror")


def test_the_interval_of_the_auc_allows_for_the_choice_of_the_attack(invent, tmp_path):
    findings = invent()
    best = next(one for one in findings["attacks"] if one["name"] == findings["claim"]["attack"])
    low, high = best["auc_interval"]
    plain = f"95% interval {low:.3f} to {high:.3f}; guessing 0.5"
    assert plain in page(tmp_path / "earlier", findings).text
    best["auc_interval_corrected"] = [0.512, 0.734]
    findings["claim"] |= {"choices": 6}
    told = "95% interval 0.512 to 0.734, allowing for the choice among 6 attacks; of one chosen beforehand, "
    assert f"{told}{low:.3f} to {high:.3f}; guessing 0.5" in page(tmp_path / "now", findings).text


def test_the_page_counts_the_records_that_were_scored(invent, tmp_path):
    findings = invent()
    findings["models"] |= {"scored": 396}
    text = page(tmp_path, findings).text
    assert "All 396 records by vulnerability" in text
    assert "of 396 records are given away" in text or "some records of 396 look" in text
    assert "each trained on 200 of 400 records" in text


def test_the_page_says_it_all(usual, invent):
    text, findings = usual[0].text, invent()
    attack = findings["attacks"][0]
    for expected in (
        f"{100 * attack['tpr']['0.001']:.3g}",
        f"{attack['auc']:.3f}",
        f"{attack['false_positives']['0.01']} FP",
        "n/r",
        "61.0%",
        "28,800",
        "1.5 GiB",
        "2 x cpu (invented)",
        "recipe · epochs",
        "All 6 attacks",
        "jaxattack membership --models 64",
        "jaxattack report RUN",
        "Not resolvable",
    ):
        assert expected in text


def no_references(findings):
    findings["attacks"] = [attack for attack in findings["attacks"] if attack["name"] == "loss"]
    findings["attacks"][0] |= {"by_models": [], "transferred": {}}
    findings["claim"] |= {"attack": "loss", "choices": 1}
    findings["comparison"] = None


def bring_your_own_scores(findings):
    findings["models"] |= {"train_accuracy": None, "test_accuracy": None}
    findings["cost"] = {"models": 4, "seconds": {}}
    findings["config"], findings["environment"] = {}, {}


def one_target(findings):
    for attack in findings["attacks"]:
        attack["by_models"] = []
        for figure in (attack["per_target"]["auc"], *attack["per_target"]["tpr"].values()):
            figure["sd"] = None


def nothing_found(findings):
    for attack in findings["attacks"]:
        positives, negatives = attack["roc"]["positives"], attack["roc"]["negatives"]
        attack["roc"] |= {"false_positives": [0, negatives], "true_positives": [0, positives]}
        attack["tpr"] = dict.fromkeys(attack["tpr"], 0.0)
        for key in ("tpr_interval", "tpr_interval_corrected"):
            attack[key] = {name: [0.0, 0.01] for name in attack[key]}
        attack["false_positives"] = dict.fromkeys(attack["false_positives"], 0)
        attack["by_models"] = [entry | {"tpr": dict.fromkeys(entry["tpr"], 0.0)} for entry in attack["by_models"]]
        attack["ppv"] = {prior: dict.fromkeys(by_rate, None) for prior, by_rate in attack["ppv"].items()}
        attack["histogram"] |= {"edges": [0.0, 1.0], "member": [positives], "non_member": [0]}
    findings["vulnerability"] |= {"count": [0] * 40, "stability": None}


def unscorable_records(findings):
    findings["vulnerable"]["records"][0] |= {"vulnerability": None, "detected": None, "falsely": None}


@pytest.mark.parametrize(
    "changes", [(no_references, bring_your_own_scores), (one_target,), (nothing_found, unscorable_records)]
)
def test_degenerate_findings_have_a_page(invent, tmp_path, changes):
    findings = invent(models=16, records=100)
    for change in changes:
        change(findings)
    made = page(tmp_path, findings, {0: np.zeros((4, 4, 1), np.uint8)})
    assert "nan" not in made.text.lower().split()
    assert "None" not in made.text.split()


@pytest.mark.parametrize(("models", "records"), [(4, 30), (4, 4)])
def test_few_scores_are_said_to_resolve_little(invent, tmp_path, models, records):
    made = page(tmp_path, invent(models=models, records=records))
    assert "resolve no lower rate" in made.text or "too few" in made.text
    assert made.text.count("n/r") > 20


def test_what_was_left_out_is_told(usual, invent, tmp_path):
    note = "4 of 400 records are left out of every figure."
    assert note not in usual[0].text
    assert note in page(tmp_path, invent(models=16, records=100) | {"notes": [note]}).text


def test_the_contents_lead_to_every_section(usual):
    _, html = usual
    entries = re.findall(r'<li><a href="#([^"]+)">([^<]+)</a></li>', html)
    assert len(entries) == len(re.findall("<h2>", html)) >= 7
    for anchor, title in entries:
        assert re.search(rf'<section[^>]* id="{anchor}"[^>]*>\s*<h2>{title}</h2>', html)


def test_the_best_of_each_family_stand_first_and_all_are_folded_below(invent, tmp_path):
    findings = invent()
    write(tmp_path, findings)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    first, folded = html.split("All 6 attacks</summary>")
    rows = [re.findall(r'<th scope="row">([\w-]+)', part.split('class="attacks"')[1].split("</table>")[0]) for part in (first, folded)]  # fmt: skip
    assert sorted(rows[1]) == sorted(attack["name"] for attack in findings["attacks"])
    families = [next(attack["family"] for attack in findings["attacks"] if attack["name"] == name) for name in rows[0]]
    assert sorted(families) == sorted({attack["family"] for attack in findings["attacks"]})
    assert "the best of 2 alike" in first


def test_what_an_attack_is_stands_in_words(invent, tmp_path):
    findings = invent()
    findings["attacks"][0] |= {
        "summary": "A network.", "paper": "Shokri et al. 2017",
        "settings": {"learning_rate": 1e-4, "network": {"joint": [64, 32], "biased": False}, "size": None},
    }  # fmt: skip
    text = page(tmp_path, findings).text
    assert (
        "A network. Source: Shokri et al. 2017. Settings: learning rate: 0.0001; network (joint: 64, 32; biased: no); size: –."
        in text
    )
    assert "The attack loss." in text
