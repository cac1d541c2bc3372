# SPDX-License-Identifier: Apache-2.0
"""What one consultation leaves behind for a third party: a file that proves itself, and who reads it.

Needs no node, no line and no secret; only the fingerprint of the network, from a source of the reader's own.
"""
