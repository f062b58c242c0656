"""One figure as a file for a paper: the letters stay letters, the user's names are in it, and a table for a paper too."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from jaxattack.report import draw, read_pictures, style
from jaxattack.report.latex import booktabs, escaped
from jaxattack.report.membership import MEMBERSHIP
from jaxattack.report.membership.tables import latex
from jaxattack.types import InputError


@pytest.fixture(scope="module")
def findings(invent):
    return invent(models=16, records=200)


def test_a_figure_has_the_attacks_and_the_names_that_are_chosen(findings):
    svg = draw(findings, "roc", form="svg", attacks=["rmia-online", "loss"], names=["RMIA", "one & only"]).decode()
    text = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    auc = {attack["name"]: attack["auc"] for attack in findings["attacks"]}
    assert f"RMIA (AUC {auc['rmia-online']:.3f})" in text
    assert f"one &amp; only (AUC {auc['loss']:.3f})" in text
    assert not any("lira" in words or "phi" in words for words in text)
    usual = draw(findings, "roc", form="svg").decode()
    assert "lira-online (AUC" in usual
    assert "phi, a threshold a record (AUC" in usual
    others = draw(findings, "histograms", form="svg", attacks=["gap"], names=["G"]).decode()
    assert ">G</text>" in others
    assert "loss" not in others


def test_a_figure_for_print_holds_fonts_and_no_date(findings):
    pdf = draw(findings, "roc", attacks=["loss"])
    assert pdf.startswith(b"%PDF")
    assert b"FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert b"CreationDate" not in pdf
    assert draw(findings, "roc", attacks=["loss"]) == pdf
    assert draw(findings, "vulnerability", form="png").startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused_in_one_sentence(findings):
    for arguments, message in (
        ({"figure": "rock"}, "figure is 'rock': a report on membership has roc, tpr_by_models"),
        ({"figure": "roc", "form": "gif"}, "format is 'gif': choose from pdf, svg, png"),
        ({"figure": "roc", "attacks": ["liar"]}, "attacks has 'liar' and the report"),
        ({"figure": "roc", "attacks": ["loss"], "names": ["a", "b"]}, "names has 2 and attacks 1"),
        ({"figure": "roc", "attacks": ["loss", "loss"]}, "attacks has 'loss' twice"),
        ({"figure": "poison"}, "nothing to draw"),
    ):
        with pytest.raises(InputError, match=message):
            draw(findings, **arguments)


def test_pictures_that_are_none_are_refused(tmp_path):
    assert read_pictures(tmp_path) == {}
    for name, array in (("0", np.zeros((2, 2, 2), np.uint8)), ("x", np.zeros((2, 2, 1), np.uint8)), ("1", np.zeros(3))):
        np.savez(tmp_path / "pictures.npz", **{name: array})
        with pytest.raises(InputError, match=f"holds '{name}', which is no picture"):
            read_pictures(tmp_path)


def balanced(text):
    """Whether braces close and every environment ends that begins, as LaTeX has it."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", text):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    ends = re.findall(r"\\(begin|end)\{(\w+)\}", text)
    stack = []
    for word, name in ends:
        if word == "begin":
            stack.append(name)
        elif not stack or stack.pop() != name:
            return False
    return not depth and not stack


def test_a_table_for_a_paper_is_whole_whatever_its_words():
    nasty = r"a_b & 50% $x$ \input{x} #1 {~^} <|>"
    text = booktabs(["Attack", nasty], [[nasty, "1"], ["b", "–"]], caption=nasty, label="a b_c")
    assert balanced(text)
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    lines = [line for line in body.splitlines() if not line.startswith("\\")]
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 and line.endswith(r" \\") for line in lines)
    assert not re.search(r"(?<!\\)[#%$_]", escaped(nasty).replace(r"$\cdot$", ""))
    assert r"\input" not in text
    assert r"\label{tab:a-b-c}" in text
    assert escaped("−2 ± 1\n") == r"$-$2 $\pm$ 1 "


def test_the_table_of_attacks_has_a_row_each_with_intervals(findings):
    text = latex(findings)
    assert balanced(text)
    rows = [line for line in text.splitlines() if line.startswith("lira-online &")]
    attack = next(one for one in findings["attacks"] if one["name"] == "lira-online")
    low, high = attack["auc_interval"]
    assert f"{attack['auc']:.3f} [{low:.3f}, {high:.3f}]" in rows[0]
    assert text.count(r" \\") == 1 + len(findings["attacks"])


def test_a_sign_that_the_best_face_lacks_comes_from_another(monkeypatch):
    monkeypatch.setattr(style, "FACES", ("cmr10", "DejaVu Sans"))  # whose warning of a missing sign would be an error
    with style.styled():
        figure = Figure()
        figure.text(0.5, 0.5, style.power(-15))
        assert "'cmr10', 'DejaVu Sans'" in style.save(figure, "a power").svg


@pytest.mark.parametrize("models", [4, 64])
def test_no_word_of_a_roc_is_cut_off_at_an_edge(models, invent):
    """With few non-members the axes begin within a decade of the whole, and what is below one false positive is shaded."""
    with style.styled():
        figure, _ = MEMBERSHIP.figures["roc"](invent(models=models, records=150), {})  # type: ignore[misc]
        FigureCanvasAgg(figure).draw()
        words = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
        extents = {text.get_text(): text.get_window_extent() for text in words}
    assert any("one false positive" in word for word in extents)
    for word, extent in extents.items():
        assert figure.bbox.x0 <= extent.x0, word
        assert figure.bbox.y0 <= extent.y0, word
        assert extent.x1 <= figure.bbox.x1, word
        assert extent.y1 <= figure.bbox.y1, word
