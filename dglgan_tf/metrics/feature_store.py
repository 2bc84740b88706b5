"""Features of many images in a file, so that memory does not grow with their number."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BLOCK = 1000


class Selection:
    """Some rows of a store: what the metrics on sets of features read.

    Args:
      store: a `FeatureStore` or `ArrayStore`.
      indices: which of its rows, in order.
    """

    def __init__(self, store, indices: range):
        self.store, self.indices = store, indices

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, chosen) -> np.ndarray:
        """Returns the rows [n, D] float32 at positions [n] int of this selection."""
        return self.store.rows([self.indices[int(i)] for i in chosen])

    def blocks(self, size: int = BLOCK) -> Iterator[np.ndarray]:
        """Yields consecutive rows [<= size, D] float32 until the end."""
        for start in range(0, len(self), size):
            part = self.indices[start : start + size]
            rows = self.store.read(part[0], part[-1] + 1)
            yield rows[:: part.step]


class FeatureStore:
    """Rows [N, dimension] float32 of a file; appended to, then read at random.

    Reads use the file and not a memory map, whose pages would count as memory.

    Args:
      path: the file; created where it is missing.
      dimension: numbers in a row.

    Attributes:
      nearest: {rows: distances to their neighbours}, kept by `precision_recall`.
    """

    def __init__(self, path, dimension: int):
        self.path, self.dimension = Path(path), int(dimension)
        self.nearest: dict[range, np.ndarray] = {}
        self._file = open(self.path, "a+b")

    def __len__(self) -> int:
        self._file.flush()
        return os.fstat(self._file.fileno()).st_size // (4 * self.dimension)

    def append(self, features: np.ndarray) -> None:
        """Adds rows [n, dimension], stored as float32."""
        self._file.write(np.ascontiguousarray(features, "<f4").tobytes())

    def read(self, start: int, stop: int) -> np.ndarray:
        """Returns rows start to stop, [stop - start, dimension] float32."""
        self._file.flush()
        width = 4 * self.dimension
        data = os.pread(self._file.fileno(), (stop - start) * width, start * width)
        return np.frombuffer(data, "<f4").reshape(stop - start, self.dimension)

    def rows(self, indices) -> np.ndarray:
        """Returns the rows [n, dimension] float32 of the indices [n] int."""
        out = np.empty((len(indices), self.dimension), "<f4")
        for place, index in enumerate(indices):
            out[place] = self.read(index, index + 1)
        return out

    def select(self, indices: range) -> Selection:
        """Returns a view of some rows."""
        return Selection(self, indices)

    def close(self) -> None:
        """Closes the file; it stays where it is."""
        self._file.close()


class ArrayStore:
    """The same over an array [N, D] in memory."""

    def __init__(self, array: np.ndarray):
        self._array = np.asarray(array)
        self.nearest: dict[range, np.ndarray] = {}
        self.dimension = self._array.shape[1]

    def __len__(self) -> int:
        return len(self._array)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Returns rows start to stop, [stop - start, D]."""
        return self._array[start:stop]

    def rows(self, indices) -> np.ndarray:
        """Returns the rows [n, D] of the indices [n] int."""
        return self._array[list(indices)]

    def select(self, indices: range) -> Selection:
        """Returns a view of some rows."""
        return Selection(self, indices)


def selection(array: np.ndarray) -> Selection:
    """Returns all rows of an array [N, D] as a selection."""
    return ArrayStore(array).select(range(len(array)))
