"""Forms of the risk page: legs to add, legs to change, scenarios to save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.http import QueryDict

from config.core.api.parameters import whole_number
from config.core.web import form_fields
from portfolio.amounts import as_float

MOST_ADDED_LEGS = 20
MOST_SHIFTS = 40
_SHORT = {"autocomplete": "off", "spellcheck": "false"}
_FIGURE = {"autocomplete": "off", "inputmode": "decimal"}


class AddedLegForm(forms.Form):
    """A new leg. An untouched form adds none."""

    instrument_type = forms.ChoiceField(
        label="Kind", choices=[("option", "Option"), ("stock", "Shares")], initial="option"
    )
    underlying = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={**_SHORT, "list": "known-underlyings", "placeholder": "SPY"}),
    )
    expiry = form_fields.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    strike = form_fields.DecimalField(
        required=False,
        min_value=Decimal("0.001"),
        max_digits=12,
        decimal_places=3,
        widget=forms.TextInput(attrs=_FIGURE),
    )
    right = forms.ChoiceField(
        label="Right", required=False, choices=[("", "–"), ("C", "Call"), ("P", "Put")]
    )
    quantity = form_fields.DecimalField(
        max_digits=14,
        decimal_places=4,
        widget=forms.TextInput(attrs={**_FIGURE, "placeholder": "−1"}),
    )
    price = form_fields.DecimalField(
        required=False,
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=4,
        widget=forms.TextInput(attrs={**_FIGURE, "placeholder": "model"}),
    )
    implied_volatility = form_fields.DecimalField(
        label="IV %",
        required=False,
        min_value=Decimal("0.1"),
        max_value=Decimal(1000),
        max_digits=8,
        decimal_places=4,
        widget=forms.TextInput(attrs={**_FIGURE, "placeholder": "known"}),
    )

    currency = forms.CharField(
        required=False,
        max_length=3,
        widget=forms.TextInput(attrs={**_SHORT, "placeholder": "known", "size": 4}),
    )

    def clean_underlying(self) -> str:
        return str(self.cleaned_data["underlying"]).strip().upper()

    def clean_quantity(self) -> Decimal:
        quantity: Decimal = self.cleaned_data["quantity"]
        if quantity == 0:
            raise forms.ValidationError("Must not be zero.")
        return quantity

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("instrument_type") == "option":
            for name in ("expiry", "strike", "right"):
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, "Required for an option.")
        return cleaned

    def change(self) -> dict[str, Any]:
        """Return the leg as ``what_if`` takes it, with volatility as a fraction."""
        given = self.cleaned_data
        leg: dict[str, Any] = {
            "action": "add",
            "underlying": given["underlying"],
            "instrument_type": given["instrument_type"],
            "quantity": float(given["quantity"]),
            "price": as_float(given["price"]),
            "currency": given["currency"] or None,
        }
        if given["instrument_type"] == "option":
            volatility = as_float(given["implied_volatility"])
            leg["expiry"] = given["expiry"]
            leg["strike"] = float(given["strike"])
            leg["right"] = given["right"]
            leg["implied_volatility"] = None if volatility is None else volatility / 100
        return {name: value for name, value in leg.items() if value is not None}


AddedLegs = forms.formset_factory(AddedLegForm, extra=2, max_num=MOST_ADDED_LEGS)


@dataclass(slots=True)
class HeldLeg:
    """A held leg in the form: what was typed for it, and its error."""

    leg: Mapping[str, Any]
    quantity: str = ""
    closed: bool = False
    error: str = ""


class WhatIfForm:
    """Legs to add, and for each held leg a new quantity or whether to close it.

    ``data`` is ``None`` for an untouched form. Names: ``add-…`` belongs to the formset,
    ``quantity-<id>`` is a quantity, ``close`` lists the ids to close.
    """

    def __init__(self, data: QueryDict | None, legs: Sequence[Mapping[str, Any]]) -> None:
        self.added = AddedLegs(_with_room(data) if data is not None else None, prefix="add")
        self.held = [_held(data, leg) for leg in legs]
        self.problem = ""
        self._asked: list[HeldLeg | AddedLegForm] = []

    def changes(self) -> list[dict[str, Any]] | None:
        """Return the changes to the book; ``None`` after marking the errors, if any."""
        added_are_valid = self.added.is_valid()
        changes: list[dict[str, Any]] = []
        for held in self.held:
            change = _change_of(held)
            if change:
                changes.append(change)
                self._asked.append(held)
        if not added_are_valid or any(held.error for held in self.held):
            self.problem = "Some values are not valid: they are marked below."
            return None
        added = [form for form in self.added.forms if form.has_changed()]
        self._asked += added
        changes += [form.change() for form in added]
        if not changes:
            self.problem = "Add a leg, or change or close a held one."
            return None
        return changes

    def refuse(self, message: str, fields: Mapping[str, str]) -> None:
        """Mark what ``what_if`` refused; its fields are named like ``changes.0.strike``."""
        self.problem = "Some values are not valid: they are marked below."
        for field, problem in fields.items():
            _, _, place = field.partition("changes.")
            text, _, name = place.partition(".")
            index = whole_number(text)
            marked = None if index is None else self._asked[index]
            if isinstance(marked, HeldLeg):
                marked.error = problem
            elif marked is not None:
                marked.add_error(name if name in marked.fields else None, problem)
            else:
                self.problem = message

    @property
    def touches_held(self) -> bool:
        """Whether a held leg is to change: then the list is shown open."""
        return any(held.quantity or held.closed for held in self.held)


def _with_room(data: QueryDict) -> QueryDict:
    """Return the data with two empty forms after the last filled one, for use without
    JavaScript."""
    roomy = data.copy()
    filled = [
        whole_number(name.split("-")[1])
        for name, value in data.items()
        if name.startswith("add-") and not name.endswith("-instrument_type") and str(value).strip()
    ]
    within = [index for index in filled if index is not None and index < MOST_ADDED_LEGS]
    total = min(MOST_ADDED_LEGS, max(within, default=-1) + 3)
    for index in range(total):
        roomy.setdefault(f"add-{index}-instrument_type", "option")
    roomy["add-TOTAL_FORMS"] = str(total)
    roomy["add-INITIAL_FORMS"] = "0"
    return roomy


def _held(data: QueryDict | None, leg: Mapping[str, Any]) -> HeldLeg:
    if data is None:
        return HeldLeg(leg)
    name = str(leg["id"])
    typed = str(data.get(f"quantity-{name}", "")).strip()
    return HeldLeg(leg, quantity=typed, closed=name in data.getlist("close"))


def _change_of(held: HeldLeg) -> dict[str, Any] | None:
    if held.closed:
        return {"action": "close", "position_id": held.leg["id"]}
    if not held.quantity:
        return None
    try:
        quantity = Decimal(held.quantity.replace("\u2212", "-"))
    except InvalidOperation:
        held.error = "Not a number."
        return None
    if not quantity.is_finite() or quantity.copy_abs() >= Decimal(10) ** 10:
        held.error = "Quantity out of range."
        return None
    return {"action": "change", "position_id": held.leg["id"], "quantity": float(quantity)}


class ScenarioForm(forms.Form):
    """Name and days of a scenario to save; its shifts are ``Shifts``."""

    name = forms.CharField(max_length=64, widget=forms.TextInput(attrs=_SHORT))
    days = form_fields.IntegerField(
        min_value=0,
        max_value=3650,
        initial=0,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
    )


class ShiftForm(forms.Form):
    """How one underlying moves, or every other one (``*``)."""

    underlying = forms.CharField(
        max_length=32,
        widget=forms.TextInput(attrs={**_SHORT, "list": "known-underlyings", "placeholder": "*"}),
    )
    spot = form_fields.FloatField(
        label="Spot %",
        min_value=-100,
        widget=forms.TextInput(attrs={**_FIGURE, "placeholder": "0"}),
    )
    vol = form_fields.FloatField(
        label="Vol points",
        required=False,
        widget=forms.TextInput(attrs={**_FIGURE, "placeholder": "0"}),
    )

    def clean_underlying(self) -> str:
        return str(self.cleaned_data["underlying"]).strip().upper()

    def shift(self) -> dict[str, Any]:
        """Return the shift as a scenario stores it."""
        given = self.cleaned_data
        return {
            "underlying": given["underlying"],
            "spot": given["spot"],
            "vol": given["vol"] or 0.0,
        }


Shifts = forms.formset_factory(ShiftForm, extra=1, max_num=MOST_SHIFTS)
