"""Shapes of the market's API, for its OpenAPI document. Bodies are prepared bytes, not these."""

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


def column(help_text: str = "") -> serializers.ListField:
    """One number a minute (or step), null in a gap."""
    return serializers.ListField(child=NumberField(), help_text=help_text)


class SessionSerializer(serializers.Serializer[Any]):
    exchange = serializers.CharField()
    zone = serializers.CharField()
    opens_at = serializers.DateTimeField()
    closes_at = serializers.DateTimeField()
    kind = serializers.CharField()


class BaseMinuteSerializer(serializers.Serializer[Any]):
    minute = serializers.DateTimeField()
    is_opening = serializers.BooleanField(
        help_text="false: the opening minute is missing, a later one serves."
    )


class SumSerializer(serializers.Serializer[Any]):
    close = column()
    change = column("Since the minute (or step) before; null after a gap.")
    from_open = column("Since the close of the base minute.")


class CandleSerializer(SumSerializer):
    open = column()
    high = column()
    low = column()


class MarketSidesSerializer(serializers.Serializer[Any]):
    call = SumSerializer()
    put = SumSerializer()
    total = CandleSerializer(help_text="open, high and low are absent with a delta filter.")


class MarketSeriesSerializer(serializers.Serializer[Any]):
    delta = MarketSidesSerializer()
    gamma = MarketSidesSerializer()
    theta = MarketSidesSerializer()
    vega = MarketSidesSerializer()


class VendorSidesSerializer(serializers.Serializer[Any]):
    call = column()
    put = column()
    total = column()


class VendorSerializer(serializers.Serializer[Any]):
    delta = VendorSidesSerializer()
    gamma = VendorSidesSerializer()
    theta = VendorSidesSerializer()
    vega = VendorSidesSerializer()


class VelocitySerializer(serializers.Serializer[Any]):
    change = NumberField()
    second_difference = NumberField()
    word = serializers.ChoiceField(
        choices=["accelerating", "slowing", "turning", "steady"], allow_null=True
    )


class VelocitySidesSerializer(serializers.Serializer[Any]):
    call = VelocitySerializer()
    put = VelocitySerializer()
    total = VelocitySerializer()


class VelocitiesSerializer(serializers.Serializer[Any]):
    delta = VelocitySidesSerializer()
    gamma = VelocitySidesSerializer()
    theta = VelocitySidesSerializer()
    vega = VelocitySidesSerializer()


class MarketDataSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    stale = serializers.BooleanField(help_text="The database is lost: this is the last good body.")
    slug = serializers.CharField()
    name = serializers.CharField()
    instrument_key = serializers.CharField()
    expiry = serializers.DateField()
    date = serializers.DateField()
    resolution = serializers.CharField()
    delta_min = NumberField(help_text="The range that was summed, in whole buckets of 0.05.")
    delta_max = NumberField()
    session = SessionSerializer()
    calendar_known_until = serializers.DateField(allow_null=True)
    base = BaseMinuteSerializer(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True)
    source = serializers.CharField()  # type: ignore[assignment]
    simulated = serializers.BooleanField()
    version = serializers.IntegerField()
    minutes = serializers.ListField(child=serializers.DateTimeField())
    gap = serializers.ListField(child=serializers.BooleanField())
    samples_seen = serializers.ListField(child=serializers.IntegerField())
    samples_expected = serializers.ListField(child=serializers.IntegerField())
    series = MarketSeriesSerializer()
    vendor = VendorSerializer(allow_null=True, help_text="null with a delta filter.")
    velocity = VelocitiesSerializer()
    spot = column()
    call_open_interest = column()
    put_open_interest = column()
    pcr = column()
    max_pain = column()
    atm_implied_volatility = column()
    contracts = column("Of the whole chain.")
    contracts_without_greeks = column()
    contracts_filled = column()
    contracts_in_range = serializers.ListField(
        child=NumberField(), allow_null=True, help_text="Null without a delta filter."
    )
    forming = serializers.DictField(
        allow_null=True, help_text="Null here: the websocket says how the minute forms."
    )


class ContractSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    bid = NumberField()
    ask = NumberField()
    last = NumberField()
    iv = NumberField()
    delta = NumberField()
    gamma = NumberField()
    theta = NumberField()
    vega = NumberField()
    greeks_source = serializers.CharField(
        allow_null=True, help_text="The vendor, model, or null where nobody computed them."
    )
    volume = NumberField()
    open_interest = NumberField()
    previous_open_interest = NumberField()


class StrikeSerializer(serializers.Serializer[Any]):
    strike = NumberField()
    call = ContractSerializer(allow_null=True)
    put = ContractSerializer(allow_null=True)


class MarketChainSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    slug = serializers.CharField()
    instrument_key = serializers.CharField()
    expiry = serializers.DateField()
    as_of = serializers.DateTimeField()
    source = serializers.CharField()  # type: ignore[assignment]
    simulated = serializers.BooleanField()
    spot = NumberField()
    lot_size = serializers.IntegerField(allow_null=True)
    counts_contracts = serializers.BooleanField()
    sums = serializers.DictField()
    vendor = serializers.DictField()
    strikes = StrikeSerializer(many=True)


class OfferedExpirySerializer(serializers.Serializer[Any]):
    expiry = serializers.DateField()
    polled = serializers.BooleanField()


class ShownSessionSerializer(SessionSerializer):
    date = serializers.DateField()
    is_open = serializers.BooleanField()


class MarketInstrumentSerializer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    instrument_key = serializers.CharField()
    provider = serializers.CharField()
    currency = serializers.CharField()
    simulated = serializers.BooleanField()
    expiries = OfferedExpirySerializer(many=True)
    dates = serializers.ListField(child=serializers.DateField())
    poll_seconds = serializers.IntegerField()
    session = ShownSessionSerializer(allow_null=True)
    calendar_known_until = serializers.DateField(allow_null=True)
    as_of = serializers.DateTimeField(allow_null=True)


class MarketInstrumentsSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    instruments = MarketInstrumentSerializer(many=True)
