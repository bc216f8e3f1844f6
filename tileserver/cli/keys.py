"""`overzoom hash-key`: API keys."""

from __future__ import annotations

import hashlib
import secrets

import click

from tileserver.cli.examples import examples


@click.command(short_help="Make an API key and its hash.", epilog=examples("overzoom hash-key"))
def hash_key() -> None:
    """Make an API key for a client, and its hash for access.keys in the configuration."""
    key = secrets.token_urlsafe(32)  # as long as its hash: no dictionary finds it
    click.echo(f"key:    {key}\nsha256: {hashlib.sha256(key.encode()).hexdigest()}")
