"""Secret code: looks like noise, corrects as many errors as promised, and no more is a lost block."""

import pytest
import torch

from fedleak.randomness import generator
from fedleak.tamperings.parts.secret_code import BLOCK, SecretCode, bits_of, bytes_of

CODE = SecretCode(key="a key", parity=32)
DATA = b"a payload " * 50


def damaged(channel: bytes, errors: int) -> bytes:
    """So many wrong bytes in each block."""
    wrong = bytearray(channel)
    for first in range(0, len(wrong), BLOCK):
        own = range(first, min(first + BLOCK, len(wrong)))
        for place in torch.randperm(len(own), generator=generator("errors", first))[:errors].tolist():
            wrong[own[place]] ^= 0x55
    return bytes(wrong)


@pytest.mark.parametrize("errors", [0, 1, 16])
def test_errors_are_corrected(errors: int) -> None:
    sealed = CODE.sealed(DATA, 3)
    back, read = CODE.read(damaged(CODE.written(sealed), errors), 3)
    assert (back, read.data, read.lost) == (sealed, DATA, 0)
    assert read.corrected == errors * read.blocks == 3 * errors


def test_a_block_with_more_errors_is_lost_and_stays_as_it_was_read() -> None:
    channel = damaged(CODE.written(CODE.sealed(DATA, 3)), 17)
    back, read = CODE.read(channel, 3)
    assert (read.lost, read.corrected) == (3, 0)
    assert back[:223] == channel[:223]
    assert len(back) == len(DATA)


@pytest.mark.parametrize("data", [0, 1, 223, 224, 500])
def test_length_and_room_agree(data: int) -> None:
    length = CODE.length(data)
    assert len(CODE.written(bytes(data))) == length
    assert CODE.room(length) == data
    assert CODE.room(length + 1) <= data + 1


def test_what_is_written_looks_like_noise_to_whoever_lacks_the_key() -> None:
    sealed = CODE.sealed(bytes(4000), 0)
    assert float(bits_of(sealed).double().mean()) == pytest.approx(0.5, abs=0.02)
    assert CODE.sealed(bytes(4000), 1) != sealed
    assert SecretCode(key="another", parity=32).sealed(sealed, 0) != bytes(4000)
    assert bytes_of(bits_of(DATA)) == DATA
