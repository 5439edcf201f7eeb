"""Files that strangers send: refused or made harmless, whatever is in them."""

import json
import random
import time

import hostile_sessions
import pandas as pd
import pytest
from hostile_sessions import HOSTILE, KEPT
from hypothesis import given
from hypothesis import strategies as st
from session_files import a_session, members, sealed, zipped

from gexviz.errors import GexvizError
from gexviz.exporting.spreadsheets import csv_text
from gexviz.session.reading import read_session

MEMBERS = members()
FILE = zipped(MEMBERS)
PARTS = sorted(MEMBERS)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - KEPT))
def test_it_is_refused_with_one_clear_message(name):
    content, start = HOSTILE[name](), time.process_time()
    with pytest.raises(GexvizError) as caught:
        read_session(content, "sent.gexviz.zip")
    error = caught.value
    assert time.process_time() - start < 10
    assert error.file == "sent.gexviz.zip"
    assert error.place
    assert error.remedy
    assert len(str(error)) < 1_000
    assert str(error).replace("\n", "").isprintable()
    assert not hostile_sessions.EVIL.exists()


@pytest.mark.parametrize("name", sorted(KEPT))
def test_it_is_kept_as_text(name):
    found = read_session(HOSTILE[name]())
    table = pd.DataFrame([note.model_dump() for note in found.notes])[["author", "text"]]
    for csv in (csv_text(table), csv_text(found.tables["evaluation"])):
        assert '"=' not in csv
        assert '"@' not in csv


def test_the_file_that_is_tampered_with_is_a_good_one():
    assert read_session(FILE).state == a_session().state


def tampered(content: bytes, seed: int, times: int) -> bytes:
    """Bits flipped, bytes set, removed, put in, moved."""
    chance, changed = random.Random(seed), bytearray(content)
    for _ in range(times):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes(b ^ 1 << chance.randrange(8) for b in changed[at : at + 1])
            case 1:
                changed[at : at + 1] = chance.choice([b"\0", b"\x01", b"\x7f", b"\x80", b"\xff"])
            case 2:
                del changed[at : at + chance.choice([1, 4, 200])]
            case 3:
                changed[at:at] = chance.randbytes(chance.choice([1, 4, 64]))
            case 4:
                changed[at : at + 4] = changed[chance.randrange(len(changed) + 1) :][:4]
            case 5:
                del changed[at:]
    return bytes(changed)


seeds, times = st.integers(0, 2**32), st.sampled_from([1, 1, 2, 5, 20])


def read_or_refused(content: bytes) -> None:
    try:
        read_session(content)
    except GexvizError as error:
        assert str(error).replace("\n", "").isprintable()


@given(seeds, times)
def test_a_tampered_file_is_read_or_refused(seed, times):
    read_or_refused(tampered(FILE, seed, times))


@given(st.sampled_from(PARTS), seeds, times)
def test_a_tampered_member_is_read_or_refused(name, seed, times):
    """Its digest is made right, as a forger would."""
    parts = MEMBERS | {name: tampered(MEMBERS[name], seed, times)}
    read_or_refused(zipped(parts if name == "manifest.json" else sealed(parts)))


@given(st.lists(st.sampled_from(PARTS), min_size=2, max_size=2, unique=True))
def test_swapped_members_are_refused(names):
    one, other = names
    parts = MEMBERS | {one: MEMBERS[other], other: MEMBERS[one]}
    with pytest.raises(GexvizError):
        read_session(zipped(parts if "manifest.json" in names else sealed(parts)))


@given(st.sampled_from(PARTS), st.binary(max_size=64))
def test_any_change_without_its_digest_is_refused(name, ending):
    if name == "manifest.json" or not ending:
        return
    with pytest.raises(GexvizError, match="was changed"):
        read_session(zipped(MEMBERS | {name: MEMBERS[name] + ending}))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["manifest.json", "state.json", "notes.jsonl"]), st.integers(0, 200), anything)
def test_json_of_another_kind_is_read_or_refused(name, at, value):
    """Any value of a document replaced by anything."""
    whole = json.loads(MEMBERS[name])
    places = list(places_in(whole))
    holder, key = places[at % len(places)]
    holder[key] = value
    parts = MEMBERS | {name: json.dumps(whole).encode()}
    read_or_refused(zipped(parts if name == "manifest.json" else sealed(parts)))


def places_in(value):
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places_in(value[key])


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(st.lists(st.tuples(names, st.binary(max_size=30)), min_size=1, max_size=3))
def test_further_members_are_refused(more):
    with pytest.raises(GexvizError):
        read_session(zipped([*MEMBERS.items(), *more]))
