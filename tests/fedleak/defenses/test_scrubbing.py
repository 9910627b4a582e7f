"""Scrubbing: no window says a digit that stood in a format, all else stays, and a secret of that format is gone."""

import re
from typing import Any

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.chain import Chain
from fedleak.contracts.defense import defenses
from fedleak.contracts.released import Released
from fedleak.data.canary import secret_of, with_canary
from fedleak.errors import ConfigError
from fedleak.goals.secrets import rank_of
from fedleak.learning.batch import Batch, joined
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.task import Task
from fedleak.learning.text import OTHER, Text
from fedleak.learning.training import LocalTraining, train_locally
from fedleak.models.gru import CharacterGRU
from fedleak.randomness import generator, seeded
from fedleak.settings.base import parse_settings
from fedleak.settings.canary import Canary
from fedleak.settings.federation import PlanSettings
from fedleak.tasks import task_of, weights_of

SPACE = Text(alphabet=f" abcdefghijklmnopqrstuvwxyz0123456789!{OTHER}", length=12)
FORMAT = "my pin is {digits}!"
CANARY = Canary(format=FORMAT, times=16)
SECRET = secret_of(CANARY, 1)
PLAIN = "numbers such as 1984 or 365 or 42 come up in between and are soon forgotten by whoever reads no further " * 3
with seeded("a text"):
    TASK = Task("tiny-gru", CharacterGRU(len(SPACE.alphabet), 24), SPACE.shape, len(SPACE.alphabet), given=SPACE)


def scrubbed(share: Batch, *formats: str) -> Batch:
    return defenses.build("scrubbing", {"formats": formats}).prepare(TASK, share, generator(0))


def said(share: Batch) -> list[str]:
    """Each window and its label."""
    return [SPACE.decode(torch.cat([one, SPACE.coded(label[None])])) for one, label in zip(*parts(share), strict=True)]


def parts(share: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    return share.inputs, share.labels


@pytest.mark.parametrize(
    "written", ["My pin is 4711! so", "42 my pin is 4711!my pin is 12! 7", "my pin is 123", "no 1"]
)
def test_windows_are_those_of_the_text_without_the_digits_of_the_format(written: str) -> None:
    theirs = re.sub(r"(?<=my pin is )\d+(?=!|\Z)", lambda found: OTHER * len(found[0]), written.lower())
    expected = SPACE.windows(theirs)
    after = scrubbed(SPACE.windows(written), FORMAT)
    assert said(after) == said(expected)
    assert torch.equal(after.inputs, expected.inputs)
    assert torch.equal(after.labels, expected.labels)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_window_says_what_it_is_part_of_and_the_rest_is_as_it_was(seed: int) -> None:
    typed = with_canary(SPACE.windows(PLAIN), CANARY, seed)
    secret = secret_of(CANARY, seed)
    first = 11 + seed * 7  # a share that begins anywhere, also within a secret
    share = typed[torch.arange(first, len(typed))]
    before, after = said(share), said(scrubbed(share, FORMAT))
    assert all(re.search(rf"is {secret[:2]}", one) is None for one in after)
    assert len(after) == len(before)
    struck = [(was, now) for was, now in zip(before, after, strict=True) if was != now]
    assert all(a == b or (a.isdigit() and b == OTHER) for was, now in struck for a, b in zip(was, now, strict=True))
    plain = SPACE.windows(PLAIN)
    assert said(scrubbed(plain, FORMAT)) == said(plain)


def test_single_windows_in_any_order_show_no_digit_either() -> None:
    typed = SPACE.windows(f"it was said once that my pin is {SECRET}! and that was all")
    order = torch.randperm(len(typed), generator=generator(3))
    after = said(scrubbed(typed[order], FORMAT))
    assert not any(character.isdigit() for one in after for character in one)


def test_texts_that_follow_one_another_in_a_share_are_none_of_each_other() -> None:
    two = joined([SPACE.windows("that was it: my pin is "), SPACE.windows("1984 was a year")])
    assert "1984" in "".join(said(scrubbed(two, FORMAT)))
    assert not any("1984" in one for one in said(scrubbed(two, "{digits}")))


@pytest.mark.slow
@pytest.mark.parametrize(("format", "gone"), [(FORMAT, True), ("my code is {digits}!", False)])
def test_a_secret_of_the_format_is_as_good_as_guessed_and_of_another_the_first_guess(format: str, gone: bool) -> None:
    share = with_canary(SPACE.windows(PLAIN), CANARY, 1)
    training = LocalTraining(batch_size=40, batches=-(-len(share) // 40), epochs=16, learning_rate=1.0, momentum=0.9)
    after = train_locally(TASK, weights_of(TASK.network), scrubbed(share, format), training, ("a text",))
    known = SecretFormat.of(CANARY.format, CANARY.digits)
    view = Released(task=TASK, training=training, weights=after, secret=known)
    guess = attacks.build("secret-ranking", {}).run(view, generator(0))
    assert guess.secrets is not None, guess.failure
    rank = rank_of(guess.secrets, known.place(SECRET))
    assert (rank.ahead > 100) if gone else (rank.ahead == 0)


def test_nothing_is_proved_and_what_is_proved_of_single_windows_is_void() -> None:
    run = parse_settings(PlanSettings, {"task": "pydoc-gru"})
    chain = Chain.build(({"use": "scrubbing", "formats": ["{digits}"]}, {"use": "dp-sgd", "noise_multiplier": 2.0}))
    words = str(chain.guarantee(run.phases, chain.task(task_of("pydoc-gru"))))
    assert "'scrubbing' changes the examples first" in words


@pytest.mark.parametrize(
    ("formats", "task", "words"),
    [
        ([], "pydoc-gru", 'formats: expected a format with one secret place, as in "my pin is {digits}"'),
        (["my pin"], "pydoc-gru", "formats: expected a format with one secret place"),
        (["{digits}{digits}"], "pydoc-gru", "formats: expected a format with one secret place"),
        (["my ♥ is {digits}"], "pydoc-gru", "'scrubbing': formats: '♥' is not in the alphabet of this text"),
        (["{digits}"], "diabetes-mlp", "'scrubbing' is for texts, and the examples are"),
        (["{digits}"], "digits-mlp", "'scrubbing' is for texts, and the examples are"),
    ],
)
def test_what_there_is_not_is_refused(formats: list[str], task: str, words: str) -> None:
    table: dict[str, Any] = {"use": "scrubbing", "formats": formats}
    with pytest.raises(ConfigError, match=re.escape(words)):
        Chain.build((table,)).task(task_of(task))
