"""What every attack, defense and metric is: a frozen dataclass with a name, a paper and its citation."""

from dataclasses import fields
from typing import Any, ClassVar


class Plugin:
    """A named algorithm; its hyper-parameters are keyword-only dataclass fields with the paper's defaults."""

    name: ClassVar[str]
    paper: ClassVar[str] = ""
    """Link to the source that the implementation follows."""
    bibtex: ClassVar[str] = ""
    """BibTeX of that source."""

    def options(self) -> dict[str, Any]:
        """The hyper-parameters, nested plug-ins included, in the form an experiment file has them."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {key: plain(value) for key, value in values.items() if value is not None}


def plain(value: Any) -> Any:
    """Plug-ins as `{use = name, ...}` and tuples as lists: what TOML and JSON can hold."""
    if isinstance(value, Plugin):
        return {"use": value.name, **value.options()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
