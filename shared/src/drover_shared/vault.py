"""Secrets at rest: MultiFernet, with the id of the key that encrypted kept beside each row."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from drover_shared.domain.errors import InfrastructureError
from drover_shared.settings import SettingsError

MASK = "$encrypted$"


class Vault:
    """Encrypts with the first key, decrypts with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` are "id:fernetkey"; SettingsError names what is wrong, never the key."""
        pairs = [key.partition(":") for key in keys]
        try:
            self._fernet = MultiFernet([Fernet(key) for _, _, key in pairs])
        except (ValueError, TypeError):
            raise SettingsError(
                "DROVER_SECRET_KEYS must hold id:key pairs whose keys are 32 bytes in URL-safe base64"
            ) from None
        if any(not name or not separator for name, separator, _ in pairs):
            raise SettingsError("DROVER_SECRET_KEYS: each key needs an id before its colon")
        self.key_id = pairs[0][0]

    def encrypt(self, secrets: Mapping[str, Any]) -> bytes:
        """One token that holds all of `secrets`; it was made with the key named `key_id`."""
        return self._fernet.encrypt(json.dumps(secrets).encode())

    def decrypt(self, token: bytes | None) -> dict[str, Any]:
        """What `encrypt` was given; {} for None. Raises InfrastructureError where no key fits."""
        if token is None:
            return {}
        try:
            secrets: dict[str, Any] = json.loads(self._fernet.decrypt(bytes(token)))
        except InvalidToken:
            raise InfrastructureError("a secret cannot be decrypted with any configured key") from None
        return secrets
