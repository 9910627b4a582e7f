"""Export of a profile as plain data, for scripts and CI."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fedleak.profile.findings import UNBIASED, Finding
from fedleak.profile.profile import KNOWN, Inside, Profile

NOISES = tuple(10.0**exponent for exponent in range(-6, 1))
"""Standard deviations on the weight delta that the directions and the bound are told for."""


def facts_of(profile: Profile, findings: Sequence[Finding]) -> dict[str, Any]:
    """Everything but pictures; a figure that is not finite is null."""
    facts = {
        "title": profile.title,
        "examples": profile.examples,
        "clients": profile.cohort,
        "local_steps": profile.steps,
        "update_is": profile.meaning,
        "rank_limit": profile.limit,
        "parameters": profile.parameters,
        "pixels": profile.pixels,
        "layers": [asdict(layer) for layer in profile.layers],
        "batch_norm": asdict(profile.batch_norm),
        "inside": None if profile.inside is None else _inside(profile.inside),
        "verdict": [asdict(finding) for finding in findings],
    }
    plain: dict[str, Any] = _plain(facts)
    return plain


def _inside(inside: Inside) -> dict[str, Any]:
    spectrum, fisher, floor = inside.spectrum, inside.fisher, inside.floor
    return {
        "floor": {**asdict(floor), "total": floor.total},
        "noise_scale": inside.scale,
        "gradient_norm": inside.gradient,
        "jacobian": {
            "method": spectrum.method,
            "directions": spectrum.directions,
            "entries": spectrum.entries,
            "largest": spectrum.largest,
            "median": spectrum.median,
            "smallest": spectrum.smallest,
            "condition": spectrum.condition,
            "participation": spectrum.participation,
            "known_to": KNOWN,
            "carried": inside.carried._asdict(),
        },
        "fisher": {
            "leakage": fisher.leakage(floor.total),
            "bounds_hold": UNBIASED,
            "psnr_bound": fisher.bound(floor.total),
            "psnr_bounds": fisher.bounds(floor.total),
            "relative_error": fisher.spread,
            "noise_for_20_db": fisher.noise_for(20.0) * inside.scale,
        },
        "noise": [
            {
                "std": std,
                "carried": spectrum.above(std / inside.scale / KNOWN)._asdict(),
                "psnr_bound": fisher.bound(std / inside.scale),
            }
            for std in NOISES
        ],
        "expected_alone": inside.expected_alone,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
