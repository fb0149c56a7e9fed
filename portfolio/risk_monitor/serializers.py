"""Shapes of the portfolio API, for its OpenAPI document. Bodies are prepared bytes, not these."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


@extend_schema_field(OpenApiTypes.NUMBER)
class NumberField(serializers.Field[Any, Any, Any, Any]):
    """A JSON number, or null when it is missing."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("allow_null", True)
        super().__init__(**kwargs)

    def to_representation(self, value: Any) -> Any:
        return value

    def to_internal_value(self, data: Any) -> Any:
        return data


class FaultSerializer(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()


class ClockSerializer(serializers.Serializer[Any]):
    now = serializers.DateTimeField(
        allow_null=True, help_text="Where the market's clock stands; null while it runs."
    )
    frozen = serializers.BooleanField()


class AccountRowSerializer(serializers.Serializer[Any]):
    account_id = serializers.CharField()
    broker = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    currency = serializers.CharField()
    net_liquidation = NumberField()
    buying_power = NumberField()
    excess_liquidity = NumberField()
    maint_margin = NumberField()
    unrealized_pnl = NumberField()
    unrealized_pnl_source = serializers.CharField(
        allow_null=True, help_text="broker, or positions where the broker gives none."
    )
    realized_pnl = NumberField()
    cash = NumberField()
    last_synced = serializers.DateTimeField(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    stale = serializers.BooleanField()
    simulated = serializers.BooleanField()
    unconfirmed_empty = serializers.BooleanField()
    error = FaultSerializer(allow_null=True)


class PositionRowSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    account_id = serializers.CharField()
    symbol = serializers.CharField()
    instrument_type = serializers.CharField()
    underlying = serializers.CharField()
    expiry = serializers.DateField(allow_null=True)
    strike = NumberField()
    right = serializers.CharField(allow_null=True)
    dte = serializers.IntegerField(allow_null=True)
    quantity = NumberField(allow_null=False)
    multiplier = NumberField(allow_null=False)
    currency = serializers.CharField()
    avg_price = NumberField()
    price = NumberField()
    price_source = serializers.CharField(allow_null=True)
    price_as_of = serializers.DateTimeField(allow_null=True)
    market_value = NumberField()
    unrealized_pnl = NumberField()
    opening_price = NumberField()
    previous_close = NumberField()
    daily_change = NumberField()
    daily_change_percent = NumberField()
    delta = NumberField(help_text="Per contract, per 1 of the underlying.")
    gamma = NumberField(help_text="Per contract, per 1 of the underlying.")
    theta = NumberField(help_text="Per contract and calendar day.")
    vega = NumberField(help_text="Per contract and volatility point.")
    iv = NumberField(help_text="Implied volatility as a fraction: 0.25 is 25 %.")
    open_interest = serializers.IntegerField(
        allow_null=True, help_text="Contracts, of all holders; null for what is no option."
    )
    greeks_source = serializers.CharField(allow_null=True)
    greeks_as_of = serializers.DateTimeField(allow_null=True)
    greeks_last_known = serializers.BooleanField()
    source = serializers.CharField()  # type: ignore[assignment]
    as_of = serializers.DateTimeField()


class GroupSerializer(serializers.Serializer[Any]):
    legs = serializers.IntegerField()
    legs_without_greeks = serializers.IntegerField()
    market_value = NumberField()
    daily_change = NumberField()
    dollar_delta = NumberField()
    delta = NumberField()
    gamma = NumberField()
    theta = NumberField()
    vega = NumberField()


class UnderlyingGroupSerializer(GroupSerializer):
    underlying = serializers.CharField()


class ExpiryGroupSerializer(GroupSerializer):
    expiry = serializers.DateField()
    dte = serializers.IntegerField()


class CurrencyGroupSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    legs = serializers.IntegerField()
    market_value = NumberField()
    daily_change = NumberField()
    dollar_delta = NumberField()
    theta = NumberField()
    vega = NumberField()


class TotalsSerializer(serializers.Serializer[Any]):
    currency = serializers.CharField()
    net_liquidation = NumberField()
    maint_margin = NumberField()
    market_value = NumberField()
    unrealized_pnl = NumberField()
    daily_change = NumberField()
    daily_change_percent = NumberField()
    delta = NumberField()
    dollar_delta = NumberField()
    beta_weighted_delta = NumberField()
    gamma = NumberField()
    theta = NumberField()
    vega = NumberField()
    theta_to_net_liq = NumberField()
    margin_use = NumberField()
    legs = serializers.IntegerField()
    legs_without_greeks = serializers.IntegerField()
    legs_without_daily_change = serializers.IntegerField()
    legs_without_dollar_delta = serializers.IntegerField()
    legs_without_beta = serializers.IntegerField()
    unconverted = serializers.ListField(child=serializers.CharField())
    by_currency = CurrencyGroupSerializer(many=True)
    by_underlying = UnderlyingGroupSerializer(many=True)
    by_expiry = ExpiryGroupSerializer(many=True)


class WorstCellSerializer(serializers.Serializer[Any]):
    spot = NumberField(allow_null=False, help_text="Move of every spot in percent.")
    vol = NumberField(allow_null=False, help_text="Change of volatility in points.")
    days = serializers.IntegerField()
    pnl = NumberField(allow_null=False)
    as_of = serializers.DateTimeField()
    version = serializers.IntegerField(help_text="Of the book that it was computed from.")
    left_out = serializers.IntegerField(help_text="Legs that could not be valued.")


class ScenariosSerializer(serializers.Serializer[Any]):
    worst = WorstCellSerializer(allow_null=True)
    grid_url = serializers.CharField()


class RiskMonitorSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    version = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)
    stale = serializers.BooleanField()
    refreshing = serializers.BooleanField(
        help_text="A refresh of Greeks was asked for, and has not been committed yet."
    )
    simulated = serializers.BooleanField()
    clock = ClockSerializer()
    accounts = AccountRowSerializer(many=True)
    positions = PositionRowSerializer(many=True)
    totals = TotalsSerializer()
    scenarios = ScenariosSerializer()


class OrderRowSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    account_id = serializers.CharField()
    broker_order_id = serializers.CharField()
    symbol = serializers.CharField()
    description = serializers.CharField()
    status = serializers.CharField()
    order_type = serializers.CharField()
    time_in_force = serializers.CharField()
    quantity = NumberField()
    filled_quantity = NumberField()
    limit_price = NumberField()
    legs = serializers.ListField(child=serializers.DictField())
    placed_at = serializers.DateTimeField(allow_null=True)
    updated_at = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    as_of = serializers.DateTimeField()


class AccountsSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField(allow_null=True)
    accounts = AccountRowSerializer(many=True)


class PositionsSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField(allow_null=True)
    positions = PositionRowSerializer(many=True)


class OrdersSerializer(serializers.Serializer[Any]):
    orders = OrderRowSerializer(many=True)


class SeriesSerializer(serializers.Serializer[Any]):
    at = serializers.ListField(child=serializers.DateTimeField())
    net_liquidation = serializers.ListField(child=NumberField())
    delta = serializers.ListField(child=NumberField())
    dollar_delta = serializers.ListField(child=NumberField())
    gamma = serializers.ListField(child=NumberField())
    theta = serializers.ListField(child=NumberField())
    vega = serializers.ListField(child=NumberField())


class HistorySerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    account_ids = serializers.ListField(child=serializers.CharField())
    resolution = serializers.ChoiceField(choices=["minute", "day"])
    start = serializers.DateField(allow_null=True)
    end = serializers.DateField(allow_null=True)
    currency = serializers.CharField()
    series = SeriesSerializer()


class SyncRequestSerializer(serializers.Serializer[Any]):
    account_id = serializers.CharField(required=False, allow_null=True, max_length=64)


class QueuedRunSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    account_id = serializers.CharField()
    status_url = serializers.CharField()


class SyncQueuedSerializer(serializers.Serializer[Any]):
    run_id = serializers.CharField()
    runs = QueuedRunSerializer(many=True)


class SyncRunSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    account_id = serializers.CharField()
    step = serializers.CharField()
    progress = serializers.IntegerField()
    outcome = serializers.CharField()
    error = FaultSerializer(allow_null=True)
    requested_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    counts = serializers.DictField()
