"""Accounts: signing in, the second factor, sessions, passwords, the first administrators.

What other modules call: `require_fresh` before a deed that needs a recent proof of identity, and
`end_sessions` after a change that signs a user out everywhere.
"""

from __future__ import annotations

from xianning.accounts.gate import gate
from xianning.accounts.proof import require_fresh
from xianning.accounts.sessions import end_all as end_sessions

__all__ = ["end_sessions", "gate", "require_fresh"]
