"""Tracks of the locus figure: small components that share one genomic axis, each a file."""

from gexviz.figures.tracks.association import AssociationTrack
from gexviz.figures.tracks.attribution import AttributionTrack
from gexviz.figures.tracks.base import MARKS, Drawn, Region, Track
from gexviz.figures.tracks.difference import DifferenceTrack
from gexviz.figures.tracks.genes import GeneTrack
from gexviz.figures.tracks.ism import IsmTrack
from gexviz.figures.tracks.logo import LogoTrack
from gexviz.figures.tracks.motifs import MotifTrack
from gexviz.figures.tracks.user import UserTrack
from gexviz.figures.tracks.variants import VariantTrack
from gexviz.figures.tracks.weights import WeightTrack

__all__ = [
    "MARKS",
    "AssociationTrack",
    "AttributionTrack",
    "DifferenceTrack",
    "Drawn",
    "GeneTrack",
    "IsmTrack",
    "LogoTrack",
    "MotifTrack",
    "Region",
    "Track",
    "UserTrack",
    "VariantTrack",
    "WeightTrack",
]
