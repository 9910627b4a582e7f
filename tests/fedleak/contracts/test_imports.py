"""What a user's import path stands for, the sentence where it stands for nothing, and the fingerprint of the code."""

import sys

import pytest

from fedleak.contracts.imports import code_fingerprint, imported
from fedleak.errors import ConfigError

pytestmark = pytest.mark.usefixtures("own_modules")


def test_a_module_beside_the_experiment_is_found_and_imported_once(tmp_path) -> None:
    (tmp_path / "strangers_one.py").write_text("class Outer:\n    class Inner: pass\n")
    first = imported("strangers_one:Outer.Inner", str(tmp_path), "task.data")
    assert imported("strangers_one:Outer.Inner", str(tmp_path), "task.data") is first
    assert first.__qualname__ == "Outer.Inner"


def test_a_package_and_what_is_installed_are_found_too(tmp_path) -> None:
    (tmp_path / "strangers_package").mkdir()
    (tmp_path / "strangers_package" / "__init__.py").write_text("")
    (tmp_path / "strangers_package" / "nets.py").write_text("answer = 42\n")
    assert imported("strangers_package.nets:answer", str(tmp_path), "task.data") == 42
    assert imported("torch.nn:Linear", None, "task.network").__name__ == "Linear"


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("strangers_two.nets:Net", "x: no module is called 'strangers_two.nets'"),
        ("strangers_broken:Net", "x: the module 'strangers_broken' cannot be imported: ValueError: not today"),
        ("strangers_leaving:Net", "x: the module 'strangers_leaving' cannot be imported: SystemExit: 3"),
        ("strangers_syntax:Net", "cannot be imported: SyntaxError"),
        ("strangers_good:Net", "x: 'strangers_good' has no 'Net'; did you mean 'Nett'?"),
        ("strangers good:Net", "x: expected MODULE:NAME"),
    ],
)
def test_what_does_not_resolve_is_one_sentence(tmp_path, path: str, sentence: str) -> None:
    files = {"broken": "raise ValueError('not today')", "leaving": "raise SystemExit(3)", "syntax": "x = ="}
    for name, text in {**files, "good": "Nett = 1"}.items():
        (tmp_path / f"strangers_{name}.py").write_text(text)
    with pytest.raises(ConfigError) as refused:
        imported(path, str(tmp_path), "x")
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_two_modules_of_one_name_are_told_apart(tmp_path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "strangers_same.py").write_text(f"where = '{folder}'\n")
    assert imported("strangers_same:where", str(tmp_path / "here"), "x") == "here"
    with pytest.raises(ConfigError, match=r"is a module of .* already"):
        imported("strangers_same:where", str(tmp_path / "there"), "x")


def test_the_fingerprint_follows_the_code_and_what_it_imports_from_beside_it(tmp_path) -> None:
    (tmp_path / "strangers_net.py").write_text("import torch\nfrom strangers_layers import layer\n")
    (tmp_path / "strangers_layers.py").write_text("layer = 1\n")
    (tmp_path / "strangers_other.py").write_text("unrelated = 1\n")

    def fingerprint() -> str:
        return code_fingerprint(("strangers_net:Net",), str(tmp_path))

    first = fingerprint()
    assert "strangers_net" not in sys.modules, "nothing is imported for it"
    (tmp_path / "strangers_other.py").write_text("unrelated = 2\n")
    assert fingerprint() == first
    (tmp_path / "strangers_layers.py").write_text("layer = 2\n")
    assert fingerprint() != first
