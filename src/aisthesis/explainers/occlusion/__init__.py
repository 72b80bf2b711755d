"""Masking squares of the image, computing again only what each of them changes."""

from __future__ import annotations

from aisthesis.explainers.occlusion.plan import MASKING_MEMORY_BYTES, OcclusionPlan, occlusion_plan

__all__ = ["MASKING_MEMORY_BYTES", "OcclusionPlan", "occlusion_plan"]
