"""Types and shapes are checked in every test: what breaks a hint is an error, of whatever kind the hint is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jaxtyping
import pytest
import torch
from beartype import beartype
from jaxtyping import Float, Int, TypeCheckError
from torch import Tensor

checked = jaxtyping.jaxtyped(typechecker=beartype)


@checked
def product(left: Float[Tensor, "rows inner"], right: Float[Tensor, "inner columns"]) -> Float[Tensor, "rows columns"]:
    return (left @ right).t() if left.sum() < 0 else left @ right


@checked
def count(many: int, names: "tuple[str, ...]" = ()) -> str:
    return "x" * many if many else None  # type: ignore[return-value]


@checked
def halves(several: "list[Float[Tensor, 'n']] | None", *, whole: Int[Tensor, "n"]) -> Float[Tensor, "n+1"]:
    return torch.zeros(len(whole) + 1)


@checked
def named(wide: int, picture: Float[Tensor, "{wide} 2"]) -> int:
    return wide


@checked
def drawn(many: int) -> Iterator[int]:
    yield from range(many)


@checked
@dataclass(frozen=True)
class Pair:
    """Two of one length."""

    first: Float[Tensor, " n"]
    second: Float[Tensor, " n"]

    @checked
    @classmethod
    def of(cls, one: Float[Tensor, " n"]) -> "Pair":
        return cls(one, one)

    @property
    @checked
    def label(self) -> str:
        return 3  # type: ignore[return-value]


def zeros(*shape: int) -> Tensor:
    return torch.zeros(shape)


def test_what_keeps_its_hints_runs() -> None:
    assert product(zeros(2, 3), zeros(3, 4)).shape == (2, 4)
    assert count(2) == "xx"
    assert halves([zeros(2)], whole=torch.zeros(2, dtype=torch.long)).shape == (3,)
    assert list(drawn(2)) == [0, 1]
    assert named(3, zeros(3, 2)) == 3
    assert Pair.of(zeros(2)).second.shape == (2,)


@pytest.mark.parametrize(
    "broken",
    [
        lambda: product(zeros(2, 3), zeros(4, 3)),  # one name, two lengths
        lambda: product(-torch.ones(2, 3), torch.ones(3, 4)),  # what is returned
        lambda: product(zeros(2, 3), zeros(3, 4).long()),
        lambda: product(zeros(2, 3), zeros(3)),
        lambda: count("2"),
        lambda: count(0),
        lambda: count(1, (1,)),
        lambda: halves([zeros(3)], whole=torch.zeros(2, dtype=torch.long)),
        lambda: named(3, zeros(4, 2)),
        lambda: drawn("2"),
        lambda: Pair(zeros(2), zeros(3)),
        lambda: Pair.of(zeros(2, 2)),
        lambda: Pair(zeros(2), zeros(2)).label,
    ],
)
def test_what_breaks_one_is_an_error(broken: Any) -> None:
    with pytest.raises(TypeCheckError):
        broken()


def test_a_call_within_a_call_has_names_of_its_own() -> None:
    @checked
    def outer(one: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        product(zeros(7, 7), zeros(7, 7))
        Pair.of(zeros(9))
        return one

    assert outer(zeros(2)).shape == (2,)
