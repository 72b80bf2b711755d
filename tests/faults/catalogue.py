"""All kinds of hostile input; the table in docs/faults.md is made from this list."""

from __future__ import annotations

from . import images_in, names_in, tables_in, weights_in

KINDS = [*images_in.KINDS, *tables_in.KINDS, *names_in.KINDS, *weights_in.KINDS]
