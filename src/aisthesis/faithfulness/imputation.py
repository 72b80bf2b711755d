"""Noisy linear imputation: missing pixels as the weighted mean of their neighbours."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg, splu

from aisthesis.errors import AisthesisError, RequestError

__all__ = ["impute_linearly"]

Array = NDArray[np.float64]

BESIDE, DIAGONAL = 1 / 6, 1 / 12  # weights of the eight neighbours; they sum to one
BLOCK_PX = 4  # of the coarse system that speeds the solution up
SMOOTHING = 0.7


def impute_linearly(image: Array, missing: NDArray[np.bool_], *, tolerance: float = 1e-6) -> Array:
    """Replace missing pixels so that each is the weighted mean of its eight neighbours.

    Pixels beside and above weigh 1/6, diagonal ones 1/12; at the image's border the weights of the
    neighbours that exist are scaled to sum to one. All missing pixels together are the solution of
    one sparse linear system, found by conjugate gradients with a coarse system of blocks as
    preconditioner. A smooth fill tells the network less about the mask's shape than a constant.

    Parameters
    ----------
    image : ndarray
        Shape (C, H, W).
    missing : ndarray
        Shape (H, W), bool.
    tolerance : float
        Of the residual of the system, relative to its right-hand side.

    Returns
    -------
    ndarray
        Shape (C, H, W), without noise. Where every pixel is missing nothing is left to interpolate
        and each channel becomes its mean over the image.

    Raises
    ------
    RequestError
        If the shapes do not belong together.

    References
    ----------
    Rong, Leemann, Borisov, Kasneci & Kasneci (2022), "A consistent and efficient evaluation
    strategy for attribution methods", ICML: ROAD.
    """
    if image.ndim != 3 or missing.shape != image.shape[1:] or missing.dtype != np.bool_:
        raise RequestError(
            f"expected an image (C, H, W) and a boolean mask (H, W), got {image.shape} and "
            f"{missing.shape} of {missing.dtype}"
        )
    filled = np.array(image, dtype=np.float64)
    if not missing.any():
        return filled
    if missing.all():
        filled[:] = filled.mean(axis=(1, 2), keepdims=True)
        return filled
    weights, block = _neighbours(*missing.shape)
    hidden = missing.ravel()
    rows = weights[hidden]
    total = np.asarray(rows.sum(axis=1)).ravel()
    system = (sparse.diags(total) - rows[:, hidden]).tocsr()
    known = rows[:, ~hidden] @ filled.reshape(len(filled), -1)[:, ~hidden].T  # (M, C)
    solve = _preconditioner(system, block[hidden])
    for channel, right in enumerate(known.T):
        solution, status = cg(system, right, rtol=tolerance, M=solve)
        if status:
            raise AisthesisError(f"noisy linear imputation did not converge (status {status})")
        filled[channel][missing] = solution
    return filled


@lru_cache(maxsize=8)
def _neighbours(height: int, width: int) -> tuple[sparse.csr_matrix, NDArray[np.intp]]:
    """Weights between neighbouring pixels (HW, HW), and the coarse block of each pixel (HW,)."""
    number = np.arange(height * width).reshape(height, width)
    pairs: list[tuple[NDArray[np.intp], NDArray[np.intp], float]] = [
        (number[:, :-1], number[:, 1:], BESIDE),
        (number[:-1], number[1:], BESIDE),
        (number[:-1, :-1], number[1:, 1:], DIAGONAL),
        (number[:-1, 1:], number[1:, :-1], DIAGONAL),
    ]
    start = np.concatenate([one.ravel() for one, _, _ in pairs])
    end = np.concatenate([other.ravel() for _, other, _ in pairs])
    weight = np.concatenate([np.full(one.size, each) for one, _, each in pairs])
    one_way = sparse.csr_matrix((weight, (start, end)), shape=(number.size, number.size))
    across = -(-width // BLOCK_PX)
    block = np.add.outer(np.arange(height) // BLOCK_PX * across, np.arange(width) // BLOCK_PX)
    return (one_way + one_way.T).tocsr(), np.asarray(block).ravel()


def _preconditioner(system: sparse.csr_matrix, block: NDArray[np.intp]) -> LinearOperator:
    """Add a smoothing step and the exact solution on coarse blocks: symmetric and positive."""
    _, index = np.unique(block, return_inverse=True)
    spread = sparse.csr_matrix((np.ones(len(index)), (np.arange(len(index)), index)))
    gather = spread.T.tocsr()
    coarse = splu(
        (gather @ system @ spread).tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        options={"SymmetricMode": True},
    )
    damped = SMOOTHING / system.diagonal()

    def apply(residual: Array) -> Array:
        residual = residual.ravel()
        corrected: Array = spread @ coarse.solve(np.asarray(gather @ residual))
        return damped * residual + corrected

    return LinearOperator(system.shape, matvec=apply, dtype=np.float64)
