# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with keys and their files; every error carries a hint for the person at the terminal.

1. No text holds a passphrase, key bytes or what a damaged file contained.
2. After any of these errors every file is as it was before.
"""


class KeystoreError(Exception):
    """Keys can't be had, kept or used.

    Attributes:
        hint: what that person can do now.
    """

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class MissingKeyFileError(KeystoreError):
    """There is no key file at that place."""


class KeyFileExistsError(KeystoreError):
    """There is a key file already; it is never replaced by a new one."""


class KeyFilePermissionsError(KeystoreError):
    """Others may read or change the key file or its folder, or it is not a plain file of ours."""


class KeyFileDamagedError(KeystoreError):
    """The file is not what was written."""


class KeyFileVersionError(KeystoreError):
    """The file was written by a newer version of this software."""


class WrongPassphraseError(KeystoreError):
    """The passphrase does not open the file, or its sealed part was changed."""


class WeakParametersError(KeystoreError):
    """The file asks for a passphrase hash that is too cheap to resist guessing, or too dear to compute."""


class NoPassphraseError(KeystoreError):
    """Nobody gave a passphrase."""


class WeakPassphraseError(KeystoreError):
    """The passphrase is too short to protect a new file, or too long to be one."""


class KeyFileWriteError(KeystoreError):
    """The disk did not take the file."""


class KeyMaterialError(KeystoreError):
    """Keys, certificate and names in one bundle do not belong together."""


class RowDamagedError(KeystoreError):
    """A sealed row of the store is not what was written there."""
