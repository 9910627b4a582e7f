"""Plot of a profile: what is left above noise, where the energy lies, and which pixels the update shows best."""

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from fedleak.io.atomic import write_atomically
from fedleak.learning.batch import Batch
from fedleak.profile.findings import UNBIASED
from fedleak.profile.layers import LayerProfile
from fedleak.profile.profile import KNOWN, Inside, Profile

EXAMPLES = 8
LAYERS = 12
WIDTH, CHARTS = 10.5, 4.2
"""Inches of the picture, and of the height of its charts."""
DOTS = 130
BLUE, RED, GRAY = "#2b6cb0", "#c53030", "#666666"
MARK = 20.0
"""The bound, in dB, whose noise is marked."""


def draw(profile: Profile, truth: Batch | None, path: Path) -> Path:
    """Writes the picture whole; raises `OutputError` where it cannot be written."""
    pictured = profile.inside is not None and truth is not None and len(truth.space.neighbors) == 2
    images = [truth.space.picture(one) for one in truth.inputs[:EXAMPLES]] if pictured and truth is not None else None
    side = 0.0 if images is None else min(1.9, 9.6 / len(images))
    height = CHARTS + (0.0 if images is None else 2 * side + 1.3)
    figure = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.02, 1 - 0.2 / height, f"What leaks by construction: {profile.title}", weight="bold", va="top")
    top, bottom = 1 - 0.8 / height, 1 - (CHARTS - 0.6) / height
    if profile.inside is not None:
        _noise(figure.add_axes((0.07, bottom, 0.39, top - bottom)), profile.inside)
    _layers(figure.add_axes((0.62, bottom, 0.28, top - bottom)), profile.layers)
    if profile.inside is not None and images is not None:
        _pixels(figure, profile.inside, images, side)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())


def _noise(axes: Axes, inside: Inside) -> None:
    """Directions carried against the standard deviation of noise on the weight delta."""
    spectrum = inside.spectrum
    low = 0.05 * max(spectrum.values[-1], spectrum.largest * 1e-5, 1e-30) * KNOWN * inside.scale
    deviations = np.geomspace(low, 3 * max(spectrum.largest, 1e-30) * KNOWN * inside.scale, 400)
    counts = np.array([spectrum.above(std / inside.scale / KNOWN) for std in deviations]) / spectrum.directions
    axes.fill_between(deviations, counts[:, 0], counts[:, 2], color=BLUE, alpha=0.2, lw=0, step="pre")
    axes.step(deviations, counts[:, 1], color=BLUE, lw=1.8)
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.04)
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.set_title(f"input directions known to within {KNOWN:g}, if there were noise", fontsize=10, loc="left")
    axes.set_xlabel("std of Gaussian noise on the sent weights", fontsize=9)
    _mark(axes, inside.fisher.noise_for(MARK) * inside.scale, f"bound {MARK:.0f} dB (unbiased)", RED, 0.5)
    now = inside.floor.total * inside.scale
    if now >= deviations[0]:
        _mark(axes, now, "now", GRAY, 0.9)
    else:
        axes.text(0.02, 0.06, f"now {now:.0e}, far to the left", transform=axes.transAxes, fontsize=8, color=GRAY)
    _plain(axes)


def _mark(axes: Axes, at: float, words: str, color: str, height: float) -> None:
    if at > 0:
        axes.axvline(at, color=color, lw=1, ls="--")
        axes.text(at, height, f" {words}", color=color, fontsize=8, rotation=90, va="center", ha="right")


def _layers(axes: Axes, layers: Sequence[LayerProfile]) -> None:
    """The energy of the layers with weights, each with its rank and the share of its ReLUs that are off."""
    weighted = [layer for layer in layers if len(layer.shape) > 1]
    kept = sorted(weighted, key=lambda layer: -_or_zero(layer.energy))[:LAYERS]
    shown = [layer for layer in weighted if layer in kept]
    places = range(len(shown))
    axes.barh(places, [_or_zero(layer.energy) for layer in shown], color="#90b4d8", height=0.7)
    axes.set_yticks(places, [textwrap.shorten(layer.name, 24, placeholder="…") for layer in shown], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.5, 1], ["0%", "50%", "100%"])
    for place, layer in zip(places, shown, strict=True):
        axes.text(_or_zero(layer.energy) + 0.02, place, _remarks(layer), fontsize=8, va="center")
    title = "the update's energy by layer" + (f", the {LAYERS} greatest" if len(weighted) > LAYERS else "")
    axes.set_title(title, fontsize=10, loc="left")
    _plain(axes)


def _remarks(layer: LayerProfile) -> str:
    words = [] if layer.rank is None else [f"rank {layer.rank}"]
    words += [] if layer.sparsity is None else [f"{100 * layer.sparsity:.0f}% off"]
    return ", ".join(words)


def _pixels(figure: Figure, inside: Inside, images: list[Float[Tensor, "colors height width"]], side: float) -> None:
    """The examples, and below each how exactly an unbiased attacker could know its pixels, in dB."""
    information = inside.fisher.sensitivity[: len(images)].mean(1).clamp_min(1e-300)
    decibels = (10 * torch.log10(information / max(inside.floor.total, 1e-300) ** 2)).numpy()
    low, high = float(decibels.min()), float(decibels.max())
    height = figure.get_figheight()
    words = (
        "the examples, and below each the bound on how well its pixels can be known: "
        f"from {low:.0f} dB (dark) to {high:.0f} dB (bright),\n{UNBIASED}"
    )
    figure.text(0.02, (2 * side + 0.75) / height, words, fontsize=10, va="bottom")
    bounds = inside.fisher.bounds(inside.floor.total)
    for place, image in enumerate(images):
        for row, pixels in enumerate((image.permute(1, 2, 0).numpy(), decibels[place])):
            at = (0.25 + place * (side + 0.08)) / WIDTH, (0.55 + (1 - row) * (side + 0.08)) / height
            axes = figure.add_axes((*at, side / WIDTH, side / height))
            _show(axes, pixels, (low, high) if row else (0.0, 1.0), "magma" if row else "gray")
        axes.set_xlabel("no bound" if math.isinf(bounds[place]) else f"mean {bounds[place]:.1f} dB", fontsize=8)


def _show(axes: Axes, pixels: Float[np.ndarray, "..."], limits: tuple[float, float], colors: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    flat = pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] != 3 else pixels
    axes.imshow(flat, cmap=colors, vmin=limits[0], vmax=max(limits[1], limits[0] + 1e-9), interpolation="nearest")
    for spine in axes.spines.values():
        spine.set_color("#bbbbbb")


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _or_zero(value: float) -> float:
    return 0.0 if math.isnan(value) else value
