# SPDX-License-Identifier: Apache-2.0
"""Which group a consultation is, when one came from another; how a node comes into it; when a hub is gone."""
