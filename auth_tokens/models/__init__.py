from auth_tokens.models.api_token import ApiToken as ApiToken
from auth_tokens.models.audit_event import AuditEvent as AuditEvent
from auth_tokens.models.broker_token import BrokerToken as BrokerToken
from auth_tokens.models.second_factor import SecondFactor as SecondFactor
from auth_tokens.models.token_event import TokenEvent as TokenEvent
from auth_tokens.models.user import User as User
