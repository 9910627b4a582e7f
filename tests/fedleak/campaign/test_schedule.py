"""Schedule of a run: each federation once, and cells before the next federation."""

from fedleak.campaign.plan import cells_of
from fedleak.campaign.schedule import schedule_of
from fedleak.experiment.grid import parse_campaign
from fedleak.runs.folder import RunFolder

CAMPAIGN = parse_campaign({
    "name": "shared", "task": "digits-mlp", "seed": [1, 2], "adversary": {"auxiliary": [0, 8]},
    "federation": {"clients": 1}, "attacks": [{"use": "dlg"}],
    "defenses": [{"name": "none"}, {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}]}],
})  # fmt: skip


def test_points_that_share_a_federation_are_sections_of_one(tmp_path):
    schedule = schedule_of(CAMPAIGN, RunFolder(tmp_path), "loopback")
    assert len(CAMPAIGN.points) == 4
    assert [federation.key for federation in schedule.federations] == list(schedule.sections)
    assert len(schedule.federations) == 2 * 2
    sections = [section for shared in schedule.sections.values() for section in shared]
    assert sorted(sections) == [(number, name) for number in range(4) for name in ("noisy", "none")]
    assert {len(shared) for shared in schedule.sections.values()} == {2}


def test_cells_go_before_federations_and_then_nothing_is_left(tmp_path):
    schedule = schedule_of(CAMPAIGN, RunFolder(tmp_path), "loopback")
    federations = list(schedule.federations)
    row = CAMPAIGN.points[0].experiment.defenses[0]
    cells = cells_of(CAMPAIGN, 0, tmp_path, row, {(1, 0): "digest"})
    assert schedule.next() is federations[0]
    schedule.cells.extend(cells)
    assert [schedule.next() for _ in range(4)] == [*cells, *federations[1:]]
    assert schedule.empty
    assert schedule.next() is None


ANSWERING = parse_campaign({
    "name": "answers", "task": "digits-mlp", "adversary": {"queries": [10, 100], "lacks": [1]},
    "federation": {"clients": 2, "rounds": 2},
    "defenses": [
        {"name": "noisy", "chain": [{"use": "gaussian-noise", "std": 0.1}, {"use": "rounding", "digits": 1}]},
        {"name": "none"},
        {"name": "label", "chain": [{"use": "label-only"}]},
        {"name": "noisy label", "chain": [{"use": "label-only"}, {"use": "gaussian-noise", "std": 0.1}]},
    ],
})  # fmt: skip


def test_rows_that_differ_in_answers_alone_share_a_federation(tmp_path):
    folder = RunFolder(tmp_path)
    schedule = schedule_of(ANSWERING, folder, "loopback")
    assert [federation.defense.name for federation in schedule.federations] == ["noisy", "none"]
    names = [[name for _, name in shared] for shared in schedule.sections.values()]
    assert names == [["noisy", "noisy label"] * 2, ["none", "label"] * 2]
    assert folder.recordings("label") == folder.recordings("none") != folder.recordings("noisy")
    assert folder.vault("noisy label") == folder.vault("noisy")
    assert [federation.recordings for federation in schedule.federations] == [
        folder.recordings("noisy"), folder.recordings("none")
    ]  # fmt: skip


def test_a_row_that_no_longer_shares_has_its_own_federation_again(tmp_path):
    folder = RunFolder(tmp_path)
    schedule_of(ANSWERING, folder, "loopback")
    apart = {**ANSWERING.tree, "defenses": [{"name": "label", "chain": [{"use": "top-k", "fraction": 0.5}]}]}
    schedule_of(parse_campaign(apart), folder, "loopback")
    assert folder.recordings("label") == tmp_path / "recordings" / "label"


def test_federations_that_only_set_thresholds_come_last_and_record_nothing(tmp_path):
    campaign = parse_campaign({
        "name": "trial", "task": "digits-mlp", "seed": [1, 2], "federation": {"clients": 2},
        "calibration": {"seeds": 2}, "attacks": [{"use": "dlg"}],
        "defenses": [{"name": "watched", "chain": [{"use": "weight-watch"}]}],
    })  # fmt: skip
    found = schedule_of(campaign, RunFolder(tmp_path), "loopback").federations
    assert [one.point.experiment.seed for one in found] == [1, 2, 3, 4]
    assert [bool(one.records) for one in found] == [True, True, False, False]
