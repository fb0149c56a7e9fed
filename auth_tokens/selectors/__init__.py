from auth_tokens.selectors.api_tokens import (
    active_api_tokens,
    api_token_by_text,
    api_tokens_of,
)
from auth_tokens.selectors.broker_tokens import TokenState, token_states

__all__ = [
    "TokenState",
    "active_api_tokens",
    "api_token_by_text",
    "api_tokens_of",
    "token_states",
]
