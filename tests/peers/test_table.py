"""What the README and the docs say of the table is what was measured."""

import datetime as dt
import json

import matrix

import written
from plan import EXPLAINED, Cell, whole
from servers import ROOT

MEASURED = json.loads((ROOT / "docs" / "matrix.json").read_text(encoding="utf-8"))
RESULTS = {
    Cell(*(one[field] for field in Cell._fields)): matrix.Result(one["outcome"], one["detail"], 0)
    for one in MEASURED["cells"]
}
DAY = dt.date.fromisoformat(MEASURED["date"])


def test_the_readme_and_the_page_show_the_table_as_it_was_measured() -> None:
    (shown,) = written.MARKED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown == "\n".join(written.summary(RESULTS, DAY))

    page = (ROOT / "docs" / "matrix.md").read_text(encoding="utf-8")
    assert page == "\n".join(written.page(RESULTS, MEASURED["versions"], DAY))


def test_every_cell_was_measured() -> None:
    assert set(RESULTS) == set(whole())


def test_each_cell_with_us_is_green_or_explained_and_each_explanation_explains_one() -> None:
    assert all(matrix.as_expected(cell, result) for cell, result in RESULTS.items())
    red = [cell for cell, result in RESULTS.items() if result.outcome != "ok"]
    assert all(any(one.explains(cell) for cell in red) for one in EXPLAINED)
