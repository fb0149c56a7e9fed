"""Addresses of the admin, and who is signed in to it."""

from __future__ import annotations

from django.test import Client
from django.urls import reverse

from auth_tokens.models import User


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def list_url(model: type) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]


def change_url(row: object) -> str:
    meta = row._meta  # type: ignore[attr-defined]
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])  # type: ignore[attr-defined]
