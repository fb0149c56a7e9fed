from auth_tokens.models.api_token import ApiToken
from auth_tokens.models.audit_event import AuditEvent
from auth_tokens.models.broker_token import BrokerToken
from auth_tokens.models.second_factor import SecondFactor
from auth_tokens.models.token_event import TokenEvent
from auth_tokens.models.user import User

__all__ = ["ApiToken", "AuditEvent", "BrokerToken", "SecondFactor", "TokenEvent", "User"]
