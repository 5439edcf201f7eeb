"""A file a kind of input: genotypes, reference, expression, genes, samples, and the haplotypes made of them."""
