# SPDX-License-Identifier: Apache-2.0
"""The purposes a signature can have. Not names of keys: one key may sign for several purposes.

1. Every signature is made for exactly one label and verifies for no other.
2. The list is closed; a label is never used for a second purpose.
"""

NODE_CERTIFICATE = "anp1/node-cert"
"""An authority root over the certificate of a node of the same authority."""
RECORD = "anp1/record"
"""A node over evidence records of its authority."""
RECEIPT = "anp1/receipt"
"""A node over receipts for what it received, rejected or showed to a reader."""
STATEMENT = "anp1/statement"
"""A network officer or an authority root over a directory statement."""
POSSESSION = "anp1/possession"
"""The holder of a key over its own admission, to show that it holds the key."""
LEAF_CERTIFICATE = "anp1/leaf-cert"
"""A node over the certificate of a key with which it signs inside groups."""
HUB_RECEIPT = "anp1/hub-receipt"
"""The hub of a group over the place it gave to a commit."""
JOINED = "anp1/joined"
"""A node over the state of a group that it came to."""
CONTINUED = "anp1/continued"
"""A successor over the group in which it continues a consultation."""
CONTROL = "anp1/control"
"""A node over a request to send again, or over word that something can't be read."""
PUBLIC_DIRECTORY = "anp1/public-directory"
"""A node over the manifest of what anybody may see of the directory."""

ALL = frozenset(
    {
        NODE_CERTIFICATE,
        RECORD,
        RECEIPT,
        STATEMENT,
        POSSESSION,
        LEAF_CERTIFICATE,
        HUB_RECEIPT,
        JOINED,
        CONTINUED,
        CONTROL,
        PUBLIC_DIRECTORY,
    }
)
