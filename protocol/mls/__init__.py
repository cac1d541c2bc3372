# SPDX-License-Identifier: Apache-2.0
"""Messaging Layer Security, RFC 9420, without I/O. It knows nothing of consultations."""
