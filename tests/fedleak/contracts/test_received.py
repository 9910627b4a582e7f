"""What a check says of a model."""

import torch

from fedleak.contracts.defense import defenses
from fedleak.contracts.received import Alarm, Inspection, Received
from fedleak.data.splits import load
from fedleak.learning.training import LocalTraining
from fedleak.tasks import initial_weights, task_of


def test_an_alarm_s_figures_are_in_its_sentence_and_not_in_its_words() -> None:
    alarm = Alarm(
        defense="weight-watch", statistic="scale", value=6.64, threshold=3.0, words="another size", refuses=True
    )
    assert alarm.sentence == "another size (scale 6.64, threshold 3)"
    assert not any(sign.isdigit() for sign in alarm.words)


def test_what_does_not_look_sees_nothing() -> None:
    received = Received(
        task=task_of("digits-mlp"),
        weights=initial_weights("digits-mlp", 0),
        examples=load("digits-mlp").clients[torch.arange(4)],
        training=LocalTraining(batch_size=4),
        round=1,
    )
    assert Inspection().inspect(received) is None
    assert defenses.build("clipping", {"max_norm": 1.0}).inspect(received) is None
