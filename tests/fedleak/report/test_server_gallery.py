"""Servers in the report: sentences by server, and the pictures of the gallery."""

import pytest

from fedleak.figures.servers import collect_servers
from fedleak.report.server_gallery import servers_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(cheated_run):
    found = servers_of(cheated_run, cheated_run.federations, "digit")
    assert found is not None
    return found


def test_each_server_has_a_sentence_for_each_defense(servers):
    assert [one.server for one in servers.found] == ["honest", "planting"]
    assert [[one.defense for one in own.verdicts] for own in servers.found] == [["single", "sum", "watched"]] * 2
    watched = servers.found[1].verdicts[2].sentence
    assert watched == (
        "Nothing: the round was lost, as clients refused the model (3 refusals); seen by weight-watch at 3 of 3 "
        "clients (of honest rounds at 0 of 3 clients)."
    )
    summed = servers.found[1].verdicts[1].sentence
    assert "of 6 digits exactly through the sum over 3 clients (imprint-readout)" in summed
    assert "check" not in summed  # nobody looks at the model there


def test_the_pictures_are_those_of_the_gallery(servers, cheated_run):
    sheet = collect_servers(cheated_run.folder, cheated_run.campaign)
    assert [row.title for row in servers.gallery.rows] == [row.title for row in sheet.rows]
    for row, drawn in zip(servers.gallery.rows, sheet.rows, strict=True):
        for cell, block in zip(row.cells, drawn.blocks, strict=True):
            assert (cell.words, cell.more, cell.calm) == (block.words, block.more, block.calm)
            assert [tile.exact for tile in cell.tiles] == [picture.exact for picture in block.pictures]
            assert all(tile.source.startswith("data:image/png") for tile in cell.tiles)


def test_the_page_has_both(cheated_run):
    page = cheated_run.folder.report.read_text(encoding="utf-8")
    assert '<figure class="exact">' in page
    assert 'class="nothing calm"' in page
    assert "round lost: 3 of 3 clients refused" in page
    assert "A malicious server" not in page
    assert "Manipulations that fedleak has and no server of this run did" in page
