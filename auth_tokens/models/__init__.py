from auth_tokens.models.api_token import ApiToken
from auth_tokens.models.audit_event import AuditEvent
from auth_tokens.models.user import User

__all__ = ["ApiToken", "AuditEvent", "User"]
