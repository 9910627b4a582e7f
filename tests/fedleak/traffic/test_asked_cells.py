"""Cells that asked: each has its log whole, and a log that is damaged or of another cell is one sentence."""

from dataclasses import replace

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.errors import ConfigError, RecordingError
from fedleak.experiment.grid import parse_campaign
from fedleak.runs.reading import read_run
from fedleak.serving.log import write_log
from fedleak.traffic.asked_cells import asked_cells

pytestmark = pytest.mark.slow  # all are about the traffic of a whole run


def test_each_cell_has_all_that_it_asked_and_none_more(cells):
    for kind, queries in {"usual": 179, "noise": 400, "steps": 400, "few": 5}.items():
        assert [len(cell.log) for cell in cells[kind]] == [queries] * 5
        assert {cell.row.queries for cell in cells[kind]} == {queries}


def test_tuning_rows_are_not_looked_at(watched):
    tuned = [replace(row, split="tuning") for row in watched.rows if row.attack == "usual"]
    rest = [row for row in watched.rows if row.attack != "usual"]
    found = asked_cells(replace(watched, rows=(*tuned, *rest)))
    assert {cell.row.attack for cell in found} == {"noise", "steps", "few"}


def test_a_run_without_a_service_is_one_sentence(watched):
    silent = replace(watched, rows=tuple(replace(row, queries=0, refused=0) for row in watched.rows))
    with pytest.raises(ConfigError, match="asked a prediction API, so that there is no traffic; expected a run with"):
        asked_cells(silent)


def test_a_log_that_is_cut_off_is_one_sentence(damaged):
    folder, stem = damaged
    path = stem.with_name(f"{stem.name}.safetensors")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(RecordingError, match="truncated"):
        _ = asked_cells(read_run(folder.root))[0].log


def test_a_log_that_rows_tell_otherwise_of_is_one_sentence(damaged):
    folder, stem = damaged
    cell = asked_cells(read_run(folder.root))[0]
    write_log(stem, replace(cell.log, answers=torch.full_like(cell.log.answers, torch.nan)))
    with pytest.raises(RecordingError, match=r"expected 179 queries of which 0 were refused, .* got 179 and 179; run"):
        _ = asked_cells(read_run(folder.root))[0].log


def test_rows_that_share_a_recording_and_differ_in_what_left_asked_different_models(watched):
    chains = {"none": [], "pruned": [{"use": "pruning"}], "rounded": [{"use": "rounding"}]}
    tables = [{"name": name, "chain": chain} for name, chain in chains.items()]
    settings = {"federation": {"release": "last"}, "adversary": {"queries": 60}}
    attacks = [{"use": "confidence-inversion"}]
    told = {"name": "asked", "task": "digits-mlp", "attacks": attacks, "defenses": tables, **settings}
    campaign = parse_campaign(told)
    watched.folder.share("pruned", "", "none")
    watched.folder.share("rounded", "", "none")
    rows = [replace(watched.rows[0], federation="", defense=name) for name in chains]
    none, pruned, rounded = asked_cells(replace(watched, campaign=campaign, rows=tuple(rows)))
    assert none.recording == pruned.recording == rounded.recording
    assert none.model == rounded.model != pruned.model
    assert pruned.chain == Chain.build(({"use": "pruning"},))


def test_a_row_of_no_defense_of_the_run_is_one_sentence(watched):
    other = replace(watched.rows[0], defense="other")
    with pytest.raises(RecordingError, match=r"experiment.toml has no defense 'other'; run the experiment again"):
        asked_cells(replace(watched, rows=(other,)))
