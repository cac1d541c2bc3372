# SPDX-License-Identifier: Apache-2.0
"""How a conversation may go: which message may follow which, and what an answer owes to its question."""
