"""What is known of how an update was computed."""

from dataclasses import replace

from fedleak.attacks.parts.applicability import mode_of


def test_the_mode_is_told_by_the_buffers(normalized_task, observe, batch_of):
    observation = observe(normalized_task, batch_of(normalized_task, 4))
    blind = replace(observation, training=observation.training.hiding(("mode",)))
    assert mode_of(blind) == "train"
    assert mode_of(replace(blind, buffers_after=blind.before.buffers)) == "eval"
    assert mode_of(replace(blind, buffers_after=None)) == "train"
