# SPDX-License-Identifier: Apache-2.0
"""The ratchet tree of RFC 9420: who is in the group, and which keys reach whom."""
