"""Growing tensor: rows that come one after the other, kept in one piece."""

import torch
from torch import Tensor


class Growing:
    """A tensor that rows are appended to, in time that does not grow with what is there."""

    def __init__(self, shape: tuple[int, ...] = (), dtype: torch.dtype = torch.float32) -> None:
        self._room = torch.empty(16, *shape, dtype=dtype)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    @property
    def rows(self) -> Tensor:
        """All rows so far: a view, which must not be changed."""
        return self._room[: self._used]

    def append(self, rows: Tensor) -> None:
        """Copies rows to the end."""
        needed = self._used + len(rows)
        if needed > len(self._room):
            room = self._room.new_empty(max(needed, 2 * len(self._room)), *self._room.shape[1:])
            room[: self._used] = self.rows
            self._room = room
        self._room[self._used : needed] = rows
        self._used = needed
