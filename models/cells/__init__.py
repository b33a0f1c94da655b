"""Cells of experiments: their inputs, options, grid combinations, parent cells, recipes, and what makes one invalid."""
