"""The readable name of a contract on any page."""

from __future__ import annotations

from django import template

from greeks.instruments.names import contract_name

register = template.Library()
register.filter("contract_name", contract_name)
