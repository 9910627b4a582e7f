"""Run of an audit: what cannot be is refused before a process is started."""

from pathlib import Path

import pytest

from fedleak.audit.run import audit_app
from fedleak.errors import ConfigError

APPS = Path(__file__).resolve().parents[2] / "apps"


def test_what_cannot_be_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match=r"expected a folder or nothing at .*out, and there is a file"):
        audit_app(APPS / "adam", tmp_path / "out")
    with pytest.raises(ConfigError, match="did you mean 'analytic-linear'"):
        audit_app(APPS / "adam", tmp_path / "other", attacks=("analytic-linar",))
    assert not (tmp_path / "other").exists()
