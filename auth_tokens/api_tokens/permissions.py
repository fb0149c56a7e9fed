"""What a personal token may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from auth_tokens.models import ApiToken

if TYPE_CHECKING:
    # REST framework's views load this class as the default; importing them here would be circular.
    from rest_framework.views import APIView


def scope_grants(token: ApiToken, required: ApiToken.Scope) -> bool:
    """Return whether the token's scope covers ``required``, as ``sync`` does ``read``."""
    return token.scope in (required, ApiToken.Scope.SYNC)


class HasScope(BasePermission):
    """Reading needs the scope ``read``, anything else ``sync`` (which includes ``read``).

    A view with other needs sets ``required_scope``. A signed-in session has no scope and passes;
    any authentication this class does not know is refused.
    """

    message = "The API token's scope does not allow this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        token = request.auth
        if token is None:
            return True
        if not isinstance(token, ApiToken):
            return False
        by_method = ApiToken.Scope.READ if request.method in SAFE_METHODS else ApiToken.Scope.SYNC
        required = ApiToken.Scope(getattr(view, "required_scope", by_method))
        return scope_grants(token, required)
