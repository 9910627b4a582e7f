"""From answers back to features, and from features to latents."""

import torch

from fedleak.attacks.parts.generators.linear import fit_cosines, fit_principal_components
from fedleak.attacks.parts.model_inversion.inverse_map import InverseMap, matched


def test_the_map_leads_to_the_images_that_are_answered_so(trained):
    _, drawn = trained
    public = drawn(200, "public")
    extractor = fit_principal_components(public, 10)
    answers = torch.nn.functional.one_hot(public.labels, 4).double()
    found = InverseMap.fitted(answers, extractor.encode(public.inputs)).features((0, 1, 2, 3), 20.0)
    means = torch.stack([extractor.encode(drawn(200, "mean", only).inputs).mean(0) for only in range(4)]).double()
    assert torch.cdist(found, means).argmin(1).tolist() == [0, 1, 2, 3]


def test_latents_are_found_whose_image_has_the_features(trained):
    task, drawn = trained
    public = drawn(100, "public")
    extractor, space = fit_principal_components(public, 5), fit_cosines(public, task.space, 36)
    wanted = extractor.encode(public.inputs[:3]).double()
    points = matched(space, extractor, wanted, 0.0)
    seen = extractor.encode(space.decode((points * space.scale).float())).double()
    assert torch.allclose(seen, wanted, atol=0.05)
    assert matched(space, extractor, wanted, 100.0).abs().max() < points.abs().max() / 5
