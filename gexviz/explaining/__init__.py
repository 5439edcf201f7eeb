"""Why a model predicts what it does at one gene: on which sequence, computed once, kept on disk, laid on the genome."""
