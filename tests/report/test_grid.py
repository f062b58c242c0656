"""Tables of a terminal: at any width whole words and whole numbers, and a note of what is left out."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from jaxattack.report.grid import empty_grid, wrapped

NAMES = st.lists(st.sampled_from(["lira", "online", "fixed", "variance", "rmia", "a"]), min_size=1, max_size=6)


def printed(grid, width):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(grid)
    return console.file.getvalue()  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=4), st.integers(1, 9), st.integers(40, 120))
def test_numbers_and_the_parts_of_names_are_whole_at_any_width(names, columns, width):
    heads = [f"column {at}" for at in range(columns)]
    grid = empty_grid("attack", *heads)
    for row, name in enumerate(names):
        grid.add_row("-".join(name), *(f"{row}.{at}2345" for at in range(columns)))
    text = printed(grid, width)
    assert max(map(len, text.splitlines())) <= width
    table, _, note = text.partition("Left out")
    for at in range(columns):
        for row in range(len(names)):
            assert (f"{row}.{at}2345" in table) == (f"column {at}" not in " ".join(note.split()))
    for name in names:
        assert all(part in table for part in name)


def test_columns_go_from_the_right_and_those_that_matter_last():
    grid = empty_grid("attack", "AUC", "balanced", "@1%", "@0.1%", last=("AUC", "@0.1%"), caption="Shares.")
    grid.add_row("lira-online-fixed-variance", "0.567", "0.560", "2.30", "1.10")
    assert "Left out" not in printed(grid, 70)
    for width, gone in ((51, "@1%"), (44, "balanced, @1%"), (36, "balanced, @1%, @0.1%")):
        text = " ".join(printed(grid, width).split())
        assert f"Shares. Left out, for want of width: {gone}." in text
        assert "lira-online-fixed-variance" in text


@pytest.mark.parametrize(
    ("words", "width", "lines"),
    [
        ("lira-online", 20, ["lira-online"]),
        ("lira-online?variance=fixed", 14, ["lira-online?", "variance=fixed"]),
        ("two words", 5, ["two", "words"]),
        ("unbreakable", 6, ["unbrea", "kable"]),
        ("a unbreakable b", 6, ["a", "unbrea", "kable", "b"]),
        ("", 6, [""]),
    ],
)
def test_words_are_broken_where_they_are_joined(words, width, lines):
    assert wrapped(Text(words), width).plain.split("\n") == lines


def test_a_cell_is_no_markup():
    grid = empty_grid("attack", "AUC")
    grid.add_row("[bold]x", "[red]1")
    assert "[bold]x" in printed(grid, 40)
    assert "[red]1" in printed(grid, 40)
