"""A service on this machine that speaks AlphaGenome's messages, its answers made up from the sequence."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import grpc
import numpy as np
from alphagenome import tensor_utils
from alphagenome.protos import tensor_pb2
from alphagenome.protos.v1 import dna_model_pb2, dna_model_service_pb2, dna_model_service_pb2_grpc

TERM = "EFO:0002784"
TRACKS = (  # name, strand
    ("EFO:0002784 polyA plus RNA-seq", dna_model_pb2.STRAND_POSITIVE),
    ("EFO:0002784 polyA plus RNA-seq", dna_model_pb2.STRAND_NEGATIVE),
    ("EFO:0002784 gtex", dna_model_pb2.STRAND_UNSTRANDED),
)
_REACH = 100  # bp on each side that the coverage of a base depends on


class Received(NamedTuple):
    """What the service got."""

    message: dna_model_service_pb2.PredictSequenceRequest
    metadata: dict[str, str]


class Service(dna_model_service_pb2_grpc.DnaModelServiceServicer):
    """Answers every sequence; first with the failures that it is told to give, one a request.

    Attributes
    ----------
    received : list of Received
    failures : list of grpc.StatusCode or None
        None: this one is answered.
    tracks : tuple
        Of every answer.
    values : type
        What its numbers are sent as.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.failures: list[grpc.StatusCode | None] = []
        self.tracks = TRACKS
        self.values: type = np.float32

    def PredictSequence(self, request_iterator: Iterator, context: grpc.ServicerContext) -> Iterator:
        message = next(request_iterator)
        self.received.append(Received(message, dict(context.invocation_metadata())))
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            context.abort(failure, f"no answer to {message.sequence[:40]}")
        yield from self.answered(message)

    def answered(self, message: dna_model_service_pb2.PredictSequenceRequest) -> Iterator:
        """The answer: an output, and its values in pieces."""
        values = coverage(message.sequence, len(self.tracks)).astype(self.values)
        chunked = {"bytes_per_chunk": 2**16, "compression_type": tensor_pb2.COMPRESSION_TYPE_ZSTD}
        tensor, chunks = tensor_utils.pack_tensor(values, **chunked)
        data = dna_model_pb2.TrackData(values=tensor, metadata=described(self.tracks), resolution=1)
        for kind in message.requested_outputs:
            output = dna_model_pb2.Output(output_type=kind, track_data=data)
            yield dna_model_service_pb2.PredictSequenceResponse(output=output)
            for chunk in chunks:
                yield dna_model_service_pb2.PredictSequenceResponse(tensor_chunk=chunk)


def described(tracks: Sequence[tuple[str, int]]) -> list[dna_model_pb2.TrackMetadata]:
    """What the service says of tracks."""
    term = dna_model_pb2.OntologyTerm(ontology_type=dna_model_pb2.ONTOLOGY_TYPE_EFO, id=2784)
    return [dna_model_pb2.TrackMetadata(name=name, strand=strand, ontology_term=term) for name, strand in tracks]


def coverage(sequence: str, tracks: int) -> np.ndarray:
    """Coverage of tracks, float32 (bases, tracks): sums of made-up scores of 3-mers within reach."""
    scores = np.random.default_rng(3).gamma(1.0, 2.0, (tracks, 125))
    codes = np.frombuffer(b"ACGNT", np.uint8).searchsorted(np.frombuffer(sequence.encode(), np.uint8))
    kmers = np.convolve(codes, [1, 5, 25], "same")
    total = np.cumsum(np.pad(scores[:, kmers], ((0, 0), (_REACH + 1, _REACH))), axis=1)
    return np.ascontiguousarray((total[:, 2 * _REACH + 1 :] - total[:, : -2 * _REACH - 1]).T / _REACH, np.float32)


class Running(NamedTuple):
    """A service and where it is."""

    service: Service
    address: str


def start_service() -> Running:
    """Start a service on a free port of this machine; it runs until the tests end."""
    service = Service()
    server = grpc.server(ThreadPoolExecutor(4))
    dna_model_service_pb2_grpc.add_DnaModelServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    atexit.register(server.stop, None)
    return Running(service, f"127.0.0.1:{port}")
