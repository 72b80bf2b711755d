"""Reads one MATLAB 7.3 file, which is HDF5, as a process of its own: `python mat_reader.py FILE`.

As `rdm_reader`: nothing of this package is imported, and the answer is an .npz on standard output,
or one line on standard error with exit code 3.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import h5py
import numpy as np

_MOST_BYTES = 4 << 30


def _array(file: Any, held: Any) -> Any:
    """A variable as NumPy has it: axes turned round, text as text; None for what is neither."""
    said = held.attrs.get("MATLAB_class", "")
    kind = said.decode() if isinstance(said, bytes) else str(said)
    if held.size is None or "MATLAB_empty" in held.attrs:
        return None
    if held.size * held.dtype.itemsize > _MOST_BYTES:
        raise ValueError(f"a variable of {held.size * held.dtype.itemsize / 1e9:,.0f} GB")
    if kind == "cell":
        texts = [_array(file, file[one]) for one in np.asarray(held[()]).T.ravel(order="F")]
        flat = [str(one[()]) for one in texts if one is not None and one.dtype.kind == "U"]
        return np.array(flat) if len(flat) == len(texts) else None
    values = np.asarray(held[()]).T
    if kind == "char":
        rows = ["".join(map(chr, row)) for row in np.atleast_2d(values)]
        return np.array(rows[0] if len(rows) == 1 else rows)
    return np.squeeze(values) if values.dtype.kind in "fiub" else None


def main(path: str) -> None:
    """Write every variable that is numbers or text to standard output."""
    found = {}
    with h5py.File(path, "r") as file:
        for name in file:
            if not name.startswith("#") and isinstance(file[name], h5py.Dataset):
                array = _array(file, file[name])
                if array is not None:
                    found[name] = array
    sink = io.BytesIO()
    np.savez(sink, **found)
    sys.stdout.buffer.write(sink.getvalue())


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:  # noqa: BLE001  whatever bytes that lie raise
        print(" ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        sys.exit(3)
