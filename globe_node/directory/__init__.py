# SPDX-License-Identifier: Apache-2.0
"""The directory of this node: statements kept, exchanged and published, and looked up."""
