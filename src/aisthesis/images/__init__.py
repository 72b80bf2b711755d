"""Image files: decoding, the transform a network needs, folders, and batches read ahead."""

from __future__ import annotations

from aisthesis.images.batches import ImageBatch, ImageBatches, batches
from aisthesis.images.check import CheckedImages, check_images
from aisthesis.images.decode import decode, decode_grey, decode_mask
from aisthesis.images.faults import ImageFault, faults_in_words
from aisthesis.images.folder import ImageFolder
from aisthesis.images.transform import VIEWS, Transform, View

__all__ = [
    "VIEWS",
    "CheckedImages",
    "ImageBatch",
    "ImageBatches",
    "ImageFault",
    "ImageFolder",
    "Transform",
    "View",
    "batches",
    "check_images",
    "decode",
    "decode_grey",
    "decode_mask",
    "faults_in_words",
]
