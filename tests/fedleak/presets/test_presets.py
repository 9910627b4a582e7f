"""The presets that come with fedleak can be run as they are."""

import re
import shlex
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fedleak.analysis.conditions import is_diagnostic
from fedleak.campaign.plan import counts_of
from fedleak.cli.app import app
from fedleak.contracts.at_cut import AT_CUT
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.errors import DataError
from fedleak.experiment.comparison import compared
from fedleak.experiment.experiment import read_tree
from fedleak.experiment.grid import campaign_of, load_campaign, parse_campaign
from fedleak.gate.policy import load_policy

PRESETS = files("fedleak") / "presets"
EXPERIMENTS = sorted(one.name for one in PRESETS.iterdir() if one.name.endswith(".toml") and "policy" not in one.name)


PRIVATE = {"encrypted-inference", "mpc-inference"}
"""Defenses of the query, which are no defense from who asks it: what an attack gets they leave as it is."""
OF_FILES = {"attributes-adult.toml": "task.data=adult:{}"}
"""Presets that need data which are not ours to give, and how a user names them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in EXPERIMENTS if one not in OF_FILES])
def test_it_can_be_planned(name):
    assert counts_of(load_campaign(PRESETS / name))[1] > 0


@pytest.mark.slow
def test_a_preset_of_files_is_planned_with_a_path_and_without_one_says_what_is_missing(tmp_path):
    married = ("Married-AF-spouse", "Married-civ-spouse", "Married-spouse-absent")
    status = (*married, "Divorced", "Never-married", "Separated", "Widowed")
    few = ("ab", "cde", "fg", "hij", "kl")
    people = [
        f"{20 + row}, {few[0][row % 2]}, {row}, {few[1][row % 3]}, {row % 5}, {status[row % 7]}, {few[2][row % 2]}, W, "
        f"{few[3][row % 3]}, {few[4][row % 2]}, {row % 9}, {row % 8}, {row % 6}, {few[0][row % 2]}, {row % 4 == 0}"
        for row in range(70)
    ]
    (tmp_path / "adult.data").write_text("\n".join(people) + "\n")
    (name,) = OF_FILES
    campaign = load_campaign(PRESETS / name, (OF_FILES[name].format(tmp_path),))
    assert counts_of(campaign)[1] > 0
    assert campaign.first.adversary.hidden == ("marital-status",)
    with pytest.raises(DataError, match=r"adult: expected adult.data in .*, found none; unpack https://"):
        load_campaign(PRESETS / name, (OF_FILES[name].format(tmp_path / "none"),))


COMMANDS = [
    (name, options)
    for name in EXPERIMENTS
    for options in re.findall(r"`((?:--set [^ `]+ ?)+)`", (PRESETS / name).read_text())
]


def test_presets_recommend_commands():
    assert len([name for name, _ in COMMANDS if name == "cohort-size.toml"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), COMMANDS)
def test_what_its_comment_recommends_can_be_planned(name: str, options: str, tmp_path: Path) -> None:
    command = ["run", str(PRESETS / name), *shlex.split(options), "--plan", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert re.search(r"settings, \d+ federations, \d+ cells", result.output)


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in EXPERIMENTS if one.startswith("compare")])
def test_a_comparison_has_ten_seeds_an_undefended_row_and_one_operating_point(name):
    campaign = parse_campaign(compared(read_tree(PRESETS / name), 5))
    assert len({point.experiment.seed for point in campaign.points if point.split == "test"}) >= 10
    assert campaign.only_chosen
    assert not any(point.experiment.utility.overrides for point in campaign.points)
    assert Chain() in campaign.first.build_chains().values()
    assert all(point.experiment.utility.rounds for point in campaign.points)


@pytest.mark.slow
def test_what_may_be_answered_leaves_few_defenses_of_answers_out():
    campaign = load_campaign(PRESETS / "api-defenses.toml")
    chains = [chain for point in campaign.points for chain in point.experiment.build_chains().values()]
    used = {one.name for chain in chains for one in chain}
    assert {cls.name for cls in defenses if "answers" in cls.acts_on} - used == {
        *("prada", "query-outliers"),  # audited
        *PRIVATE,
    }


@pytest.mark.slow
def test_the_large_comparison_leaves_few_defenses_out():
    campaign = load_campaign(PRESETS / "compare-defenses-large.toml")
    used = {one.name for chain in campaign.first.build_chains().values() for one in chain}
    elsewhere = ({"release", "answers"}, {"received", "requirements"})
    of_updates = {
        cls.name for cls in defenses if not (any(cls.acts_on <= one for one in elsewhere) or cls.acts_on & AT_CUT)
    }
    of_the_model = {"adversarial-training", "flat-outputs", "pate", "rappor", "sanitisation", "scrubbing"}
    assert of_updates - of_the_model - used - PRIVATE <= {
        "dp-sgd",
        "group-norm",
        "withhold",
        "withhold-batch-norm",
        "user-level-dp",
        "secure-aggregation-flower",
        "homomorphic-aggregation",
    }  # fmt: skip  they need a network, or a federation, that not all of its tasks are, or reveal the sum as ours does


@pytest.mark.slow
def test_the_diagnostic_preset_takes_one_comfort_away_at_a_time():
    campaign = load_campaign(PRESETS / "diagnostic.toml")
    first, *others = {point.setting["vary"]: point.experiment for point in campaign.points}.values()
    assert is_diagnostic(campaign_of(first))
    assert all(one.task != first.task or not is_diagnostic(campaign_of(one)) for one in others)
    assert all(not chain for one in others for chain in one.build_chains().values())


@pytest.mark.slow
def test_each_size_of_a_round_with_servers_that_cheat_has_an_honest_one_and_the_policy_names_no_other():
    points = [point.experiment for point in load_campaign(PRESETS / "malicious.toml").points]
    sizes: dict[tuple[str, int], set[str]] = {}
    for one in points:
        sizes.setdefault((one.task.label, one.federation.batch_size), set()).add(one.server.name)
    assert len(sizes) == 3
    assert all("honest" in servers for servers in sizes.values())
    assert {row.name for row in points[0].defenses} == {"single updates", "secure aggregation", "detection"}
    rules = load_policy(PRESETS / "malicious-policy.toml").rules
    named = set(re.findall(r'"([^"]+)"', " ".join(rule.text for rule in rules)))
    assert named - {"detection", "aggregate"} <= set.union(*sizes.values())
