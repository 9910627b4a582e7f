"""Ranking of secrets: all candidates by what a released model says, or a service answers, of the text they are in."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from fedleak.contracts.reconstruction import Reconstruction
from fedleak.contracts.released import Released
from fedleak.contracts.served import Served
from fedleak.contracts.view import View
from fedleak.errors import NotApplicable
from fedleak.goals.public_models import said_with
from fedleak.learning.secret_format import SecretFormat
from fedleak.learning.space import require_text
from fedleak.learning.spelling import Said, spelled, windows_asked

from ..records.answers import TINY

REPEATS = 64
"""How often the same question is asked where answers are noisy."""


def asked_secret(view: View) -> SecretFormat:
    """What is known of the secret that is asked about; raises `NotApplicable` where none is."""
    if view.secret is None:
        raise NotApplicable("nobody asked for a secret: set federation.canary, of a task on a text")
    return view.secret


def ranking(
    view: Released | Served,
    *,
    width: int | None = None,
    whole: bool = False,
    repeats: int = 1,
) -> Reconstruction:
    """The candidates by their log-probability; see `spelled`.

    A service whose answers are known to be noisy is asked each question up to `repeats` times, as its budget goes for
    all of them; others once.
    """
    format = asked_secret(view)
    space = require_text(view.task.space, "a secret")
    if isinstance(view, Released):
        said = said_with(view.task, view.weights)
    else:
        room = view.service.remaining // windows_asked(format, width=width, whole=whole)
        said = _answered(view, max(min(repeats, room), 1) if view.defense.answer_noise > 0 else 1)
    scores = spelled(said, space, format, width=width, whole=whole)
    best = int(scores.nan_to_num(-torch.inf).argmax())
    return Reconstruction(secrets=scores.float(), note=f"its first guess is “{format.typed(format.candidate(best))}”")


def _answered(view: Served, repeats: int) -> Said:
    """The logarithm of the mean answer to each question, NaN where all were refused or the budget did not reach."""

    def said(windows: Float[Tensor, "windows length"]) -> Float64[Tensor, "windows characters"]:
        total = torch.full((len(windows), view.task.classes), torch.nan, dtype=torch.float64)
        asked = windows[: view.service.remaining // repeats]
        if len(asked):
            answers = torch.stack([view.service.ask(asked).double() for _ in range(repeats)])
            total[: len(asked)] = answers.nanmean(0)
        return _of_hidden(total).clamp_min(TINY).log()

    return said


def _of_hidden(answers: Float64[Tensor, "windows characters"]) -> Float64[Tensor, "windows characters"]:
    """Answers with an even share of what is left for each that is hidden."""
    hidden = answers == 0
    left = (1 - answers.sum(1, keepdim=True)).clamp_min(0.0) / hidden.sum(1, keepdim=True).clamp_min(1)
    return torch.where(hidden, left, answers)
