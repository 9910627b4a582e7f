"""LSB encoding: what fits is public arithmetic, and what a mean must be like for it is asked for in a sentence."""

from typing import Any

import pytest
import torch

from fedleak.contracts.chain import Chain
from fedleak.contracts.tampered import Tampered, sent_parameters
from fedleak.contracts.tampering import PublicTerms, Standing, tamperings
from fedleak.errors import ConfigError
from fedleak.learning.batch import Batch
from fedleak.randomness import generator
from fedleak.settings.federation import FederationSettings
from fedleak.tasks import initial_weights, task_of

TASK = task_of("digits-mlp")
SENT = sent_parameters(TASK, Chain())
SHARE = Batch((16 * torch.rand(60, 1, 8, 8, generator=generator("digits"))).round() / 16, torch.arange(60) % 10)


def required(options: dict[str, Any], **federation: Any) -> None:
    terms = PublicTerms(federation=FederationSettings(**federation), task=TASK, sent=SENT)
    tamperings.build("lsb-encoding", options).require(terms)


def test_a_payload_that_does_not_fit_is_told_how_much_would() -> None:
    """9,610 parameters of four clients: 2,402 each of 12 bits are 3,603 bytes, 3,123 of them for data."""
    required({"images": 48})
    with pytest.raises(ConfigError, match=r"49 images take 3,144 bytes for each client, and 3,123 bytes, which are 48"):
        required({"images": 49})
    required({"images": 97, "depth": 4})
    with pytest.raises(ConfigError, match=r"one image takes 72; take more bits, fewer clients"):
        required({"bits": 1}, clients=100)


@pytest.mark.parametrize(
    ("federation", "sentence"),
    [
        ({"strategy": "FedAdam"}, "federation.strategy is FedAdam"),
        ({"strategy_options": {"fraction_train": 0.5}}, "a round has 2 of 4 clients"),
        ({"strategy_options": {"weighted_by_key": "x"}}, "has weighted_by_key"),
        ({"dropouts": 0.25}, "clients leave rounds"),
    ],
)
def test_it_counts_on_the_mean_over_all(federation: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"lsb-encoding counts on the mean over all clients.*{sentence}"):
        required({}, **federation)


def test_payload_and_guard_share_the_mantissa() -> None:
    required({"bits": 16, "guard": 7})
    with pytest.raises(ConfigError, match=r"at most 23 together.*got 16 and 8; lower either"):
        required({"bits": 16, "guard": 8})


@pytest.mark.parametrize("images", [5, None])
def test_what_is_hidden_is_as_long_for_every_client(images: int | None) -> None:
    options = {} if images is None else {"images": images}
    encoding = tamperings.build("lsb-encoding", options)
    lengths = set()
    for client, share in enumerate((SHARE, SHARE[torch.arange(3)])):
        hidden = encoding.hidden(Standing(task=TASK, share=share, client=client, clients=4, sent=SENT))
        assert hidden is not None
        assert hidden.bits is not None
        assert hidden.channel is not None
        lengths.add((len(hidden.bits), len(hidden.channel)))
        assert torch.equal(hidden.inputs, share.inputs[: len(hidden.inputs)])
        assert len(hidden.inputs) == min(len(share), images or len(hidden.inputs))
    assert len(lengths) == 1


def test_before_its_first_round_it_does_nothing() -> None:
    encoding = tamperings.build("lsb-encoding", {"images": 5, "since": 3})
    before, after = initial_weights("digits-mlp", 0), initial_weights("digits-mlp", 1)
    for round, written in ((2, False), (3, True)):
        standing = Standing(task=TASK, share=SHARE, sent=SENT, round=round, rounds=3)
        assert (encoding.finish(standing, before, after) is not after) is written


def test_it_writes_before_the_model_leaves() -> None:
    required({"since": 2}, rounds=4, release=(2,))
    with pytest.raises(ConfigError, match=r"since: expected a round up to 2, the last whose model leaves, got 3"):
        required({"since": 3}, rounds=4, release=(2,))


def test_in_a_federation_of_one_a_round_changes_low_bits_alone() -> None:
    encoding = tamperings.build("lsb-encoding", {"bits": 8, "images": 20})
    before, after = initial_weights("digits-mlp", 0), initial_weights("digits-mlp", 1)
    standing = Standing(task=TASK, share=SHARE, sent=SENT)
    sent = Tampered(does=(encoding,), standing=standing).finish(before, after)
    for name, value in after.parameters.items():
        assert float(((sent.parameters[name] - value) / value).abs()[value.abs() > 2.0**-10].max()) < 2.0 ** (14 - 23)
