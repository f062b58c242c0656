"""The list of all records on the page: what it holds, what it leaves out and says so, and text that stays text."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from record_tables import HOSTILE, page_of, table_of

from jaxattack.report.membership import listing
from jaxattack.report.membership.listing import list_records


def embedded(page):
    """The data that a page holds for its script."""
    return json.loads(re.search(r'<script type="application/json" id="records-data">(.*?)</script>', page, re.S)[1])


def test_every_record_is_listed_in_the_order_of_rank():
    table = table_of(40)
    data = list_records(table, {}).data
    order = np.argsort(table.rank)
    assert data["id"] == [table.record_names[record] for record in order]
    assert [data["classes"][label] for label in data["label"]] == [table.class_names[record] for record in order]
    assert data["mean_in"] == pytest.approx(table.mean_in[order].tolist(), rel=1e-3)
    assert data["pictures"] is None


def test_a_histogram_counts_each_model_once_between_the_ends_of_what_is_said():
    table = table_of(6)
    data = list_records(table, {}).data
    for place, record in enumerate(np.argsort(table.rank)):
        phi, member = table.exposure.phi[:, record], table.exposure.member[:, record]
        low, high, *sides = data["histogram"][place]
        assert (low, high) == pytest.approx((phi.min(), phi.max()), rel=1e-3)
        for side, counts in zip((member, ~member), sides, strict=True):
            naive, _ = np.histogram(phi[side], bins=len(counts), range=(phi.min(), phi.max()))
            assert counts == naive.tolist()


def test_where_every_model_says_the_same_it_is_one_bin():
    data = list_records(table_of(3, phi=np.ones((8, 3))), {}).data
    low, high, ins, outs = data["histogram"][0]
    assert low < 1 < high
    assert sorted(map(bool, ins)) == sorted(map(bool, outs)) == [False] * 7 + [True]


def test_where_labels_alone_are_answered_it_is_from_wrong_to_right():
    table = table_of(6, phi=(np.random.default_rng(1).random((8, 6)) < 0.7).astype(float), labels_alone=True)
    for place, (low, high, *sides) in enumerate(list_records(table, {}).data["histogram"]):
        member = table.exposure.member[:, np.argsort(table.rank)[place]]
        assert (low, high) == (0, 1)
        assert (
            [sum(side) for side in sides] == [side[0] + side[-1] for side in sides] == [member.sum(), (~member).sum()]
        )
    assert "the share of the models without it that are wrong" in page_of(table)


def test_unknown_and_infinite_values_are_null():
    table = table_of(5, everywhere=2)
    data = list_records(table, {}).data
    last = data["id"].index(table.record_names[2])
    assert last == 4  # nothing is known of a record that is in every model
    assert data["mean_out"][last] is data["vulnerability"][last] is None
    assert "NaN" not in json.dumps(data, allow_nan=False)


def test_beyond_the_limits_the_page_says_what_it_leaves_out(monkeypatch):
    monkeypatch.setattr(listing, "MOST", 12)
    monkeypatch.setattr(listing, "PIXELS", 5 * 6 * 4)
    pictures = {number: np.full((6, 4, 1), number, np.uint8) for number in range(30)}
    page = page_of(table_of(30), pictures)
    text = " ".join(re.sub("<[^>]*>", "", page).split())
    assert "the 12 most vulnerable of 30 records; records.csv, beside this page, has all" in text
    assert "The 5 most vulnerable have a picture." in text
    assert len(embedded(page)["id"]) == 12


def test_a_page_of_many_records_stays_small():
    page = page_of(table_of(listing.MOST + 1000))
    assert len(page) < 2_000_000


@pytest.mark.parametrize(("shape", "small"), [((6, 4, 1), (6, 4)), ((90, 150, 3), (30, 50, 3)), ((5, 5, 2), (5, 5))])
def test_pictures_lie_side_by_side_in_the_order_of_rank(shape, small):
    table = table_of(7)
    levels = (20, 100, 40, 60, 10, 80, 50)
    data = list_records(table, {number: np.full(shape, levels[number], np.uint8) for number in range(7)}).data
    sheet = data["pictures"]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["source"].partition("base64,")[2]))))
    assert (sheet["count"], sheet["height"], sheet["width"]) == (7, *small[:2])
    for place, record in enumerate(np.argsort(table.rank)):
        top, left = place // sheet["across"] * small[0], place % sheet["across"] * small[1]
        picture = pixels[top : top + small[0], left : left + small[1]]
        level = levels[record] if len(small) == 3 else int(levels[record] * 2.55)  # the brightest of all becomes white
        np.testing.assert_array_equal(picture, np.full(small, level))


def test_the_policy_allows_the_one_script_and_text_stays_text():
    table = table_of(len(HOSTILE), ids=HOSTILE, names=(HOSTILE[0], HOSTILE[1]))
    page = page_of(table)
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    code = re.search(r"<script>(.*?)</script>", page, re.S)[1]
    allowed = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src 'sha256-{allowed}'" in policy
    assert re.findall(r"<script[^>]*>", page) == ['<script type="application/json" id="records-data">', "<script>"]
    assert not re.search("<img|<b>bold|<!--", page)
    assert sorted(embedded(page)["id"]) == sorted(HOSTILE)


def test_a_report_without_records_has_no_script():
    assert "<script" not in page_of(None)
