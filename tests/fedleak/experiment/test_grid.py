"""A grid expands into one point for each combination, the same for every spelling, and mistakes are one sentence."""

import json
import time
import tomllib

import pytest
import tomli_w

from fedleak.campaign.plan import cells_of, counts_of, expected_counts, federation_address
from fedleak.cli.run import print_plan
from fedleak.errors import ConfigError
from fedleak.experiment.canonical import experiment_facts
from fedleak.experiment.experiment import parse_experiment
from fedleak.experiment.grid import load_campaign, parse_campaign
from fedleak.experiment.naming import labeled_attacks
from fedleak.io.fingerprint import address_of
from fedleak.results.schema import AGGREGATE
from fedleak.settings.base import A_NAME

TREE = {"name": "grid", "task": "digits-mlp", "attacks": [{"use": "bias-sign"}]}


def expand(**changes):
    return parse_campaign({**TREE, **changes})


def labels(campaign):
    return list(labeled_attacks(campaign.first))


def test_one_experiment_is_a_campaign_of_one_point():
    (point,) = expand().points
    assert (point.setting, point.federation, point.split) == ({}, "", "test")
    assert point.experiment == parse_experiment(TREE)
    assert expand().tree == experiment_facts(parse_experiment(TREE))


def test_a_list_where_one_value_is_expected_is_an_axis():
    campaign = expand(seed=[1, 2], task=["digits-mlp", "digits-lenet"], federation={"batch_size": [1, 4]})
    found = [
        (p.experiment.seed, p.experiment.task.label, p.experiment.federation.batch_size, p.setting)
        for p in campaign.points
    ]
    assert found == [
        (seed, task, size, {"federation.batch_size": size})
        for task in ("digits-mlp", "digits-lenet")
        for size in (1, 4)
        for seed in (1, 2)
    ]


def test_settings_have_folders_of_their_own_named_for_what_varies():
    folders = [point.federation for point in expand(seed=[1, 2], federation={"batch_size": [1, 4]}).points]
    assert folders == ["seed=1 batch_size=1", "seed=2 batch_size=1", "seed=1 batch_size=4", "seed=2 batch_size=4"]


def test_a_list_of_one_value_does_not_vary():
    (point,) = expand(seed=[7], federation={"batch_size": [4]}).points
    assert (point.experiment.seed, point.setting, point.federation) == (7, {}, "")


def test_an_option_of_an_attack_is_an_axis_and_its_variants_are_labeled():
    campaign = expand(attacks=[{"use": "dlg", "steps": [100, 400]}, {"use": "bias-sign"}])
    assert labels(campaign) == ["dlg steps=100", "dlg steps=400", "bias-sign"]
    assert len(campaign.points) == 1


def test_options_of_a_nested_attack_and_the_attack_itself_are_axes():
    nested = {"use": "best-of", "attack": {"use": "dlg", "steps": [3, 4]}, "restarts": [2, 3]}
    expected = [f"best-of steps={steps} restarts={restarts}" for steps in (3, 4) for restarts in (2, 3)]
    assert labels(expand(attacks=[nested])) == expected
    assert labels(expand(attacks=[{"use": ["dlg", "idlg"], "steps": 3}])) == ["dlg", "idlg"]


def test_a_label_of_ones_own_names_the_rows():
    table = {"use": "dlg", "label": "patient dlg", "steps": [3, 4]}
    assert labels(expand(attacks=[table])) == ["patient dlg steps=3", "patient dlg steps=4"]
    assert labels(expand(attacks=[{"use": "dlg", "label": "patient"}])) == ["patient"]
    with pytest.raises(ConfigError, match=r"attacks\.0\.label: expected a name"):
        expand(attacks=[{"use": "dlg", "label": 3}])


