"""A file a model family, behind the contract of base.py."""
