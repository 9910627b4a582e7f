"""What a cell's address depends on."""

from fedleak.campaign.plan import Choice, cells_of, counts_of, devices_of
from fedleak.evaluation.adversary import rng_of
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.canonical import attack_tables
from fedleak.experiment.grid import parse_campaign
from fedleak.statistics.group import Variant


def addresses(campaign: Campaign, tmp_path, messages) -> dict[tuple[str, int], str]:
    point = campaign.points[0]
    cells = cells_of(campaign, 0, tmp_path, point.experiment.defenses[0], messages)
    return {(cell.place.attack, cell.place.client): cell.address for cell in cells}


def test_an_attack_depends_on_other_messages_only_if_it_wants_more_than_its_own(tmp_path):
    campaign = parse_campaign({
        "name": "who", "task": "digits-mlp", "federation": {"clients": 2},
        "attacks": [{"use": "dlg"}, {"use": "loss-trajectory"}, {"use": "best-of", "attack": {"use": "update-cosine"}}],
    })  # fmt: skip
    before = addresses(campaign, tmp_path, {(1, 0): "a", (1, 1): "b"})
    after = addresses(campaign, tmp_path, {(1, 0): "a", (1, 1): "c"})
    changed = {key for key, address in before.items() if after[key] != address}
    assert changed == set(before) - {("dlg", 0)}
    assert len(set(before.values())) == len(before) == 6


def test_an_attack_on_a_cut_depends_on_the_diaries_that_others_networks_are_in(tmp_path):
    campaign = parse_campaign({
        "name": "cut", "task": "digits-mlp", "federation": {"partition": "columns", "clients": 2, "cut": 3},
        "adversary": {"known_labels": 40, "bottoms": "weights"}, "attacks": [{"use": "regularised-likelihood"}],
    })  # fmt: skip
    before = addresses(campaign, tmp_path, {(1, "active"): "a", (1, 1): "b"})
    after = addresses(campaign, tmp_path, {(1, "active"): "a", (1, 1): "c"})
    assert before
    assert all(after[key] != address for key, address in before.items())


def twinned(does: dict, use: str, **more) -> Campaign:
    return parse_campaign({
        "name": "twin", "task": "digits-mlp", "adversary": {"does": [does], "known_labels": 40, "auxiliary": 0},
        "attacks": [{"use": use}], **more,
    })  # fmt: skip


def test_a_payload_is_looked_for_in_the_clean_twin_whose_coming_to_something_is_in_the_address(tmp_path):
    more = {"federation": {"clients": 2, "rounds": 2, "release": "last"}}
    more["adversary"] = {"does": [{"use": "lsb-encoding", "images": 2}]}
    campaign = twinned({}, "lsb-decoding", **more)
    row, found = campaign.first.defenses[0], []
    for honest in (None, {}, {(2, "model"): "a"}, {(2, "model"): "b"}):
        (cell,) = cells_of(campaign, 0, tmp_path, row, {(2, "model"): "digest"}, honest=honest)
        assert cell.twin is not None
        found.append(cell.address)
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_what_tampering_only_makes_easier_stands_beside_guessing_and_not_beside_the_same_attack(tmp_path):
    split = {"partition": "columns", "clients": 2, "cut": 3}
    campaign = twinned({"use": "malicious-optimizer"}, "active-labels", federation=split)
    row, messages = campaign.first.defenses[0], {(1, "active"): "a", (1, 1): "b"}
    assert campaign.points[0].twin is not None
    cells = [cells_of(campaign, 0, tmp_path, row, messages, honest=honest) for honest in (None, messages)]
    assert cells[0] == cells[1]
    assert cells[0]
    assert all(cell.twin is None for cell in cells[0])


CHOOSING = {
    "name": "choosing", "task": "digits-mlp", "federation": {"clients": 2}, "adversary": {"victims": 1},
    "attacks": [{"use": "dlg", "steps": [1, 2]}, {"use": "prior"}],
    "tuning": {"seeds": [7], "only_chosen": True},
}  # fmt: skip


def chosen(campaign: Campaign, number: int, *winners: Variant) -> list[str]:
    return Choice(frozenset(winners)).labels(campaign, campaign.points[number], "none", (1, 0))