def test_numbered_names_leave_given_ones_alone():
    tables = [{"use": "dlg", "label": label} for label in ("x", "x", "x-2", "x")]
    assert labels(expand(attacks=tables)) == ["x", "x-3", "x-2", "x-4"]
    unlabeled = [{"use": "dlg", "steps": steps} for steps in (1, 2)]
    assert labels(expand(attacks=unlabeled)) == ["dlg", "dlg-2"]


def test_messages_are_counted_without_being_listed():
    experiment = expand(
        federation={"clients": 3, "rounds": 2},
        defenses=[{"name": "none"}, {"name": "s", "chain": [{"use": "secure-aggregation"}]}],
    ).first
    assert [dict(expected_counts(experiment, row)) for row in experiment.defenses] == [{0: 6}, {0: 6, AGGREGATE: 2}]


def test_a_plan_tells_combinations_apart_that_share_a_federation(capsys):
    varied = [{"name": "few", "attacks": [{"use": "idlg"}]}, {"name": "many", "attacks": [{"use": "dlg"}]}]
    print_plan(expand(vary=varied, adversary={"auxiliary": [0, 32]}))
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"  digits-mlp vary={name} auxiliary={number}" for name in ("few", "many") for number in (0, 32)
    ]


def test_a_plan_names_servers_whole_where_the_name_of_a_federation_is_cut(capsys):
    names = ("models of two kinds in the first round", "the same in a later round")
    servers = [{"name": name, "chain": [{"use": "fishing"}]} for name in names]
    varied = {"learning_rate": [0.125, 0.25], "batch_size": [1, 2], "batches": [1, 2], "momentum": [0.25, 0.5],
              "weight_decay": [0.125, 0.25]}  # fmt: skip
    campaign = expand(servers=servers, federation={"clients": 4, **varied})
    assert not any(name in point.federation for name in names for point in campaign.points)
    print_plan(campaign)
    lines = capsys.readouterr().out.splitlines()[1:-1]
    assert [line.rpartition("server=")[2] for line in lines] == [one.setting["server"] for one in campaign.points[:20]]


def test_a_grid_that_is_too_large_is_refused_at_once():
    started = time.process_time()
    with pytest.raises(ConfigError, match="the grid has 1000000000000000000 cells"):
        expand(federation={"clients": 10**9, "rounds": 10**9})
    assert time.process_time() - started < 1


def test_an_option_of_a_defense_is_an_axis():
    chain = [{"use": "clipping", "max_norm": [1.0, 4.0]}]
    campaign = expand(defenses=[{"name": "none"}, {"name": "clipped", "chain": chain}])
    assert list(campaign.first.build_chains()) == ["none", "clipped max_norm=1.0", "clipped max_norm=4.0"]


def test_where_a_list_is_expected_a_list_of_lists_is_an_axis():
    campaign = expand(adversary={"unknown": [["epochs"], []]})
    assert [point.experiment.adversary.unknown for point in campaign.points] == [("epochs",), ()]
    (point,) = expand(adversary={"unknown": ["epochs"]}).points
    assert point.experiment.adversary.unknown == ("epochs",)


def test_vary_names_combinations_instead_of_multiplying():
    campaign = expand(
        federation={"clients": 4},
        vary=[
            {"name": "photo", "federation": {"batch_size": 1}},
            {"name": "batch", "federation": {"batch_size": 8, "clients": 2}, "seed": [1, 2]},
        ],
    )
    facts = [(p.setting["vary"], p.experiment.federation.clients, p.experiment.seed) for p in campaign.points]
    assert facts == [("photo", 4, 0), ("batch", 2, 1), ("batch", 2, 2)]


def test_what_only_the_attacker_holds_shares_a_federation():
    campaign = expand(adversary={"auxiliary": [0, 32, 64]}, seed=[1, 2])
    assert counts_of(campaign)[0] == 2
    addresses = {federation_address(p.experiment, p.experiment.defenses[0]) for p in campaign.points}
    assert len(addresses) == 2


