"""Who holds what is drawn once for each way in which it was shared out, and says what is left out."""

from pathlib import Path

import pytest

from fedleak.errors import RecordingError
from fedleak.report.charts import bubble_chart
from fedleak.report.holdings import MOST, holdings
from fedleak.report.pictures import Files
from fedleak.runs.folder import RunFolder

SERIES_2 = "fill: var(--s2)"
"""The color of a disk."""


class Vaults(Files):
    """Stands for the files of a run: what clients hold, by the federation's folder."""

    def __init__(self, **held):
        super().__init__(RunFolder(Path()))
        object.__setattr__(self, "held", held)

    def holdings(self, row):
        if row.federation not in self.held:
            raise RecordingError("nothing there")
        return dict(enumerate(self.held[row.federation]))


@pytest.fixture
def rows(make_row):
    return [make_row(1.0, federation=name, setting={"vary": name}) for name in ("a", "b")]


def test_conditions_that_share_out_alike_have_one_chart(rows):
    same = holdings(Vaults(a=[(3, 0), (1, 2)], b=[(3, 0), (1, 2)]), rows)
    assert [one.counts for one in same] == [((3, 0), (1, 2))]
    assert same[0].caption == "2 clients hold 3 labels of 1 to 2 classes each."
    assert [one.caption for one in holdings(Vaults(a=[(3, 0)], b=[(2, 1)]), rows)] == [
        "1 client holds 3 labels of 1 class.",
        "1 client holds 3 labels of 2 classes.",
    ]


def test_a_vault_that_does_not_tell_has_none(rows):
    assert holdings(Vaults(), rows) == []
    assert holdings(Vaults(a=[], b=[]), rows) == []


def test_what_does_not_fit_is_said(rows):
    (one,) = holdings(Vaults(a=[(1,) * 50] * 40), rows)
    assert (len(one.counts), len(one.counts[0])) == (MOST, MOST)
    assert one.caption.endswith("not drawn: 10 further clients and 20 further classes.")


def test_each_client_and_class_that_has_examples_is_a_disk(rows):
    (one,) = holdings(Vaults(a=[(3, 0, 1), (1, 2, 0)]), rows)
    drawing = bubble_chart(one, "holdings-1")
    assert drawing.count(SERIES_2) == 4
    assert 'aria-label="' in drawing
    assert "2 clients hold 3 to 4 labels" in drawing
