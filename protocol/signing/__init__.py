# SPDX-License-Identifier: Apache-2.0
"""Who said what: labels, composite signatures, signatures over many records at once, node certificates."""
