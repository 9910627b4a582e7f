"""Picture of an audit: scores of canaries by their sign, and what the noise that is claimed would make of them."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from fedleak.dp_audit.audit import Audited
from fedleak.formatting import figure
from fedleak.io.atomic import write_atomically

WIDTH, HEIGHT, DOTS = 8.0, 2.6, 130
BLUE, RED, GRAY = "#2b6cb0", "#c53030", "#666666"
BINS = 60
NAME = "dp-audit.png"


def draw(found: Sequence[Audited], path: Path) -> Path | None:
    """Writes a panel for each chain that was measured; None where none was."""
    measured = [one for one in found if one.measured is not None]
    if not measured:
        return None
    height = HEIGHT * len(measured) + 0.4
    picture = Figure(figsize=(WIDTH, height), dpi=DOTS, facecolor="white", layout="constrained")
    FigureCanvasAgg(picture)
    panels = picture.subplots(len(measured), squeeze=False)
    for axes, one in zip(panels[:, 0], measured, strict=True):
        _panel(axes, one)
    buffer = io.BytesIO()
    picture.savefig(buffer, format="png")
    return write_atomically(path, buffer.getvalue())


def _panel(axes: Axes, one: Audited) -> None:
    assert one.measured is not None
    assert one.claim is not None
    scores, mechanism = one.measured.scores, one.claim.subject.mechanism
    claimed = mechanism.sensitivity / 2
    spread = mechanism.noise
    reach = max(float(np.quantile(np.abs(scores), 0.999)), claimed + 3 * spread)
    edges = np.linspace(-reach, reach, BINS + 1)
    for sign, color, words in ((1, BLUE, "canary's own sign"), (-1, RED, "the other sign, mirrored")):
        axes.hist(sign * scores, edges.tolist(), density=True, color=color, alpha=0.35, label=words)
        places = np.linspace(-reach, reach, 400)
        axes.plot(places, _density(places, sign * claimed, spread), color=color, lw=1.4)
    axes.plot([], [], color=GRAY, lw=1.4, label="as it is claimed")
    axes.set_title(f"{one.row.defense}: {one.row.verdict} {one.row.cause}".rstrip(), loc="left", fontsize=9)
    axes.set_xlabel(_words(one), fontsize=8)
    axes.set_yticks([])
    axes.legend(fontsize=7, frameon=False, loc="upper right")


def _words(one: Audited) -> str:
    row = one.row
    measured = "infinite" if math.isnan(row.measured) or math.isinf(row.measured) else figure(row.measured)
    return f"score of one release; epsilon {measured} measured, {figure(row.accounted)} accounted for"


def _density(places: Float[np.ndarray, " places"], mean: float, spread: float) -> Float[np.ndarray, " places"]:
    found: Float[np.ndarray, " places"] = np.exp(-(((places - mean) / spread) ** 2) / 2)
    return found / (spread * math.sqrt(2 * math.pi))
