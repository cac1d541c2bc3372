# SPDX-License-Identifier: Apache-2.0
"""Transparency logs as C2SP and RFC 6962 describe them: trees, notes, checkpoints."""
