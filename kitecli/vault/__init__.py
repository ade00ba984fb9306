"""Credentials in one encrypted file; docs/vault.md is its format. Only ``location`` and ``vault`` touch files."""

from kitecli.vault.entries import AccessToken as AccessToken
from kitecli.vault.location import vault_path as vault_path
from kitecli.vault.unlocking import at_hand as at_hand
from kitecli.vault.unlocking import unlock_by_prompt as unlock_by_prompt
from kitecli.vault.unlocking import unlock_quietly as unlock_quietly
from kitecli.vault.vault import OpenVault as OpenVault
from kitecli.vault.vault import Vault as Vault
