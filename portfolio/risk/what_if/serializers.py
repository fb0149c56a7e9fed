"""Shapes of the what-if, for its OpenAPI document. Bodies are prepared bytes, not these."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portfolio.risk.serializers import (
    LegRiskSerializer,
    QuantileSerializer,
    RowSerializer,
    TenorSerializer,
)
from portfolio.risk_monitor.serializers import NumberField


class ChangeSerializer(serializers.Serializer[Any]):
    action = serializers.ChoiceField(["add", "change", "close"])
    position_id = serializers.CharField(required=False)
    underlying = serializers.CharField(required=False)
    instrument_type = serializers.ChoiceField(["option", "stock"], required=False)
    expiry = serializers.DateField(required=False)
    strike = serializers.FloatField(required=False)
    right = serializers.ChoiceField(["C", "P"], required=False)
    quantity = serializers.FloatField(required=False, help_text="Signed; of a change, the new one.")
    price = serializers.FloatField(required=False)
    implied_volatility = serializers.FloatField(required=False, help_text="As a fraction.")


class WhatIfRequestSerializer(serializers.Serializer[Any]):
    account_id = serializers.CharField(required=False)
    portfolio = serializers.IntegerField(required=False)
    benchmark = serializers.CharField(required=False)
    changes = ChangeSerializer(many=True)


class WorstSerializer(serializers.Serializer[Any]):
    spot = NumberField(allow_null=False)
    vol = NumberField(allow_null=False)
    days = serializers.IntegerField()
    pnl = NumberField(allow_null=False)
    pnl_percent_of_net_liq = NumberField()


class ParametricSerializer(serializers.Serializer[Any]):
    parametric = QuantileSerializer(many=True, allow_null=True)


class NumbersSerializer(RowSerializer):
    net_liquidation = NumberField()
    theta_to_net_liq = NumberField()
    vega_by_tenor = TenorSerializer(many=True)
    worst = WorstSerializer(allow_null=True)
    value_at_risk = ParametricSerializer()


class WhatIfLegSerializer(LegRiskSerializer):
    price_source = serializers.CharField()
    iv_source = serializers.CharField(allow_null=True)


class WhatIfSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    version = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    before = NumbersSerializer()
    after = NumbersSerializer()
    difference = NumbersSerializer()
    legs = WhatIfLegSerializer(many=True)
    notes = serializers.ListField(child=serializers.CharField())
