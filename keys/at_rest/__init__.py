# SPDX-License-Identifier: Apache-2.0
"""Key files as bytes: the sealed form and what is inside. It opens no file."""
