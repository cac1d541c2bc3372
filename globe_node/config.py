# SPDX-License-Identifier: Apache-2.0
"""The settings of one node. No secrets: those are in the keystore.

1. A setting comes from, first to last: the call, an environment variable `GLOBE_NODE_…`, `config.toml` in the
   home folder, the default here. An unknown name in the file is refused, not ignored.
2. Units end the names.
3. The passphrase of the keystore is never a setting; `keys.keystore` says where it comes from.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from globe_node.errors import ConfigError, UsageError
from globe_node.home import Home
from globe_node.toml import parse_toml
from protocol import limits

Port = Annotated[int, Field(ge=0, le=65_535)]
MachineName = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]


class Section(BaseModel):
    """A table of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PeeringSettings(Section):
    """Talking to other nodes."""

    endpoint: str = Field(default="", pattern=r"^(https://[!-~]{1,250})?$")
    """Where others reach this node: https://host:port. Empty: not reachable, only sends."""
    listen_host: str = "0.0.0.0"  # noqa: S104 -- a node is there to be reached; the operator may narrow it
    listen_port: Port = 8444
    max_connections: int = Field(default=512, ge=1, le=100_000)
    max_connections_per_source: int = Field(default=16, ge=1, le=10_000)
    request_timeout_seconds: float = Field(default=30.0, gt=0, le=600)


class DeliverySettings(Section):
    """Patience."""

    deadline_seconds: int = Field(
        default=limits.DEFAULT_DEADLINE_SECONDS, ge=60, le=limits.MAX_LIFETIME_SECONDS
    )
    batch_envelopes: int = Field(default=limits.MAX_BATCH_ENVELOPES, ge=1, le=limits.MAX_BATCH_ENVELOPES)
    receipt_wait_milliseconds: int = Field(default=2_000, ge=0, le=30_000)
    """How long an answer to envelopes waits for their receipts."""
    key_packages: int = Field(default=limits.KEY_PACKAGE_POOL, ge=1, le=limits.MAX_KEY_PACKAGES)
    """How many key packages are kept for each peer, and held of each."""


class AuditSettings(Section):
    """The audit log."""

    checkpoint_seconds: int = Field(default=60, ge=1, le=86_400)


class Settings(BaseSettings):
    """All settings of a node."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="GLOBE_NODE_", env_nested_delimiter="__"
    )

    authority: MachineName
    node: MachineName = "main"
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """ISO 3166-1 alpha-2; XA to XZ are free for samples."""
    kind: str = Field(default="", pattern=r"^([A-Z_]{1,40})?$")
    """What kind of authority this is, as in the directory: ACA, PROSECUTION, …"""
    names: dict[str, str] = {}
    """Legal name by language tag, as in the directory."""
    network: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    """Fingerprint of the network's root statement, once the node has joined."""
    passphrase_file: str = ""
    """A file whose first line opens the keystore; empty: service credential or terminal."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    peering: PeeringSettings = PeeringSettings()
    delivery: DeliverySettings = DeliverySettings()
    audit: AuditSettings = AuditSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take the call, then the environment, then the file of the home folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(home: Home) -> Settings:
    """Read the settings of a home folder.

    Raises:
        ConfigError: no home there, not readable, not TOML, or a name or value that is not allowed.
    """
    if not home.settings.is_file():
        raise ConfigError(
            f"no node in {home.folder}",
            hint="Make one with `globe-node --home DIR init`, or name another folder with --home.",
        )

    class FromHome(Settings):
        model_config = SettingsConfigDict(toml_file=home.settings)

    try:
        parse_toml(home.settings.read_bytes())
        return FromHome()
    except UsageError as error:
        raise ConfigError(f"{home.settings}: {error}", hint=error.hint) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        variable = "GLOBE_NODE_" + name.upper().replace(".", "__")
        raise ConfigError(
            f"setting {name}: {first['msg']}",
            hint=f"Correct it in {home.settings} or in the environment variable {variable}.",
        ) from None
    except OSError:
        raise ConfigError(f"{home.settings} can't be read", hint="Check its owner and mode.") from None
