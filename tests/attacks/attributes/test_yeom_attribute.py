"""Yeom's attribute inference: a posterior under normal losses, whose width is known or found."""

import math

import pytest
import torch

from fedleak.attacks.attributes.yeom_attribute import error_of
from fedleak.contracts.attack import attacks
from fedleak.errors import ConfigError
from fedleak.goals.imputer import frequencies
from fedleak.randomness import generator


def test_a_known_error_gives_the_posterior_of_the_paper(hiding) -> None:
    asked, rows = hiding

    def even(said: torch.Tensor) -> torch.Tensor:
        """Of either label as sure, and surer with the first value."""
        return torch.tensor([[0.5, 0.5], [0.2, 0.2]], dtype=said.dtype).repeat(len(said) // 2, 1)

    view = asked(answer=even)
    share = (frequencies(view.auxiliary, rows.space, ("sex",)).double() + 1) / 2
    density = [math.exp(-(math.log(sure) ** 2) / (2 * 1.5**2)) for sure in (0.5, 0.2)]
    expected = density[0] * share[0] / (density[0] * share[0] + density[1] * share[1])
    made = attacks.build("yeom-attribute", {"error": 1.5}).run(view, generator(0))
    assert torch.allclose((made.columns[:, 0].double() + 1) / 2, expected, atol=1e-5)


def test_the_error_that_losses_were_drawn_with_is_found() -> None:
    rng = generator("losses")
    true = torch.randint(2, (4000,), generator=rng)
    squares = (3 * torch.randn(4000, 2, dtype=torch.float64, generator=rng)).square()
    squares[torch.arange(4000), true] = (0.5 * torch.randn(4000, dtype=torch.float64, generator=rng)).square()
    known = torch.where(torch.nn.functional.one_hot(true, 2).bool(), 0.0, -20.0).double()
    assert error_of(squares, known) == pytest.approx(0.5, rel=0.05)


def test_nothing_that_was_said_has_no_error_to_speak_of() -> None:
    assert error_of(torch.zeros(3, 2, dtype=torch.float64), torch.zeros(3, 2, dtype=torch.float64)) == 1.0


def test_an_error_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected an error of more than 0 nats, got 0"):
        attacks.build("yeom-attribute", {"error": 0.0})
