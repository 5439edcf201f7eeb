"""What is kept of an interpretation and shared: views, notes, frozen results, the session file and the report."""
