"""Detection in the report: what is found of each server, false alarms, and curves."""

import random
from pathlib import Path

from fedleak.report.detection import detection
from fedleak.results.check_row import CheckRow, write_checks
from fedleak.runs.folder import RunFolder


def rows(seeds: int = 20, clients: int = 9) -> list[CheckRow]:
    draw = random.Random(0)
    return [
        CheckRow(
            task="t",
            defense="watched",
            server=server,
            seed=seed,
            split="test",
            round=2,
            client=client,
            crafted=server != "honest",
            check="weight-watch",
            statistic=statistic,
            value=draw.random() + (5.0 if server == "imprint" and statistic == "change" else 0.0),
            seconds=0.004,
            federation=f"server={server} seed={seed}",
            setting={"server": server},
        )
        for server in ("honest", "imprint", "quiet")
        for seed in range(seeds)
        for client in range(clients)
        for statistic in ("change", "alike")
    ]


def test_it_says_which_server_is_found_and_which_is_not(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_checks(folder.checks, rows())
    found = detection(folder, [])
    assert found is not None
    said = {one.partition(" ")[0]: one for one in found.sentences}
    assert said["“imprint”"].startswith("“imprint” (t, later rounds): weight-watch finds 1.00 ")
    assert said["“quiet”"].startswith("“quiet” (t, later rounds): weight-watch finds 0.0")
    assert [(one.server, one.where, one.models) for one in found.servers] == [
        ("imprint", "t, “watched”, later rounds", 180),
        ("quiet", "t, “watched”, later rounds", 180),
    ]
    for server in found.servers:
        assert [(one.statistic, one.whole) for one in server.lines] == [
            ("change", False), ("alike", False), ("any of these", True)
        ]  # fmt: skip
    (alarms,) = found.alarms
    assert (alarms.models, alarms.cost) == (180, "4.00 ms")
    assert {chart.title.partition(":")[0] for chart in found.charts} == {"imprint", "quiet"}


def test_with_few_seeds_the_rate_is_what_they_are_enough_for(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_checks(folder.checks, rows(seeds=5, clients=100))
    found = detection(folder, [])
    assert found is not None
    assert (found.rate, found.seeds) == ("20%", 4)
    write_checks(folder.checks, rows(seeds=2, clients=100))
    assert detection(folder, []) is None


def test_it_says_whether_honest_models_raise_no_more_alarms_than_that(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_checks(folder.checks, rows())
    found = detection(folder, [])
    assert found is not None
    (said,) = found.kept
    assert said.startswith("Weight-watch keeps to its rate of false alarms, 0.05: it takes 0.0")


def test_there_is_no_section_without_a_server_to_tell_from_an_honest_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert detection(folder, []) is None
    write_checks(folder.checks, [row for row in rows() if row.server == "honest"])
    assert detection(folder, []) is None


def test_a_curve_begins_where_honest_models_are_enough_and_figures_that_are_alike_share_one(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_checks(folder.checks, rows(seeds=3, clients=20))
    found = detection(folder, [])
    assert found is not None
    imprint = next(chart for chart in found.charts if chart.title.startswith("imprint"))
    assert "weight-watch: all, change" in imprint.points
    assert imprint.points["weight-watch: all, change"][0] == (0.05, 1.0)
    assert {points[-1] for points in imprint.points.values()} == {(1.0, 1.0)}
