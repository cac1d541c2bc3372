# SPDX-License-Identifier: Apache-2.0
"""The way of envelopes and receipts between two nodes: outbox, courier, inbox, and the seam to the line."""
