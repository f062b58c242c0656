"""The table for the terminal."""

from __future__ import annotations

from report.readable import printed

from jaxattack.report.membership.tables import FEW


def test_every_attack_has_a_row_with_its_figures(invent):
    findings = invent()
    lines = printed(findings).splitlines()
    for attack in findings["attacks"]:
        row = next(line.split() for line in lines if line.split()[:1] == [attack["name"]])
        assert row[1:3] == [f"{attack['auc']:.3f}", f"{attack['balanced_accuracy']:.3f}"]


def test_false_positives_show_where_they_are_few_and_unresolvable_rates_are_marked(invent):
    findings = invent(models=16, records=100)
    attack = findings["attacks"][0]
    attack["false_positives"]["0.1"] = FEW - 1
    row = next(line for line in printed(findings).splitlines() if line.split()[:1] == [attack["name"]])
    assert f"({attack['false_positives']['0.1']})" in row
    assert row.split()[-2:] == ["n/r", "n/r"]


def test_many_false_positives_are_left_out(invent):
    findings = invent()
    attack = next(attack for attack in findings["attacks"] if attack["false_positives"]["0.1"] >= FEW)
    assert f"({attack['false_positives']['0.1']})" not in printed(findings)


def test_the_table_fits_80_columns_whole(invent):
    findings = invent(shifts={"modified-entropy-classwise": 3.0, "lira-online": 2.0})
    for attack in findings["attacks"]:
        attack["tpr"] = {"0.1": 0.2345, "0.01": 0.061, "0.001": 0.00061, "0.0001": 0.000043, "0.00001": 0.0000043}
        attack["false_positives"] = {"0.1": 640_000, "0.01": 64_000, "0.001": 6_400, "0.0001": 64, "0.00001": 9}
        attack["resolvable"] = dict.fromkeys(attack["tpr"], True)
    text = printed(findings)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert "modified-entropy-classwise" in text
    assert "0.00043 (9)" in text


def test_an_attack_with_markup_in_its_name_is_shown_as_it_is(invent):
    findings = invent(shifts={"[red]x[/red]": 1.0})
    assert "[red]x[/red]" in printed(findings)
