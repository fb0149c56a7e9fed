from __future__ import annotations

import pytest
from django.test import Client

pytestmark = pytest.mark.urls("tests.core.urls")


def test_first_page_holds_a_hundred_and_says_how_many_there_are(client: Client) -> None:
    body = client.get("/api/rows").json()
    assert body["results"] == list(range(100))
    assert (body["count"], body["page"], body["pages"]) == (250, 1, 3)


def test_chosen_page_and_size(client: Client) -> None:
    body = client.get("/api/rows?page=3&page_size=20").json()
    assert body["results"] == list(range(40, 60))
    assert body["pages"] == 13


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=4", "page"),
        ("page=-1", "page"),
        ("page=abc", "page"),
        ("page=999999999999999999", "page"),
        ("page_size=0", "page_size"),
        ("page_size=501", "page_size"),
        ("page_size=", "page_size"),
        ("sort=name", "sort"),
    ],
)
def test_impossible_page_is_400_naming_the_field(client: Client, query: str, field: str) -> None:
    response = client.get(f"/api/rows?{query}")
    assert response.status_code == 400
    assert set(response.json()["error"]["fields"]) == {field}
