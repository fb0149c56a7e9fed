from auth_tokens.api_tokens.reading import (
    active_api_tokens,
    api_token_by_text,
    api_tokens_of,
)
from auth_tokens.broker_tokens.states import TokenState, token_states

__all__ = [
    "TokenState",
    "active_api_tokens",
    "api_token_by_text",
    "api_tokens_of",
    "token_states",
]
