# SPDX-License-Identifier: Apache-2.0
"""Key packages: what lets somebody be added to a group while away. Our own for peers, and theirs for us."""
