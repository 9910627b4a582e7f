"""Sign decoding: payloads come out of averaging and secure aggregation whole, out of honest models not at all."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from fedleak.contracts.attack import attacks
from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.tampering import tamperings
from fedleak.randomness import generator

ENCODING = tamperings.build("sign-encoding", {"images": 3, "strength": 0.1})


def read(view: Released) -> Reconstruction:
    return attacks.build("sign-decoding", {}).run(view, generator(0))


def right(said: torch.Tensor | None, true: list[torch.Tensor | None]) -> float:
    assert said is not None
    return float((said.bool() == torch.stack([one for one in true if one is not None])).double().mean())


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True], ids=["mean", "secure-aggregation"])
def test_every_bit_and_image_comes_out_of_averaging(small_federation: Callable[..., Any], masked: bool) -> None:
    federation = small_federation(3)
    guess, hidden = read(federation.released(ENCODING, masked=masked)), federation.hidden(ENCODING)
    assert right(guess.payload_channel, [one.channel for one in hidden]) == 1.0
    assert right(guess.payload_bits, [one.bits for one in hidden]) == 1.0
    assert guess.payload is not None
    assert torch.equal(guess.payload, torch.stack([one.exact for one in hidden]))
    assert guess.note == "0 bytes corrected; 0 of 3 blocks have more errors than can be corrected"


def test_of_a_client_alone_all_bits_come_back(small_federation: Callable[..., Any]) -> None:
    federation = small_federation(1, rounds=2)
    full = tamperings.build("sign-encoding", {"strength": 1.0, "margin": 0.02})
    guess = read(federation.released(full))
    assert right(guess.payload_channel, [one.channel for one in federation.hidden(full)]) == 1.0


def test_an_honest_model_has_half_of_the_bits_and_no_image(small_federation: Callable[..., Any]) -> None:
    federation = small_federation(3)
    guess = read(federation.released(known=ENCODING))
    assert right(guess.payload_bits, [one.bits for one in federation.hidden(ENCODING)]) == pytest.approx(0.5, abs=0.03)
    assert guess.payload is not None
    assert guess.payload.isnan().all()


@pytest.mark.slow
def test_errors_are_corrected_and_another_key_reads_nothing(small_federation: Callable[..., Any]) -> None:
    federation = small_federation(3)
    released = federation.released(ENCODING)
    first = next(iter(released.weights.parameters.values()))
    first.view(-1)[:48:3] *= -1  # 16 signs of the first client, in two bytes
    guess = read(released)
    assert guess.note == "2 bytes corrected; 0 of 3 blocks have more errors than can be corrected"
    assert right(guess.payload_bits, [one.bits for one in federation.hidden(ENCODING)]) == 1.0
    other = tamperings.build("sign-encoding", {"images": 3, "key": "another"})
    found = read(federation.released(ENCODING, known=other)).payload
    assert found is not None
    assert found.isnan().all()


def test_where_nobody_wrote_there_is_nothing_to_read(small_federation: Callable[..., Any]) -> None:
    failure = read(small_federation(1, rounds=1).released()).failure
    assert failure == "no signs were made to say anything: set adversary.does, with sign-encoding"
