"""A first look at an untrusted VCF or BCF in another process, so that a file that crashes the parser harms nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from gexviz.cohort.bgzf import check_bgzf
from gexviz.errors import GexvizError

CHILD = Path(__file__).with_name("_probe_child.py")
TIMEOUT = 120.0


class VcfHeader(NamedTuple):
    """What a VCF says of itself.

    Attributes
    ----------
    path, index_file : Path
    samples : tuple of str
    contigs : dict
        Contigs that have records (not only a line in the header), with their length in bp where the header gives it.
    declared : tuple of str
        All contigs of the header.
    records : int
        Number of records, from the index.
    """

    path: Path
    index_file: Path
    samples: tuple[str, ...]
    contigs: dict[str, int | None]
    declared: tuple[str, ...]
    records: int


def probe_vcf(path: str | Path) -> VcfHeader:
    """Open a VCF or BCF in another process and read its header, its index and the first record of each contig.

    Parameters
    ----------
    path : path
        bgzipped, with a ``.tbi`` or ``.csi`` index beside it.

    Returns
    -------
    VcfHeader
        The same object again as long as the file and its index are unchanged.

    Raises
    ------
    GexvizError
        For a missing file or index, a file that isn't bgzipped or is cut short (it lacks bgzip's end marker), a header
        or a first record that the parser refuses, hangs on or crashes on, a duplicated sample, or no samples at all.
    """
    path = Path(path)
    check_bgzf(path, remedy=f"pack it with bgzip: bcftools view -O z --write-index=tbi -o {_packed_name(path)} {path}")
    index = _index_of(path)
    stats = [(f.stat().st_mtime_ns, f.stat().st_size) for f in (path, index)]
    return _probe(path, index, tuple(stats))


def _packed_name(path: Path) -> str:
    return str(path.with_suffix(path.suffix + ".gz")) if path.suffix == ".vcf" else f"new.{path.name}"


def _index_of(path: Path) -> Path:
    for suffix in (".csi", ".tbi"):  # the order in which htslib looks
        index = Path(f"{path}{suffix}")
        if index.is_file():
            return index
    kind = "bcftools index" if path.suffix == ".bcf" else "bcftools index -t"
    raise GexvizError(
        f"{path.name} has no index",
        file=path,
        expected=f"{path.name}.tbi or {path.name}.csi beside it",
        remedy=f"{kind} {path}",
    )


@lru_cache(maxsize=256)
def _probe(path: Path, index: Path, stats: tuple[tuple[int, int], ...]) -> VcfHeader:
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(CHILD), str(path)],
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        raise _refused(path, f"the parser did not finish in {TIMEOUT:g} s") from None
    said = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        complaint = next((line for line in said if line.startswith("[E::")), "")
        raise _refused(path, f"the parser crashed on it ({name})", complaint)
    if done.returncode:
        complaint = next((line for line in said if line.startswith("[E::")), said[-1] if said else "")
        raise _refused(path, "the parser refuses it", complaint)
    found = json.loads(done.stdout)
    samples = tuple(found["samples"])
    if not samples:
        raise GexvizError("the file has no samples", file=path, expected="a column of calls for each person")
    damaged = next((line for line in said if line.startswith("[E::")), None)
    if damaged and "bgzf" in damaged:
        raise _refused(path, "it can't be unpacked", damaged)
    if not found["contigs"]:
        raise GexvizError(
            "no contig of the file has records, or the index belongs to another file",
            file=path,
            expected="records, and an index made from this file",
            remedy=f"make the index again: bcftools index -f {'' if path.suffix == '.bcf' else '-t '}{path}",
        )
    if "GT" not in found["format"]:
        raise GexvizError(
            "the records have no genotypes",
            file=path,
            place="FORMAT",
            expected="GT in the FORMAT column",
            remedy="call or convert genotypes to GT (`bcftools +tag2tag` makes it of GP or PL)",
        )
    return VcfHeader(path, index, samples, found["contigs"], tuple(found["declared"]), int(found["records"]))


def _refused(path: Path, problem: str, complaint: str = "") -> GexvizError:
    if "uplicate" in complaint and "sample" in complaint:
        return GexvizError(
            "a sample is in the file twice",
            file=path,
            place=complaint.split("] ", 1)[-1],
            expected="each sample once",
            remedy="rename or drop one of them: bcftools reheader -s, bcftools view -s",
        )
    return GexvizError(
        f"{path.name} can't be read: {problem}",
        file=path,
        place=complaint or None,
        expected="a VCF or BCF that follows its specification",
        remedy=f"see what is wrong with it: bcftools view {path} > /dev/null; convert or download it again",
    )