def test_on_tuning_seeds_variants_are_tried_and_on_the_others_only_the_chosen_one_runs():
    campaign = parse_campaign(CHOOSING)
    winner = Variant("digits-mlp", (), "none", "dlg", "dlg steps=2", "client")
    assert [point.split for point in campaign.points] == ["test", "tuning"]
    assert chosen(campaign, 1) == ["dlg steps=1", "dlg steps=2"]
    assert chosen(campaign, 0, winner) == ["dlg steps=2", "prior"]
    assert counts_of(campaign) == (2, 4)


def test_what_was_chosen_elsewhere_has_no_say_and_then_the_first_variant_runs():
    campaign = parse_campaign(CHOOSING)
    others = [{"defense": "noisy"}, {"sender": "aggregate"}, {"task": "photos-convnet"}, {"algorithm": "plain dlg"}]
    winner = Variant("digits-mlp", (), "none", "dlg", "dlg steps=2", "client")
    assert chosen(campaign, 0, *(winner._replace(**other) for other in others)) == ["dlg steps=1", "prior"]


def test_without_being_asked_to_all_variants_run_everywhere():
    campaign = parse_campaign({**CHOOSING, "tuning": {"seeds": [7]}})
    assert [len(chosen(campaign, number)) for number in (0, 1)] == [3, 3]


VERSIONS = {
    "name": "versions", "task": "digits-mlp", "federation": {"rounds": 4, "release": [1, 3, 4]},
    "adversary": {"queries": 9}, "attacks": [{"use": "updates-leak"}, {"use": "confidence-inversion"}],
}  # fmt: skip


def test_the_first_release_is_compared_with_none(tmp_path):
    campaign = parse_campaign(VERSIONS)
    row = campaign.first.defenses[0]
    cells = cells_of(campaign, 0, tmp_path, row, {(round, "model"): "digest" for round in (1, 3, 4)})
    found = [(cell.place.round, cell.place.attack) for cell in cells]
    others = [(round, name) for round in (3, 4) for name in ("updates-leak", "confidence-inversion")]
    assert found == [(1, "confidence-inversion"), *others]
    assert counts_of(campaign) == (1, len(found))


DEVICES = {
    "name": "devices", "task": "digits-mlp", "federation": {"clients": 1},
    "attacks": [
        {"use": "dlg"}, {"use": "plain", "attack": {"use": "idlg"}}, {"use": "dlg", "device": "cpu"}, {"use": "prior"},
    ],
}  # fmt: skip


def test_attacks_compute_where_the_experiment_does_unless_they_name_a_device():
    one = parse_campaign({**DEVICES, "device": "cuda"})
    dlg, plain, own, prior = attack_tables(one.first)
    assert [dlg["device"], plain["attack"]["device"], own["device"]] == ["cuda", "cuda", "cpu"]
    assert "device" not in prior
    assert devices_of(one) == {"cpu", "cuda"}
    assert devices_of(parse_campaign(DEVICES)) == {"cpu"}
    assert devices_of(parse_campaign({**DEVICES, "attacks": [{"use": "dlg", "device": "cuda"}]})) == {"cpu", "cuda"}


def test_a_campaign_over_devices_is_written_and_read_as_it_was():
    one = parse_campaign({**DEVICES, "device": ["cpu", "cuda"]})
    again = parse_campaign(one.tree)
    assert again.tree == one.tree
    assert [attack_tables(point.experiment) for point in again.points] == [
        attack_tables(point.experiment) for point in one.points
    ]
    assert [point.setting for point in one.points] == [{"device": "cpu"}, {"device": "cuda"}]


def test_the_kind_of_device_is_part_of_an_address_and_not_of_the_dice(tmp_path):
    cpu, cuda = (parse_campaign({**DEVICES, "device": kind}) for kind in ("cpu", "cuda"))
    here, there = (addresses(one, tmp_path, {(1, 0): "a"}) for one in (cpu, cuda))
    assert parse_campaign(DEVICES).tree == cpu.tree
    assert here != there
    assert set(here.values()).isdisjoint(there.values())
    dice = []
    for one in (cpu, cuda):
        cells = cells_of(one, 0, tmp_path, one.first.defenses[0], {(1, 0): "a"})
        dice.append([rng_of(cell.place, cell.table).initial_seed() for cell in cells])
    assert dice[0] == dice[1]
