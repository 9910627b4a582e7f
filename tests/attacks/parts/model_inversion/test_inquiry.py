"""An inquiry stays within the budget and keeps what was answered."""

import torch

from fedleak.attacks.parts.generators.linear import fit_cosines
from fedleak.attacks.parts.model_inversion.inquiry import Inquiry


def test_what_is_beyond_the_budget_is_not_asked(linear_task, serve):
    view = serve(linear_task, 5)
    inquiry = Inquiry(view.service, fit_cosines(None, linear_task.space, 3), 4)
    assert len(inquiry.ask(torch.randn(4, 3).double())) == 4
    assert len(inquiry.ask(torch.randn(4, 3).double())) == 1
    assert len(inquiry.ask(torch.randn(4, 3).double())) == 0
    assert sum(map(len, view.service.log)) == 5
    assert inquiry.points.shape == (5, 3)


def test_a_refused_question_is_answered_by_nan_and_not_kept(linear_task, serve):
    def every_other(probabilities):
        probabilities[1::2] = torch.nan
        return probabilities

    inquiry = Inquiry(serve(linear_task, 9, every_other).service, fit_cosines(None, linear_task.space, 3), 4)
    points = torch.randn(6, 3).double()
    answers = inquiry.ask(points)
    assert answers.isnan().all(1).tolist() == [False, True] * 3
    assert torch.equal(inquiry.points, points[::2])
    assert torch.equal(inquiry.answers, answers[::2])
    assert inquiry.remaining == 3
