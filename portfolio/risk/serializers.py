"""Shapes of the risk API, for its OpenAPI document. Bodies are prepared bytes, not these."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from portfolio.risk_monitor.serializers import NumberField


class RowSerializer(serializers.Serializer[Any]):
    market_value = NumberField()
    delta = NumberField(help_text="Shares.")
    dollar_delta = NumberField()
    beta_weighted_delta = NumberField(help_text="Shares of the benchmark.")
    gamma = NumberField(help_text="Shares per 1 of the underlying.")
    dollar_gamma = NumberField(help_text="Change of the dollar delta per 1 % of the underlying.")
    theta = NumberField(help_text="Per calendar day.")
    vega = NumberField(help_text="Per volatility point.")
    legs = serializers.IntegerField()
    legs_without_greeks = serializers.IntegerField()
    legs_without_beta = serializers.IntegerField()


class MoneyRowSerializer(RowSerializer):
    net_liquidation = NumberField()
    maint_margin = NumberField()
    margin_use = NumberField()
    theta_to_net_liq = NumberField()


class AccountRiskSerializer(MoneyRowSerializer):
    account_id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class PortfolioRiskSerializer(MoneyRowSerializer):
    id = serializers.CharField()
    name = serializers.CharField()


class UnderlyingRiskSerializer(RowSerializer):
    underlying = serializers.CharField()
    spot = NumberField()
    beta = NumberField()
    beta_source = serializers.ChoiceField(["set", "history", "self"], allow_null=True)
    beta_as_of = serializers.DateTimeField(allow_null=True)
    beta_observations = serializers.IntegerField(allow_null=True)


class ExpiryRiskSerializer(RowSerializer):
    expiry = serializers.DateField()
    dte = serializers.IntegerField()


class LegRiskSerializer(RowSerializer):
    id = serializers.CharField()
    symbol = serializers.CharField()
    account_id = serializers.CharField()
    underlying = serializers.CharField()
    expiry = serializers.DateField(allow_null=True)
    strike = NumberField()
    right = serializers.CharField(allow_null=True)
    quantity = NumberField(allow_null=False)
    multiplier = NumberField(allow_null=False)
    price = NumberField()
    iv = NumberField(help_text="Implied volatility as a fraction: 0.25 is 25 %.")
    model = serializers.ChoiceField(["european", "american", "linear"])
    greeks_source = serializers.CharField(allow_null=True)


class BenchmarkSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    price = NumberField(help_text="In the report's currency.")
    price_as_of = serializers.DateTimeField(allow_null=True)
    choices = serializers.ListField(child=serializers.CharField())


class TenorSerializer(serializers.Serializer[Any]):
    tenor = serializers.CharField()
    from_days = serializers.IntegerField()
    to_days = serializers.IntegerField(allow_null=True)
    vega = NumberField()
    legs = serializers.IntegerField()


class ConcentrationSerializer(serializers.Serializer[Any]):
    underlying = serializers.CharField()
    gross_dollar_delta_share = NumberField()
    gross_market_value_share = NumberField()


class UnderlyingGammaSerializer(serializers.Serializer[Any]):
    underlying = serializers.CharField()
    gamma = NumberField()
    dollar_gamma = NumberField()
    legs = serializers.IntegerField()


class GammaNearExpirySerializer(serializers.Serializer[Any]):
    days = serializers.IntegerField()
    gamma = NumberField()
    dollar_gamma = NumberField()
    by_underlying = UnderlyingGammaSerializer(many=True)


class ExpectedMoveSerializer(serializers.Serializer[Any]):
    underlying = serializers.CharField()
    expiry = serializers.DateField()
    dte = serializers.IntegerField(allow_null=True)
    implied_volatility = NumberField()
    move = NumberField(help_text="One standard deviation, in the underlying's currency.")
    move_percent = NumberField()
    source = serializers.CharField()  # type: ignore[assignment]


class QuantileSerializer(serializers.Serializer[Any]):
    confidence = NumberField(allow_null=False)
    var = NumberField(allow_null=False, help_text="Loss as a positive number.")
    expected_shortfall = NumberField(allow_null=False)


class ValueAtRiskSerializer(serializers.Serializer[Any]):
    horizon_days = serializers.IntegerField()
    confidences = serializers.ListField(child=NumberField(allow_null=False))
    parametric = QuantileSerializer(many=True, allow_null=True)
    scenario = QuantileSerializer(many=True, allow_null=True)
    observations = serializers.IntegerField()
    # "from" is a word of Python's: the field is added under its name below.
    to = serializers.DateField(allow_null=True)
    left_out = serializers.ListField(child=serializers.CharField())
    method = serializers.DictField(child=serializers.CharField())

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["from"] = serializers.DateField(allow_null=True)
        return fields


class RiskReportSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    version = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    simulated = serializers.BooleanField()
    stale = serializers.BooleanField()
    unconverted = serializers.ListField(child=serializers.CharField())
    benchmark = BenchmarkSerializer()
    totals = MoneyRowSerializer()
    accounts = AccountRiskSerializer(many=True)
    portfolios = PortfolioRiskSerializer(many=True)
    underlyings = UnderlyingRiskSerializer(many=True)
    expiries = ExpiryRiskSerializer(many=True)
    legs = LegRiskSerializer(many=True)
    vega_by_tenor = TenorSerializer(many=True)
    concentration = ConcentrationSerializer(many=True)
    gamma_near_expiry = GammaNearExpirySerializer()
    expected_move = ExpectedMoveSerializer(many=True)
    value_at_risk = ValueAtRiskSerializer()


class AxesSerializer(serializers.Serializer[Any]):
    spot = serializers.ListField(child=NumberField(allow_null=False))
    vol = serializers.ListField(child=NumberField(allow_null=False))
    days = serializers.ListField(child=serializers.IntegerField())


class LegShareSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    symbol = serializers.CharField()
    underlying = serializers.CharField()
    pnl = NumberField(allow_null=False)
    share = NumberField(help_text="Of the cell's P&L; null where that is nought.")


class CellSerializer(serializers.Serializer[Any]):
    spot = NumberField(allow_null=False)
    vol = NumberField(allow_null=False)
    days = serializers.IntegerField()
    pnl = NumberField(allow_null=False)
    pnl_percent_of_net_liq = NumberField()
    legs = LegShareSerializer(many=True)


class LeftOutSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    symbol = serializers.CharField()
    reason = serializers.CharField()


class ModelsSerializer(serializers.Serializer[Any]):
    european = serializers.IntegerField()
    american = serializers.IntegerField()
    linear = serializers.IntegerField()


class ScenarioGridSerializer(serializers.Serializer[Any]):
    schema = serializers.IntegerField()
    version = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)
    currency = serializers.CharField()
    move = serializers.ChoiceField(["uniform", "beta"])
    benchmark = serializers.CharField(allow_null=True)
    axes = AxesSerializer()
    base_value = NumberField(help_text="What the models say that the legs are worth now.")
    pnl = serializers.ListField(
        child=serializers.ListField(
            child=serializers.ListField(child=NumberField(allow_null=False))
        ),
        help_text="[day][vol][spot]",
    )
    worst = CellSerializer(allow_null=True)
    best = CellSerializer(allow_null=True)
    cell = CellSerializer(allow_null=True)
    left_out = LeftOutSerializer(many=True)
    models = ModelsSerializer()
    american_error = NumberField(
        allow_null=False, help_text="The most that the American models' error may make of a cell."
    )
    unconverted = serializers.ListField(child=serializers.CharField())


class ShiftSerializer(serializers.Serializer[Any]):
    underlying = serializers.CharField(help_text="A symbol, or * for all others.")
    spot = serializers.FloatField(required=False, help_text="Percent.")
    vol = serializers.FloatField(required=False, help_text="Volatility points.")


class ScenarioWriteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=64)
    shifts = ShiftSerializer(many=True)
    days = serializers.IntegerField(required=False)


class SavedScenarioSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()
    shifts = ShiftSerializer(many=True)
    days = serializers.IntegerField()


class SavedScenariosSerializer(serializers.Serializer[Any]):
    scenarios = SavedScenarioSerializer(many=True)


class ScenarioResultSerializer(serializers.Serializer[Any]):
    pnl = NumberField(allow_null=False)
    pnl_percent_of_net_liq = NumberField()
    legs = LegShareSerializer(many=True)
    left_out = LeftOutSerializer(many=True)
    currency = serializers.CharField()
    version = serializers.IntegerField()
    as_of = serializers.DateTimeField(allow_null=True)


class ScenarioWithResultSerializer(SavedScenarioSerializer):
    result = ScenarioResultSerializer()
