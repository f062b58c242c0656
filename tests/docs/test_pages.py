"""Every example of the documentation runs."""

import pytest
from pages import ROOT, examples, run_page

PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if examples(path)]


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT / "docs")) for page in PAGES])
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page, tmp_path)
