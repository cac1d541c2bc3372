# SPDX-License-Identifier: Apache-2.0
"""Our own test data for the parts of the protocol that nobody else has, for implementers in any language.

`python -m tests.vectors` writes the files again; `tests/protocol/groups/test_vectors.py` reads them.
"""
