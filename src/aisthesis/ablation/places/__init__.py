"""Exact ablation of places: groups of cells of a layer, removed one by one."""
