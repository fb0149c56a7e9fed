"""Forms of the alerts page, with readable errors; rules are checked again on writing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms

from config.core.web import form_fields
from greeks.alerts.metrics import DELTA_STEP, registered_metrics
from greeks.alerts.sending.messengers import LONGEST_ADDRESS, accepted_schemas
from greeks.models import AlertChannel, AlertRule, PolledInstrument

_FIGURE = {"autocomplete": "off", "inputmode": "decimal"}
_SIDES = {"call": "calls", "put": "puts", "total": "both"}
_STEPS = [f"{index * DELTA_STEP:.2f}" for index in range(round(1 / DELTA_STEP) + 1)]
_MAIN = ("slug", "series", "measure", "comparison", "threshold")
_MORE = ("expiry", "delta_min", "delta_max", "band", "cooldown_minutes")
# The API has metric and side as two fields.
_FORM_FIELDS = {"metric": "series", "side": "series"}


def series_choices() -> list[tuple[str, list[tuple[str, str]] | str]]:
    """Return every metric with each of its sides, as one list of choices."""
    choices: list[tuple[str, list[tuple[str, str]] | str]] = []
    for metric in registered_metrics().values():
        if metric.sides:
            of_sides = [
                (f"{metric.name}.{side}", f"{metric.label}, {_SIDES.get(side, side)}")
                for side in reversed(metric.sides)
            ]
            choices.append((metric.label, of_sides))
        else:
            choices.append((metric.name, metric.label))
    return choices


class _WrittenForm(forms.Form):
    def refuse(self, message: str, fields: Mapping[str, str]) -> None:
        """Show the errors found on writing."""
        texts = {_FORM_FIELDS.get(name, name): text for name, text in fields.items()}
        named = {name: text for name, text in texts.items() if name in self.fields}
        for name, text in named.items():
            self.add_error(name, text)
            self.fields[name].widget.attrs["aria-invalid"] = "true"
        if not named:
            self.add_error(None, message)


class AlertRuleForm(_WrittenForm):
    """A rule: what it watches, and where it sends messages."""

    slug = forms.ChoiceField(label="Instrument")
    expiry = form_fields.DateField(
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Empty: the nearest expiry.",
    )
    series = forms.ChoiceField(label="Number")
    measure = forms.ChoiceField(label="Measure", choices=AlertRule.Measure.choices, initial="value")
    comparison = forms.ChoiceField(
        label="When it", choices=AlertRule.Comparison.choices, initial="above"
    )
    threshold = form_fields.FloatField(widget=forms.TextInput(attrs=_FIGURE))
    band = form_fields.FloatField(
        label="Re-arm band",
        initial=0,
        min_value=0,
        widget=forms.TextInput(attrs=_FIGURE),
        help_text="How far it must come back before it can fire again.",
    )
    cooldown_minutes = form_fields.IntegerField(
        label="Quiet for",
        initial=5,
        min_value=0,
        widget=forms.TextInput(attrs=_FIGURE | {"inputmode": "numeric"}),
        help_text="Minutes before it can fire again.",
    )
    delta_min = forms.ChoiceField(
        label="|Δ| from", choices=[(each, each) for each in _STEPS[:-1]], initial=_STEPS[0]
    )
    delta_max = forms.ChoiceField(
        label="|Δ| to", choices=[(each, each) for each in _STEPS[1:]], initial=_STEPS[-1]
    )
    channels = forms.MultipleChoiceField(
        label="Send to", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(
        self,
        *arguments: Any,
        instruments: Iterable[PolledInstrument],
        channels: Iterable[AlertChannel],
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **{"auto_id": "alert-%s", **named})
        self._choose("slug", [(each.slug, each.name) for each in instruments])
        self._choose("series", series_choices())
        self._choose("channels", [(str(each.pk), str(each)) for each in channels])
        for name, bound in self.errors.items() if self.is_bound else ():
            if bound:
                self.fields[name].widget.attrs["aria-invalid"] = "true"

    def _choose(self, name: str, choices: Any) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    @property
    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _MAIN]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _MORE]

    @property
    def more_is_open(self) -> bool:
        """Return whether a field in the folded part was changed or has an error."""
        return any(
            self[name].errors
            or str(self[name].value() or "") != str(self.fields[name].initial or "")
            for name in _MORE
        )

    def values(self, *, enabled: bool = True) -> dict[str, Any]:
        """Return the rule in the form ``greeks.alerts.rules`` takes."""
        given = dict(self.cleaned_data)
        metric, _, side = given.pop("series").partition(".")
        low, high = float(given["delta_min"]), float(given["delta_max"])
        whole = (low, high) == (0.0, 1.0)
        return given | {
            "metric": metric,
            "side": side,
            "delta_min": None if whole else low,
            "delta_max": None if whole else high,
            "channels": [int(each) for each in given["channels"]],
            "enabled": enabled,
        }


def rule_initial(rule: AlertRule) -> dict[str, Any]:
    """Return initial form values for an existing rule."""
    same = ("expiry", "measure", "comparison", "threshold", "band", "cooldown_minutes")
    return {name: getattr(rule, name) for name in same} | {
        "slug": rule.instrument.slug,
        "series": f"{rule.metric}.{rule.side}" if rule.side else rule.metric,
        "delta_min": f"{rule.delta_min or 0:.2f}",
        "delta_max": f"{1 if rule.delta_max is None else rule.delta_max:.2f}",
        "channels": [str(channel.pk) for channel in rule.channels.all()],
    }


class AlertChannelForm(_WrittenForm):
    """A name and an Apprise address. The address is never shown again, not even after an error."""

    name = forms.CharField(max_length=48, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    address = forms.CharField(
        max_length=LONGEST_ADDRESS,
        widget=forms.PasswordInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "tgram://…"}
        ),
    )

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **{"auto_id": "alert-channel-%s", **named})
        accepted = ", ".join(f"{name}://" for name in accepted_schemas())
        self.fields["address"].help_text = f"An Apprise address: {accepted}."
