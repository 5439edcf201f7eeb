"""The AlphaGenome service, asked in the messages of its own client (the package ``alphagenome``)."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
import numpy as np
from alphagenome import tensor_utils
from alphagenome.protos.v1 import dna_model_pb2, dna_model_service_pb2, dna_model_service_pb2_grpc

from gexviz.errors import Cancelled, GexvizError
from gexviz.models.pacing import Pace, Stop, pause, waits

KEY = "ALPHA_GENOME_API_KEY"
"""The environment variable with the account's key, as the package ``alphagenome`` calls it."""

_HERE = ("localhost", "127.0.0.1")
_SECONDS = 300.0
_BUSY = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
_REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_STRANDS = {dna_model_pb2.STRAND_POSITIVE: "+", dna_model_pb2.STRAND_NEGATIVE: "-"}


class Request(NamedTuple):
    """What is asked of a sequence.

    Attributes
    ----------
    output : str
        ``rna_seq``, ``cage`` or ``procap``.
    term : str
        Ontology term of a cell type or tissue, as ``EFO:0002784``.
    version : str
        Of the model, as ``ALL_FOLDS``.
    """

    output: str
    term: str
    version: str


class Coverage(NamedTuple):
    """What the service predicts of a sequence, base by base.

    Attributes
    ----------
    names : tuple of str
        Of the tracks.
    strands : tuple of str
        ``+``, ``-`` or ``.``, of each track.
    values : ndarray, float32 (bases, tracks)
    """

    names: tuple[str, ...]
    strands: tuple[str, ...]
    values: np.ndarray


class Service:
    """A connection to the service, made when it is first needed.

    Parameters
    ----------
    address : str
        Host and port. This very machine is spoken to in plain text, all others over TLS.
    request : Request
    per_minute : int
        Requests that may begin in a minute.
    """

    def __init__(self, address: str, request: Request, per_minute: int) -> None:
        self._address, self._request = address, request
        self._here = address.rpartition(":")[0] in _HERE
        self._pace = Pace(per_minute)
        self._lock = threading.Lock()
        self._stub: Any = None

    def coverage(self, sequence: str, stop: Stop, note: Callable[[], None]) -> Coverage:
        """Ask for the tracks of one sequence; again, where the service is busy.

        Parameters
        ----------
        sequence : str
            A, C, G, T, N.
        stop : Stop
            Ends all waiting.
        note : callable
            Called before each request is sent.

        Raises
        ------
        GexvizError
            Without a key; if the service refuses, stays busy or gives something else.
        Cancelled
            If `stop` is set before it is sent, or cancels it.
        """
        key = self._key()
        for wait in (*waits(), None):
            self._pace.wait(stop)
            note()
            try:
                call = self._ask(sequence, key)
                stop.reaches(call)
                return _read(call, len(sequence), self._request)
            except grpc.RpcError as error:
                if stop.is_set() and error.code() == grpc.StatusCode.CANCELLED:
                    raise Cancelled from None
                if wait is None or error.code() not in _BUSY:
                    raise _told(error, self._address, key) from None
                pause(wait, stop)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, sequence: str, key: str | None) -> Any:
        """Begin a request: its answers, which can be cancelled."""
        request = self._request
        kind, _, number = request.term.partition(":")
        message = dna_model_service_pb2.PredictSequenceRequest(
            sequence=sequence,
            organism=dna_model_pb2.ORGANISM_HOMO_SAPIENS,
            ontology_terms=[
                dna_model_pb2.OntologyTerm(
                    ontology_type=dna_model_pb2.OntologyType.Value(f"ONTOLOGY_TYPE_{kind}"), id=int(number)
                )
            ],
            requested_outputs=[_output_type(request)],
            model_version=request.version,
        )
        metadata = () if key is None else (("x-goog-api-key", key),)
        return self._connected().PredictSequence(iter([message]), metadata=metadata, timeout=_SECONDS)

    def _connected(self) -> Any:
        with self._lock:
            if self._stub is None:
                options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
                if self._here:
                    channel = grpc.insecure_channel(self._address, [*options, ("grpc.enable_http_proxy", 0)])
                else:
                    channel = grpc.secure_channel(self._address, grpc.ssl_channel_credentials(), options)
                self._stub = dna_model_service_pb2_grpc.DnaModelServiceStub(channel)
            return self._stub

    def _key(self) -> str | None:
        key = os.environ.get(KEY, "").strip()
        if not key and not self._here:
            raise GexvizError(
                "the AlphaGenome service needs the key of an account",
                place=f"environment variable {KEY}",
                expected="a key, as the service gives it",
                remedy=f"get one at deepmind.google.com/science/alphagenome and set {KEY}; never write it into a study",
            )
        return key or None


def _output_type(request: Request) -> int:
    number: int = dna_model_pb2.OutputType.Value(f"OUTPUT_TYPE_{request.output.upper()}")
    return number


def _read(responses: Iterator[Any], bases: int, request: Request) -> Coverage:
    """Read the first output of an answer; the values of a large one come in chunks."""
    first = next(responses, None)
    if first is None or first.WhichOneof("payload") != "output":
        raise _unreadable("no output")
    if first.output.output_type != _output_type(request) or first.output.WhichOneof("payload") != "track_data":
        raise _unreadable(f"another output than {request.output}")
    data = first.output.track_data
    names = tuple(str(track.name) for track in data.metadata)
    if not names:
        raise GexvizError(
            f"the service has no {request.output} tracks of {request.term}",
            expected="an ontology term that it has tracks of",
            remedy="choose another term or output; alphagenomedocs.com lists them",
        )
    if (data.resolution or 1) != 1 or tuple(data.values.shape) != (bases, len(names)):
        raise _unreadable(f"values {tuple(data.values.shape)} for {bases:,} bases and {len(names)} tracks")
    chunks = [_chunk(responses) for _ in range(data.values.chunk_count)]
    try:
        values = tensor_utils.upcast_floating(tensor_utils.unpack_proto(data.values, chunks))
    except (ValueError, KeyError) as error:
        raise _unreadable(str(error)) from None
    if not np.isfinite(values).all():
        raise _unreadable("values that are not finite")
    for _ in responses:  # to the end of the stream, where the service says whether all went well
        pass
    return Coverage(names, tuple(_STRANDS.get(track.strand, ".") for track in data.metadata), values)


def _chunk(responses: Iterator[Any]) -> Any:
    found = next(responses, None)
    if found is None or found.WhichOneof("payload") != "tensor_chunk":
        raise _unreadable("fewer pieces than it said")
    return found.tensor_chunk


def _unreadable(found: str) -> GexvizError:
    return GexvizError(
        f"the answer of the AlphaGenome service can't be read: {found}",
        expected="the messages of alphagenome 0.10",
        remedy="update gexviz and the package alphagenome; answers that came before are kept",
    )


def _told(error: grpc.RpcError, address: str, key: str | None) -> GexvizError:
    """An error of the connection in words; neither the key nor sequence is in them."""
    code = error.code()
    details = re.sub(r"[ACGTN]{10,}", "...", error.details() or "")
    details = (details if key is None else details.replace(key, "..."))[:300]
    if code in _REFUSED:
        remedy = f"look whether {KEY} holds a valid key, and whether the account may use the service"
    elif code in _BUSY:
        remedy = "try again later; answers that came are kept, and not asked for again"
    else:
        remedy = "run again; answers that came are kept, and not asked for again"
    return GexvizError(
        f"the AlphaGenome service at {address} did not answer: {code.name}" + (f" ({details})" if details else ""),
        expected="an answer",
        remedy=remedy,
    )
