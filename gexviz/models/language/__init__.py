"""Genomic language models: sequences to tokens, tokens to embeddings, and a trained head that makes them a number."""