def test_combinations_that_name_two_defenses_alike_share_no_federation():
    def noisy(std):
        return [{"name": "noisy", "chain": [{"use": "gaussian-noise", "std": std}]}]

    campaign = expand(vary=[{"name": "a", "defenses": noisy(0.1)}, {"name": "b", "defenses": noisy(0.2)}])
    assert [point.federation for point in campaign.points] == ["vary=a", "vary=b"]
    alike = expand(vary=[{"name": "a", "attacks": [{"use": "idlg"}]}, {"name": "b", "attacks": [{"use": "dlg"}]}])
    assert {point.federation for point in alike.points} == {""}


def test_every_cell_has_an_address_of_its_own_and_a_place_of_its_own(tmp_path):
    campaign = expand(
        seed=[1, 2], adversary={"auxiliary": [0, 32]}, attacks=[{"use": "dlg", "steps": [1, 2]}, {"use": "idlg"}]
    )
    cells = [
        cell
        for number, point in enumerate(campaign.points)
        for cell in cells_of(campaign, number, tmp_path, point.experiment.defenses[0], {(1, 0): "a", (1, 1): "b"})
    ]
    assert len(cells) == 2 * 2 * 3 * 2
    assert len({cell.address for cell in cells}) == len(cells)
    assert len({cell.folder.cell(cell.place) for cell in cells}) == len(cells)


GRIDS = [
    {"seed": [1, 2], "federation": {"batch_size": [1, 4]}},
    {"attacks": [{"steps": [3, 4], "use": "dlg"}, {"use": ["idlg", "bias-sign"]}]},
    {"adversary": {"unknown": [[], ["epochs"]]}, "task": ["digits-lenet", "digits-mlp"]},
    {"vary": [{"name": "a", "seed": 1}, {"name": "b", "attacks": [{"use": "idlg", "steps": [1, 2]}]}]},
    {"tuning": {"seeds": [8, 9]}, "attacks": [{"use": "dlg", "steps": [3, 4]}]},
    {"attacks": [{"use": ["dlg", "update-cosine"]}]},
    {"attacks": [{"use": ["dlg", "update-cosine"]}], "metrics": ["membership-auc"]},
    {"vary": [{"name": "a"}, {"name": "b", "attacks": [{"use": "update-cosine"}]}]},
    {"defenses": [{"name": "x", "chain": [{"use": "top-k", "fraction": [0.1, 0.2]}]}]},
]


@pytest.mark.parametrize("changes", GRIDS)
def test_the_file_that_is_written_gives_the_same_campaign_again(changes, tmp_path):
    campaign = expand(**changes)
    (tmp_path / "experiment.toml").write_text(tomli_w.dumps(campaign.tree))
    again = load_campaign(tmp_path / "experiment.toml")
    assert again.tree == campaign.tree
    assert [point.setting for point in again.points] == [point.setting for point in campaign.points]
    facts = [experiment_facts(point.experiment) for point in campaign.points]
    assert [experiment_facts(point.experiment) for point in again.points] == facts


def test_metrics_fit_all_attacks_that_an_axis_names_and_those_of_each_combination():
    (point,) = expand(attacks=[{"use": ["dlg", "update-cosine"]}]).points
    assert {"psnr", "membership-auc"} <= set(point.experiment.metrics)
    points = expand(vary=[{"name": "a"}, {"name": "b", "attacks": [{"use": "update-cosine"}]}]).points
    assert [one.experiment.metrics[0] for one in points] == ["label-recall", "membership-auc"]


def test_the_order_of_lines_in_a_file_means_nothing():
    one = tomllib.loads('task = ["digits-mlp", "digits-lenet"]\nseed = [1, 2]\nname = "x"')
    other = tomllib.loads('name = "x"\nseed = [1, 2]\ntask = ["digits-mlp", "digits-lenet"]')
    assert address_of(parse_campaign(one).tree) == address_of(parse_campaign(other).tree)
    assert parse_campaign(one).points == parse_campaign(other).points


