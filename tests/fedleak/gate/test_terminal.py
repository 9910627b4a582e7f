"""What the terminal shows is text and no more, and its words are those of the golden file."""

import math
from pathlib import Path

import pytest

from fedleak.gate.baseline import compare
from fedleak.gate.terminal import verdict_lines

GOLDEN = Path(__file__).with_name("verdict.txt")
"""Whoever changes a sentence of the gate changes it here too; other tests ask for judgements and numbers."""
RULES = [
    "psnr < 18",
    "psnr < no-access + 1 unless defense = 'noise'",
    "psnr < 18 where defense = 'nowhere'",
    "psnr < 18 where defense = 'gone'",
    "psnr < 18 unless attack in ['dlg', 'idlg']",
    "psnr.worst < 99 where defense = 'none'",
    "certified == 0 where defense = 'none'",
]


@pytest.fixture
def rows(make_row):
    """Some leak, some fail, some crash; one has no baseline, one is a guess without the update."""
    changed = [{}, {"client": 1}, {"defense": "noise"}, {"defense": "noise", "attack": "idlg"}, {"defense": "bare"}]
    changed += [{"algorithm": "prior", "attack": "prior"}]
    figures = [(15.0,), (17.5,), (), (40.0, 11.0), (12.0,), (10.0,)]
    made = [make_row(*figure, **place) for figure, place in zip(figures, changed, strict=True)]
    made[4] = make_row(12.0, defense="bare", no_access=math.nan)
    return [*made, make_row(client=2), make_row(defense="gone"), make_row(defense="gone", attack="idlg")]


@pytest.fixture
def baseline(make_row):
    old = [*(make_row(1.0 + seed / 9, seed=seed) for seed in range(9)), make_row(1.0, defense="lost")]
    old += [make_row(defense="mended"), make_row(1.0, defense="once"), make_row(1.0, client=1)]
    new = [*(make_row(30.0, seed=seed) for seed in range(9)), make_row(60.0, defense="mended")]
    new += [make_row(60.0, defense="once"), make_row(client=1), make_row(1.0, defense="new")]
    return compare(new, old, Path("runs/old"), 0.05, changed=["attacks.0.steps: 60 in the baseline, 1 here"])


def test_the_words_of_a_verdict(make_verdict, rows, baseline):
    crashed = {"crashed": lambda row: "crashed" if row.attack == "idlg" else ""}
    verdicts = [
        make_verdict(RULES, rows, baseline, ["3 of 9 cells have not run"]),
        make_verdict(RULES[:1], rows, **crashed),
        make_verdict(RULES, rows, decide_by="interval"),
    ]
    pages = ["\n".join(verdict_lines(verdict)) for verdict in verdicts]
    assert "\n\n".join(pages) + "\n" == GOLDEN.read_text()


def test_what_steers_a_terminal_is_left_out(make_verdict, make_row):
    lines = list(verdict_lines(make_verdict(["psnr < 1"], [make_row(9.0, defense="a\x1b[31mb\0c\x9b")])))
    assert any("'a[31mbc'" in line for line in lines)
    assert not {"\x1b", "\x9b", "\0"} & {*"".join(lines)}
