"""Reads one HDF5 file of RDMs, as a process of its own: `python rdm_reader.py FILE`.

The C library behind it may end, or never end, on a file that lies, and with it the process that
asked. So nothing of this package is imported here, and the answer is an .npz on standard output,
or one line on standard error with exit code 3.
"""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import h5py
import numpy as np

#: Far more than people can judge: 30,000 images, one subject, double precision.
_MOST_BYTES = 4 << 30


def _values(held: Any) -> Any:
    """Content of a data set, or of a list that is kept as a group with numbers for names."""
    if isinstance(held, h5py.Group):
        return [_values(held[key])[()] for key in sorted(held, key=int)]
    if held.shape is None:
        return np.array([])
    if held.size * held.dtype.itemsize > _MOST_BYTES:
        raise ValueError(f"a data set of {held.size * held.dtype.itemsize / 1e9:,.0f} GB")
    return np.asarray(held[()])


def _texts(group: Any) -> dict[str, list[str]]:
    """Every descriptor as text, one a pattern or a matrix."""
    found = {**{key: _values(group[key]) for key in group}, **group.attrs}
    return {
        key: [v.decode() if isinstance(v, bytes) else str(v) for v in values]
        for key, values in found.items()
        if np.ndim(values) == 1
    }


def main(path: str) -> None:
    """Write dissimilarities (K, pairs) and descriptors, as JSON, to standard output."""
    with h5py.File(path, "r") as file:
        held = np.asarray(_values(file["dissimilarities"]))
        if np.iscomplexobj(held):
            raise ValueError("expected real dissimilarities, got complex numbers")
        about = {key: _texts(file[key]) for key in ("pattern_descriptors", "rdm_descriptors")}
    sink = io.BytesIO()
    np.savez(sink, dissimilarities=held.astype(np.float64), about=np.array(json.dumps(about)))
    sys.stdout.buffer.write(sink.getvalue())


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:  # noqa: BLE001  whatever bytes that lie raise
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        sys.exit(3)