def test_tuning_seeds_are_points_of_their_own():
    campaign = expand(
        seed=[1, 2], tuning={"seeds": [8]}, attacks=[{"use": "dlg", "steps": [3, 4]}], federation={"batch_size": [1, 2]}
    )
    found = [(point.experiment.seed, point.split) for point in campaign.points]
    assert found == [(1, "test"), (2, "test"), (1, "test"), (2, "test"), (8, "tuning"), (8, "tuning")]


def test_only_the_seeds_that_are_named_for_it_are_trained_to_the_end():
    campaign = expand(
        seed=[1, 2, 3], tuning={"seeds": [8]}, attacks=[{"use": "dlg", "steps": [3, 4]}],
        utility={"rounds": 9, "seeds": [2]},
    )  # fmt: skip
    assert [point.evaluated for point in campaign.points] == [False, True, False, False]
    assert [point.rounds for point in campaign.points] == [1, 10, 1, 1]
    assert len({str(point.setting) for point in campaign.points}) == 1
    assert all(point.evaluated for point in expand(seed=[1, 2], utility={"rounds": 9}).points)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seed": []}, "seed: expected a value, or a list of values to try in turn, got an empty list"),
        ({"seed": [1, 1]}, "seed: 1 comes 2 times in the list"),
        ({"seed": [1, "x"]}, "seed: expected a valid integer, got 'x'"),
        ({"task": ["digits-mlp", "digits-mpl"]}, "no task is called 'digits-mpl'; did you mean 'digits-mlp'"),
        ({"federation": {"batch_size": [1, 0]}}, "federation.batch_size: expected greater than or equal to 1"),
        ({"federation": {"batch_sise": [1, 2]}}, "federation.batch_sise: unknown field; did you mean 'batch_size'"),
        ({"attacks": [{"use": "dlg", "steps": [3, "x"]}]}, "attacks.0.steps: expected a valid integer"),
        ({"attacks": [{"use": ["dlg", "idgl"]}]}, "no attack is called 'idgl'; did you mean 'idlg'"),
        ({"vary": {"name": "x"}}, "vary: expected tables such as [[vary]]"),
        ({"vary": [{"seed": 1}]}, "vary.0.name: expected a name"),
        ({"vary": [{"name": "x"}, {"name": "x"}]}, "vary.1.name: 'x' comes twice"),
        ({"vary": [{"name": "x", "sead": 1}]}, "vary.0.sead: unknown field; did you mean 'seed'"),
        ({"tuning": {"seeds": [0]}, "attacks": [{"use": "dlg", "steps": [1, 2]}]}, "tuning.seeds: 0 is a seed of the"),
        ({"tuning": {"seeds": []}, "attacks": [{"use": "dlg", "steps": [1, 2]}]}, "expected at least one seed"),
        ({"tuning": {"seeds": [5]}}, "tuning: no attack has variants to choose among"),
        ({"utility": {"seeds": [5]}}, "utility.seeds: 5 is no seed of the results; name some of those in seed"),
        ({"tuning": {"seed": [5]}}, "tuning.seed: unknown field; did you mean 'seeds'"),
        ({"seed": list(range(1000)), "federation": {"clients": list(range(1, 1000))}}, "the grid has 999000 settings"),
        ({"metrics": [["psnr"], ["mse"]]}, "metrics"),
        ({"federation": {"learning_rate": [1, 1.0]}}, "federation.learning_rate: 1 comes 2 times in the list"),
        ({"federation": {"momentum": [0.5, 0, 0.0, -0.0]}}, "federation.momentum: 0 comes 3 times in the list"),
        ({"vary": [{"name": "a", "seed": 1}, {"name": "b", "seed": 1}]}, "vary.1: 'b' has the same settings as 'a'"),
        ({"vary": [{"name": "a"}, {"name": "b", "seed": [0]}]}, "vary.1: 'b' has the same settings as 'a'"),
        ({"vary": [{"name": "a/b"}]}, f"vary.0.name: expected {A_NAME}, got 'a/b'"),
        ({"vary": [{"name": "x", "": 1}]}, "vary.0.'': unknown field"),
        ({"tuning": 3}, "tuning: expected a table, got 3"),
        ({"attacks": [{"use": ["dlg", "dgl"]}]}, "attacks.0.use: no attack is called 'dgl'; did you mean 'dlg'?"),
        ({"attacks": [{"use": "dlg", "label": "a/b", "steps": [1, 2]}]}, f"attacks.0.label: expected {A_NAME}"),
        (
            {"attacks": [{"use": "dlg", "label": "x", "steps": 1}, {"use": "dlg", "label": "x", "steps": 2}]},
            "attacks.1.label: 'x' names attacks.0 too",
        ),
        ({"federation": {"rounds": 10**12}}, "(at most 1 settings x 1 attacks x 1 defenses x 4 clients x 10000"),
        ({"federation": {"clients": 10**12}}, "the grid has 1000000000000 cells"),
        ({"federation": {"clients": [10**6, 1]}}, "the grid has 1000001 cells"),
        (
            {"attacks": [{"use": "dlg", "steps": list(range(1, 1001)), "seed": list(range(1000))}]},
            "attacks.0.seed: unknown field",
        ),
        pytest.param(
            {"attacks": [{"use": "dlg", "steps": list(range(1, 300_001))}]},
            "(at most 1 settings x 300000 attacks",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"defenses": [{"name": "c", "chain": [{"use": "clipping", "max_norm": list(range(1, 300_001))}]}]},
            "the grid has 1200000 cells",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"vary": [{"name": "a", "seed": list(range(60_000))}, {"name": "b", "seed": list(range(1, 60_001))}]},
            "the grid has 120000 settings (60000 seed, the largest of 2 combinations)",
            marks=pytest.mark.slow,
        ),
        ({"tuning": {"seeds": list(range(-100_000, 0))}}, "the grid has 100001 settings"),
        ({"name": ["a", "b"]}, "name: expected a valid string"),
    ],
)
def test_a_mistake_is_one_sentence(changes, sentence):
    with pytest.raises(ConfigError) as caught:
        expand(**changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_dropouts_are_an_axis_of_shares_and_of_lists_and_a_list_of_tables_is_one_value():
    tables = [{"client": 1, "stage": "confirm"}]
    for dropouts, values in [([0.0, 0.5], 2), (tables, 1), ([0.25, tables], 2), ([tables, [{"client": 0}]], 2)]:
        campaign = parse_campaign({**TREE, "federation": {"clients": 4, "dropouts": dropouts}})
        assert len(campaign.points) == values
        names = [point.federation for point in campaign.points]
        assert len(set(names)) == values
    mixed = parse_campaign({**TREE, "federation": {"clients": 4, "dropouts": [0.25, tables]}})
    assert [point.federation for point in mixed.points] == ["dropouts=0.25", "dropouts=client 1 before confirm"]
    assert json.loads(mixed.points[1].setting["federation.dropouts"]) == tables


def test_folders_of_lists_of_who_leaves_say_who_before_what_and_in_which_round():
    leave = [[{"client": 0}, {"client": 2, "stage": "share"}], [{"client": 0, "round": 2}]]
    campaign = parse_campaign({**TREE, "federation": {"clients": 4, "rounds": 2, "dropouts": leave}})
    assert [point.federation for point in campaign.points] == [
        "dropouts=client 0 before masked, client 2 before share",
        "dropouts=client 0 before masked in round 2",
    ]


def test_an_experiment_repeats_where_it_says_nothing_of_keys():
    def keys(**said):
        chain = [{"use": "secure-aggregation", **said}]
        (point,) = parse_campaign({**TREE, "defenses": [{"name": "summed", "chain": chain}]}).points
        return point.experiment.build_chains()["summed"].tables[0]["keys"]

    assert [keys(), keys(keys="system")] == ["seeded", "system"]
