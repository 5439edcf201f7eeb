"""Pure analysis: arrays and tables in, tables out."""
