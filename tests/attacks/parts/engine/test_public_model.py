"""Which networks are smooth."""

from fedleak.attacks.parts.engine.public_model import is_smooth


def test_smooth_networks_are_told_from_kinked_ones(linear_task, smooth_task, normalized_task):
    assert is_smooth(smooth_task.network)
    assert not is_smooth(linear_task.network)
    assert not is_smooth(normalized_task.network)
