"""Fitting: what an attack declares decides, so that a new one is tried without being named anywhere."""

import pytest

from fedleak.audit.fitting import QUICK, fitting, guesses_images, unfitting
from fedleak.contracts.attack import attacks
from fedleak.contracts.catalogue import names_of
from fedleak.contracts.observation import Observation


def test_every_attack_on_one_update_fits_and_no_other() -> None:
    for name in fitting():
        made = attacks.build(name, {})
        assert made.sees is Observation
        assert not made.requires | made.reads
        assert made.targets <= {"inputs", "labels"}
    assert {"sapag", "grnn", "cpl", "r-gap", "spear", "april", "llg", *QUICK} <= set(fitting())
    assert not {"prior", "update-cosine", "imprint-readout", "several-rounds", "mi-face", "best-of"} & set(fitting())


def test_all_that_do_not_fit_are_counted_in_one_sentence() -> None:
    others = len(names_of("attack")) - len(fitting())
    assert unfitting().startswith(f"Not tried, {others} attacks of the catalogue: ")


@pytest.mark.parametrize(("name", "images"), [("dlg", True), ("llg", False)])
def test_an_attack_says_whether_it_guesses_images(name: str, images: bool) -> None:
    assert guesses_images(name) == images
