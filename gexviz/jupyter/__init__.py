"""Thin shells around figures and tables for notebooks: views with a selection, links between them, bars in cells."""
