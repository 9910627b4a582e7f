"""The tests mirror the packages: whoever reads a file finds its tests at the same place below `tests`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("attacks", "clients", "fedleak", "server")
LAWS = {
    "attacks/attributes/test_attributes.py",
    "attacks/gradient_matching/test_gradient_matching.py",
    "attacks/label_inference/test_label_rules.py",
    "attacks/membership/test_membership.py",
    "attacks/parts/classifier_head/test_labels.py",
    "attacks/property/test_shares.py",
    "attacks/secrets/test_secrets.py",
    "attacks/test_attack_laws.py",
    "attacks/test_table_laws.py",
    "attacks/test_text_laws.py",
    "attacks/test_view_laws.py",
    "fedleak/defenses/test_additive_and_sparse.py",
    "fedleak/defenses/test_answers.py",
    "fedleak/defenses/test_dice_defenses.py",
    "fedleak/defenses/test_gradient_defenses.py",
    "fedleak/defenses/test_much_noise.py",
    "fedleak/defenses/test_release.py",
    "fedleak/defenses/test_sensitivity_bound.py",
    "fedleak/metrics/test_column_metrics.py",
    "fedleak/metrics/test_image_metrics.py",
    "fedleak/metrics/test_membership_metrics.py",
    "fedleak/metrics/test_property_metrics.py",
    "fedleak/presets/test_presets.py",
}
"""What holds for several files of a folder; the folder is the one that they stand in."""


def subjects(test: Path) -> list[Path]:
    """The files that a test file can be about: `test_NAME.py` or `test_NAME_ASPECT.py` is about NAME.py."""
    words = test.stem.removeprefix("test_").split("_")
    names = ("_".join(words[:count]) for count in range(1, len(words) + 1))
    return [path for name in names if (path := ROOT / test.with_name(f"{name}.py")).exists()]


def test_every_test_file_stands_where_its_subject_does() -> None:
    found = [
        path.relative_to(ROOT / "tests")
        for package in PACKAGES
        for path in (ROOT / "tests" / package).rglob("test_*.py")
    ]
    astray = [str(test) for test in sorted(found) if str(test) not in LAWS and not subjects(test)]
    assert found
    assert not astray


def test_laws_of_a_folder_stand_in_one() -> None:
    assert not [law for law in sorted(LAWS) if not (ROOT / "tests" / law).exists()], "files that are gone"
    assert not [law for law in sorted(LAWS) if not (ROOT / law).parent.is_dir()], "folders that are gone"
    assert not [law for law in sorted(LAWS) if subjects(Path(law))], "files that need no mention: they have a subject"


def test_an_aspect_is_part_of_a_name() -> None:
    assert subjects(Path("fedleak/gate/test_baseline_settings.py")) == [ROOT / "fedleak/gate/baseline.py"]
    assert not subjects(Path("fedleak/gate/test_base.py"))
