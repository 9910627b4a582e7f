"""Images that clients of an audited app trained on, as its bundle has them."""

from dataclasses import dataclass
from io import BytesIO
from typing import ClassVar
from zipfile import BadZipFile

import numpy as np
import torch

from fedleak.data.loader import Loader, loaders
from fedleak.errors import DataError
from fedleak.learning.batch import Batch
from fedleak.learning.source import Source
from fedleak.settings.bundle import IMAGES, bundle_at


@loaders.register("app")
@dataclass(frozen=True, kw_only=True)
class Audited(Loader):
    """The images of `app:FOLDER`, read without the app's code; what is not what was audited is refused."""

    paper: ClassVar = "https://arxiv.org/abs/2007.14390"
    cites: ClassVar = "beutel2020flower"

    def read(self, source: Source) -> Batch:
        assert source.path is not None
        content = bundle_at(source.path, source.reference).files[IMAGES]
        try:
            with np.load(BytesIO(content), allow_pickle=False) as found:
                return Batch(torch.from_numpy(found["inputs"]), torch.from_numpy(found["labels"]))
        except (ValueError, KeyError, OSError, BadZipFile) as error:
            raise DataError(f"{source.path}: its {IMAGES} are not as an audit wrote them ({error})") from error
