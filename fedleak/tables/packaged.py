"""Tables that come with scikit-learn: `diabetes` and `breast-cancer`."""

import gzip
from itertools import product

from fedleak.io.package_files import package_file
from fedleak.learning.source import Source
from fedleak.tables.frame import Frame
from fedleak.tables.options import TableOptions

DIABETES = ("age", "sex", "bmi", "blood-pressure", "s1", "s2", "s3", "s4", "s5", "s6")
"""As scikit-learn describes them: s1 to s6 are measured in blood serum. Sex is written 1 and 2; which is which it does
not say."""
MEDIAN = 140.5
"""Of how far the disease went in a year."""
MEASURED = (
    "radius",
    "texture",
    "perimeter",
    "area",
    "smoothness",
    "compactness",
    "concavity",
    "concave points",
    "symmetry",
    "fractal dimension",
)
"""Of the nuclei of the cells in a sample."""
OVER_CELLS = ("mean", "error", "worst")


def diabetes(source: Source) -> Frame:
    """442 patients with ten columns; the label is whether the disease went farther than in half of them."""
    rows = _packed("datasets/data/diabetes_data_raw.csv.gz")
    targets = _packed("datasets/data/diabetes_target.csv.gz")
    lines = [(*row, target) for row, (target,) in zip(rows, targets, strict=True)]
    options = TableOptions(label="progression", above=MEDIAN, categories=("sex",))
    return options.frame(source.name, (*DIABETES, "progression"), lines)


def breast_cancer(source: Source) -> Frame:
    """569 samples with thirty numbers; the label is whether they are malignant (0) or benign (1)."""
    text = package_file("sklearn", "datasets/data/breast_cancer.csv").read_text(encoding="utf-8")
    rows = [tuple(line.split(",")) for line in text.splitlines()[1:]]
    names = tuple(f"{over} {what}" for over, what in product(OVER_CELLS, MEASURED))
    return TableOptions().frame(source.name, (*names, "benign"), rows)


def _packed(path: str) -> list[tuple[str, ...]]:
    """The lines of a packed file, each split at spaces."""
    text = gzip.decompress(package_file("sklearn", path).read_bytes()).decode()
    return [tuple(line.split()) for line in text.splitlines()]
