# SPDX-License-Identifier: Apache-2.0
"""Every bound of the protocol, with its unit and its reason. Not a place for settings: these never vary."""

# --- JSON -----------------------------------------------------------------------------------------------
MAX_JSON_DEPTH = 32
"""Levels of nesting; far above any schema of ours, far below any parser's stack."""
MAX_SAFE_INTEGER = 2**53 - 1
"""Integers that every JSON implementation holds exactly (RFC 8785 section 3.2.2.3)."""
MAX_RECORD_BYTES = 256 * 1024
"""One evidence record without its attachments."""
MAX_STATEMENT_BYTES = 65_535
"""One directory statement: an entry bundle of a tiled log has a 16-bit length."""
MAX_RECEIPT_BYTES = 128 * 1024
"""One receipt with its signature; holds `MAX_RECEIPT_ENTRIES` entries."""

# --- content --------------------------------------------------------------------------------------------
MAX_TEXT_CHARACTERS = 20_000
"""Free text of one field, in code points."""
MAX_NAME_CHARACTERS = 300
"""A name, title or reference, in code points."""
MAX_LIST_ITEMS = 100
"""Items of one list inside a message."""
MAX_ATTACHMENTS = 20
"""Attachments of one record."""
MAX_ATTACHMENT_TOTAL_BYTES = 1024 * 1024
"""All attachments of one record together: they travel inside the sealed part."""
MAX_RECIPIENTS = 20
"""Authorities one record may be addressed to."""
MAX_MEMBERS = 20
"""Authorities that one consultation may have, the requester among them."""

# --- envelopes and exchange -----------------------------------------------------------------------------
MIN_PADDED_BYTES = 512
"""Smallest padded length, so that short answers look alike."""
MAX_ENVELOPE_BYTES = 1_600_000
"""A sealed record with full attachments and padding (a sixteenth at most)."""
MAX_BATCH_ENVELOPES = 100
"""Envelopes in one request."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of one request that carries envelopes; a single envelope always fits."""
MAX_RECEIPT_ENTRIES = 256
"""Records that one receipt may cover."""
MAX_SIGNED_BATCH = 1024
"""Leaves under one batch signature; a path of at most 10 hashes."""
MAX_ANSWER_BYTES = 256 * 1024
"""What we read of a peer's answer to envelopes."""
MAX_DIRECTORY_ANSWER_BYTES = 4 * 1024 * 1024
"""What we read of a peer's answer to a directory request."""

# --- groups ---------------------------------------------------------------------------------------------
MAX_MLS_VECTOR_BYTES = 16 * 1024 * 1024
"""One vector of RFC 9420, which itself allows 2^30 - 1; the ratchet tree of 4,000 members fits."""
MAX_MLS_LIST_ITEMS = 8192
"""Items of one list of RFC 9420; far above any group, read in milliseconds."""
MAX_MLS_TREE_LEAVES = 1024
"""Places for members in one ratchet tree; judging one that somebody else made takes time for each place."""

MAX_GROUP_MEMBERS = 64
"""Leaves of a group of ours: 20 authorities, some with a node more."""
MIN_GROUP_AUTHORITIES = 2
"""Authorities of a consultation."""
MAX_GROUP_AUTHORITIES = 20
"""Authorities of a consultation, as `MAX_RECIPIENTS`."""
MAX_COMMIT_BYTES = 1024 * 1024
"""One commit; with 64 members of whom none has a path it has 110,000."""
MAX_WELCOME_BYTES = 4 * 1024 * 1024
"""One Welcome or GroupInfo with its tree."""
KEY_PACKAGE_POOL = 8
"""One-time key packages that a node keeps at each peer."""
KEY_PACKAGE_REFILL = 3
"""Below this many a pool is filled up."""
MAX_KEY_PACKAGES = 256
"""Key packages that one request may ask for."""
MAX_PACKAGE_REQUEST_BYTES = 256 * 1024
"""A request for key packages, with the references of all that are held and were used."""
MAX_PACKAGE_ANSWER_BYTES = 2 * 1024 * 1024
"""What we read of a peer's answer to such a request."""
MAX_ORDER_ANSWER_BYTES = 4 * 1024 * 1024
"""What we read of a hub's answer to a commit: its receipt, or the commits that came first."""
MAX_HUB_RECEIPTS_BYTES = 256 * 1024
"""What a member shows of the receipts of hubs, and what it is shown."""
MAX_KEY_PACKAGE_BYTES = 8 * 1024
"""One key package: 2,700 octets with this suite, and what extensions may add."""

# --- time -----------------------------------------------------------------------------------------------
CLOCK_TOLERANCE_SECONDS = 300
"""How far two honest clocks may differ."""
MAX_LIFETIME_SECONDS = 30 * 24 * 3600
"""Longest time between creation and expiry of an envelope."""
DEFAULT_DEADLINE_SECONDS = 9 * 24 * 3600
"""How long a message is tried when the sender names no deadline."""
MAX_BACKOFF_SECONDS = 900
"""Longest pause between two attempts at one peer."""
