"""Write docs/metrics.md from what the package knows of its metrics."""

from __future__ import annotations

from pathlib import Path

from aisthesis.agreement import METRICS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
INTRODUCTION = """\
# Metrics of agreement

Each compares two maps of one image, upsampled to 224 x 224 and z-scored over its pixels. This page
is written from the package's own data by `tools/describe_metrics.py`; `metric_table()` of
`aisthesis.agreement` gives the same as a table. The first four are those of the original
description and the default.
"""


def as_markdown() -> str:
    """Give the page."""
    parts = [INTRODUCTION]
    for one in METRICS.values():
        chance = (
            "every explained image (at most 500 for the chance level), from the cosine"
            if one.of_cosine
            else "every explained image (at most `inference_images`)"
            if one.cross
            else "at most 32 images"
        )
        parts.append(
            f"## `{one.name}`: {one.label}\n\n"
            f"- **range** {one.low:g} to {one.high:.3g}; {one.direction} is more agreement\n"
            f"- **formula** {one.formula}\n"
            f"- **blind to** {one.blind_to}\n"
            f"- **undefined when** {one.undefined_when}\n"
            f"- **chance level and reliability** from {chance}\n"
            f"- **corrected for attenuation** {'yes' if one.disattenuates else 'no'}\n"
        )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(as_markdown(), encoding="utf-8")
