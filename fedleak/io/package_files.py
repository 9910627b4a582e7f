"""Files inside installed packages, such as the data that come with them."""

from importlib.util import find_spec
from pathlib import Path

from fedleak.errors import DataError


def package_file(package: str, path: str) -> Path:
    """A file inside an installed package, found without importing the package (which can take seconds)."""
    spec = find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        if (file := Path(folder, path)).is_file():
            return file
    raise DataError(
        f"expected '{path}' inside the installed package '{package}', found none; "
        "install the versions in constraints.txt"
    )
