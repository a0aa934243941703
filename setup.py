"""Builds the hot modules as C extensions (mypyc) where a C compiler is there; SLUICE_PURE=1 leaves all interpreted.

The interpreted source stays the reference: the same files, typed and unchanged, and a module that cannot be compiled is used
as it is. Types of packages that are not there while building count as Any.
"""

import os
import sys

from setuptools import Extension, setup

COMPILED = [
    "parser/fingerprint.py",
    "parser/quick.py",
    "gateway/audit/chain.py",
    "gateway/audit/defined.py",
    "gateway/audit/literals.py",
    "gateway/audit/merkle.py",
    "gateway/audit/packing.py",
    "gateway/audit/walk.py",
    "gateway/classify/national.py",
    "gateway/classify/validators.py",
    "gateway/masking/copies.py",
    "gateway/masking/copy_cells.py",
    "gateway/masking/cells.py",
    "gateway/masking/documents.py",
    "gateway/masking/gates.py",
    "gateway/masking/key_cells.py",
    "gateway/masking/numbers.py",
    "gateway/masking/rows.py",
    "gateway/masking/scanned.py",
    "gateway/masking/scanned_copy.py",
    "gateway/masking/scanner.py",
    "gateway/masking/sheet.py",
    "gateway/masking/streams.py",
    "gateway/masking/written_back.py",
    "gateway/results.py",
    "gateway/scope.py",
    "gateway/session/asked.py",
    "gateway/session/bounds.py",
    "gateway/session/changing.py",
    "gateway/session/declaring.py",
    "gateway/session/copy_in.py",
    "gateway/session/describing.py",
    "gateway/session/disclosing.py",
    "gateway/session/failures.py",
    "gateway/session/guarding.py",
    "gateway/session/inflight.py",
    "gateway/session/names.py",
    "gateway/session/paths.py",
    "gateway/session/returning.py",
    "gateway/session/rows_out.py",
    "gateway/session/rulings.py",
    "gateway/session/understand.py",
    "gateway/session/answers.py",
    "gateway/session/session.py",
    "gateway/session/temporaries.py",
    "workers/audit_log.py",
    "workers/links.py",
    "workers/relay.py",
    "workers/slab.py",
]
MYPY = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]


def extensions() -> list[Extension]:
    """The extensions to build; none where they are not wanted or mypyc cannot make them."""
    if os.environ.get("SLUICE_PURE") == "1":
        return []
    try:
        from mypyc.build import mypycify

        built = mypycify([*MYPY, *COMPILED], opt_level="3")
    except (ImportError, SystemExit) as reason:
        print(f"the hot modules stay interpreted: {reason}", file=sys.stderr)
        return []
    for extension in built:
        extension.optional = True  # without a compiler there is no extension, and no failure either
    return built


setup(ext_modules=extensions())
