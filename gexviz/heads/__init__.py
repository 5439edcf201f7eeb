"""Training heads on a language model's embeddings: a gene a task, each kept as soon as it is made; then the fits.

Across genes: one head predicts the mean expression of a gene from its reference sequence. Folds are stretches of the
genome; a gene is always predicted by the head of the fold that it was left out of, which saw no gene whose window
shares a base with one of the fold. Across people: a head for each gene predicts its expression from people's sequences,
in the nested cross-validation that linear models are trained in.
"""

from gexviz.heads.settings import HeadSettings
from gexviz.heads.training import TrainedHead, train_head

__all__ = ["HeadSettings", "TrainedHead", "train_head"]
