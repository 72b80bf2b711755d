"""All kinds of hostile input; the table in docs/faults.md is made from these lists."""

from __future__ import annotations

from . import images_in, names_in, tables_in, weights_in

KINDS = [*images_in.KINDS, *tables_in.KINDS, *names_in.KINDS, *weights_in.KINDS]

#: Files of a finished study folder, and how often `test_study_folder` harms each.
HARMED = {
    "study.toml": 16,
    "provenance.json": 8,
    "predictions.csv": 8,
    "heads/miniature_vgg16-seed0.safetensors": 8,
    "cache/fitted-miniature_vgg16-seed0.npz": 4,
    "maps.zarr/zarr.json": 4,
    "maps.zarr/miniature_vgg16/zarr.json": 6,
    "maps.zarr/miniature_vgg16/ais/zarr.json": 6,
    "maps.zarr/miniature_vgg16/ais/c/0/0/0/0": 6,
    "maps.zarr/miniature_vgg16/image/c/0": 4,
    "ledger": 8,
}
#: Files of a study folder that is reported on alone, four times each.
REPORTED = ("scores.csv", "predictions.csv", "provenance.json", "maps.zarr")
#: Cases that `test_command` runs in processes of their own.
N_COMMANDS = 20

OTHERS = [
    ("files of a study folder, harmed between two runs", sum(HARMED.values()),
     "what is harmed is done again with the same predictions, or the folder is refused"),
    ("study folders with harmed files, reported on", 4 * len(REPORTED),
     "the file is named as damaged, or the report is written"),
    ("the most dangerous of all these, through the command in a process of its own", N_COMMANDS,
     "exit code 1 or 2, one line on standard error, no file touched"),
]  # fmt: skip
