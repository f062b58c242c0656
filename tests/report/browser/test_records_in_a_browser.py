"""The list of all records in a browser: search, sort, filter, a look at one, and what is left without scripts."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from record_tables import HOSTILE, page_of, table_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RECORDS = 40
IDS = (*HOSTILE, *(f"patient {number}" for number in range(len(HOSTILE), RECORDS)))
NAMES = ("cat", "</script><img src=x onerror=alert(3)>")
PICTURES = {number: np.full((8, 6, 1), 5 * number, np.uint8) for number in range(RECORDS)}
TABLE = table_of(RECORDS, ids=IDS, names=NAMES)
LIST = "#records-table"


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    if CHROMIUM is None:
        pytest.skip("needs a chromium on the path")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    file.write_text(page_of(TABLE, PICTURES), encoding="utf-8")
    return file.as_uri()


@pytest.fixture
def visit(browser, address):
    """Opens the page; afterwards nothing must have been complained of, asked for or popped up."""
    contexts, trouble = [], []

    def open_page(width=1100, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: trouble.append(message.text) if not own(message.text) else None)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: trouble.append(request.url) if not known(request.url) else None)
        page.goto(address)
        return page

    def own(message):
        return message.startswith("Canvas2D: Multiple readback")  # advice on how these tests look at a picture

    def known(url):
        return url == address or url.startswith("data:")

    yield open_page, trouble
    for context in contexts:
        context.close()
    assert trouble == []


def column(page, place):
    """The texts of a column of the list, without intervals."""
    cells = page.locator(f"{LIST} tbody tr[data-place] > :nth-child({place})")
    return [text.splitlines()[0] for text in cells.all_inner_texts()]


def test_searching_finds_records_by_their_id_and_says_how_many(visit):
    page = visit[0]()
    search = page.get_by_label("Record or class")
    search.fill("PATIENT 1")
    assert sorted(column(page, 1)) == [f"patient {number}" for number in range(10, 20)]
    assert page.locator("#records-status").inner_text() == f"10 of {RECORDS} records"
    search.fill("</script><script>")
    assert column(page, 1) == [HOSTILE[0]]
    search.fill("nobody")
    assert column(page, 1) == []
    search.fill("")
    assert len(column(page, 1)) == 15


def test_a_header_sorts_either_way_by_mouse_and_by_keyboard(visit):
    page = visit[0]()
    header = page.locator(f"{LIST} th", has_text="phi with").first
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    values = [*map(float, column(page, 9))]
    assert values == sorted(values, reverse=True)
    page.keyboard.press("Enter")
    assert header.get_attribute("aria-sort") == "ascending"
    assert [*map(float, column(page, 9))] == sorted(map(float, column(page, 9)))
    assert float(column(page, 9)[0]) < values[-1]
    assert page.locator(f"{LIST} th[aria-sort]").count() == 1


def test_a_class_is_chosen_by_its_name(visit):
    page = visit[0]()
    choice = page.get_by_label("Class", exact=True)
    assert choice.locator("option").all_text_contents() == ["all", *NAMES]
    choice.select_option(label=NAMES[1])
    assert {*column(page, 3)} == {NAMES[1]}
    assert page.locator("#records-status").inner_text() == f"20 of {RECORDS} records"


def test_a_click_shows_the_picture_and_what_models_say_of_the_record(visit):
    page = visit[0]()
    page.get_by_label("Record or class").fill("patient 33")
    button = page.get_by_role("button", name="patient 33")
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    shown = page.locator("tr.detail")
    assert "class </script><img" in shown.locator("p").inner_text()
    assert "4 models trained on it and the 4 others" in shown.locator("p").inner_text()
    assert shown.locator("svg path.in").get_attribute("d").count("H") == 8
    means = (TABLE.mean_in[33], TABLE.mean_out[33])
    told = "phi, in nats: {:.2f} of the models trained on it on average, {:.2f} of the others".format(*means)
    assert shown.get_by_role("img").last.get_attribute("aria-label") == told
    page.wait_for_function("document.querySelector('canvas').getContext('2d').getImageData(5, 7, 1, 1).data[3] === 255")
    pixel = page.evaluate("[...document.querySelector('canvas').getContext('2d').getImageData(5, 7, 1, 1).data]")
    assert pixel == [int(5 * 33 * 255 / 195)] * 3 + [255]
    page.locator("tr.open td").nth(1).click()
    assert shown.count() == 0


def test_pages_are_turned_until_the_last(visit):
    page = visit[0]()
    following = page.get_by_role("button", name="Next")
    ids = column(page, 1)
    for _ in range(4):  # two are enough: the last page stays
        following.dispatch_event("click")
        ids += column(page, 1)
    assert {*ids} == {*IDS}
    assert page.locator("#records-place").inner_text() == "page 3 of 3"
    assert following.get_attribute("aria-disabled") == "true"


def test_without_scripts_the_most_vulnerable_are_there_as_with_them(visit):
    still, moving = visit[0](java_script_enabled=False), visit[0]()
    rows = f"{LIST} tbody tr"
    assert still.locator(rows).all_inner_texts() == moving.locator(rows).all_inner_texts()
    assert still.locator(rows).count() == 15
    assert still.get_by_text("The 15 most vulnerable records.").is_visible()
    assert not still.locator("#records-find").is_visible()
    assert still.locator("a[href='records.csv']").is_visible()
    assert still.locator(f"{LIST} button").count() == 0


def test_at_400_pixels_nothing_is_wider_than_the_page(visit):
    page = visit[0](width=400)
    page.get_by_label("Record or class").fill(HOSTILE[6])
    page.get_by_role("button", name=HOSTILE[6]).click()
    wide = (
        "[...document.querySelectorAll('.records .record, .records .find *')].map(e => e.getBoundingClientRect().right)"
    )
    assert max(page.evaluate(wide)) <= 400
    assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_no_other_script_runs_and_nothing_is_fetched(visit):
    open_page, trouble = visit
    page = open_page()
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'stolen = 1'}))")
    assert page.evaluate("typeof stolen") == "undefined"
    assert "Content Security Policy" in trouble.pop()
    assert page.evaluate("fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"
    page.wait_for_timeout(50)
    assert trouble
    assert all("Content Security Policy" in text for text in trouble)
    trouble.clear()
