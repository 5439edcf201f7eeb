"""Run as a script by ``probe.py``: opens one VCF and prints what its header and index say, as JSON.

It imports nothing of gexviz, so that it starts fast and works wherever the package is.
"""

import json
import sys
import warnings

from cyvcf2 import VCF


def main(path: str) -> None:
    """Print samples, contigs that have records, the number of records and the first record's FORMAT keys."""
    warnings.simplefilter("ignore")
    vcf = VCF(path)
    names = list(vcf.seqnames)
    try:
        lengths = dict(zip(names, vcf.seqlens, strict=True))
    except (AttributeError, ValueError):
        lengths = {}
    first = {name: next(iter(vcf(name)), None) for name in names}
    formats = [list(record.FORMAT) for record in first.values() if record is not None]
    json.dump(
        {
            "samples": list(vcf.samples),
            "contigs": {name: lengths.get(name) for name in names if first[name] is not None},
            "declared": names,
            "records": vcf.num_records,
            "format": formats[0] if formats else [],
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(sys.argv[1])
