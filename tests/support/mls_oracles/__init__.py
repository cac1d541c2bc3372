# SPDX-License-Identifier: Apache-2.0
"""Other implementations of RFC 9420 behind one interface, to test ours against."""
