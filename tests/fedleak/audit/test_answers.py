"""Answers: a small file, checked word for word."""

from pathlib import Path

import pytest

from fedleak.audit.answers import Answers, read_answers
from fedleak.errors import ConfigError
from fedleak.settings.base import parse_settings


def test_what_is_said_is_taken_at_its_word(tmp_path: Path) -> None:
    path = tmp_path / "FACTS.toml"
    path.write_text(
        'loss = "cross-entropy"\nnormalize = { mean = [0.5], std = [0.25] }\n'
        "[training]\nlearning_rate = 0.1\nepochs = 3\n"
    )
    answers = parse_settings(Answers, read_answers(path))
    assert answers.training is not None
    facts = answers.training.training()
    assert (facts.learning_rate, facts.epochs, facts.batch_size, facts.optimizer) == (0.1, 3, 1, "sgd")
    assert answers.said["normalize"] == "mean 0.5, std 0.25"
    assert read_answers(None) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("los = 1", "--facts"),
        ('[training]\noptimizer = "sgd"', "learning_rate"),
        ("loss = ", "Invalid value"),
        ('loss = "hinge"', "cross-entropy"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "FACTS.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_answers(path)
    with pytest.raises(ConfigError, match=r"nowhere\.toml"):
        read_answers(tmp_path / "nowhere.toml")
