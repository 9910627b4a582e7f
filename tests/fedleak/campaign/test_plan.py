"""What a cell's address depends on."""

from fedleak.campaign.plan import cells_of
from fedleak.experiment.campaign import Campaign
from fedleak.experiment.grid import parse_campaign


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
