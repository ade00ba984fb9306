"""The exchange and its user, for all tests of the login."""

from tests.auth.exchanges import browsing, exchange, running, variables

__all__ = ["browsing", "exchange", "running", "variables"]
