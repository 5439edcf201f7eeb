"""What of a study goes into a session, at a level of privacy."""
