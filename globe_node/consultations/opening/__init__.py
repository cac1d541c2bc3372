# SPDX-License-Identifier: Apache-2.0
"""From a held envelope to a record in its place, or to the reason why it is not taken."""
