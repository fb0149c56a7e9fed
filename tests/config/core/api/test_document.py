"""The API's documentation: what the OpenAPI document says, as a page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from config.core.api.document import Kind, read_document

pytestmark = [pytest.mark.django_db, pytest.mark.any_database]


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def test_every_operation_leads_to_a_light_page_with_the_shapes_it_names(
    admin_client: Client, schema: Any
) -> None:
    index = admin_client.get("/api/docs").content.decode()
    names = [each["operationId"] for one in schema["paths"].values() for each in one.values()]
    assert len(names) > 25
    assert [name for name in names if f'href="/api/docs/{name}"' not in index] == []
    assert index.count("<") < 1500

    document = read_document(schema)
    operations = [one for group in document.groups.values() for one in group]
    widest = max(operations, key=lambda one: len(document.shapes_within(one.kinds)))
    page = admin_client.get(f"/api/docs/{widest.name}").content.decode()
    assert 'lang="en"' in page
    assert page.count("<") < 4000
    named = set(re.findall(r'href="#shape-(\w+)"', page))
    assert named
    assert [shape for shape in named if f'id="shape-{shape}"' not in page] == []


def test_shapes_within_a_shape_are_found_once_each(schema: Any) -> None:
    document = read_document(schema)
    found = document.shapes_within(
        [Kind("", "Accounts"), Kind("list of ", "Problem"), Kind("text")]
    )
    assert list(found)[:2] == ["Accounts", "Problem"]
    assert "AccountRow" in found
    assert found["AccountRow"] == document.shapes["AccountRow"]


def test_page_of_an_operation_that_is_not_there_is_not_found(admin_client: Client) -> None:
    assert admin_client.get("/api/docs/nothing").status_code == 404


def test_every_link_to_a_shape_leads_somewhere(schema: Any) -> None:
    document = read_document(schema)
    operations = [one for group in document.groups.values() for one in group]
    kinds = [field.kind for fields in document.shapes.values() for field in fields]
    kinds += [one.body for one in operations if one.body]
    kinds += [kind for one in operations for answer in one.answers for _, kind in answer.kinds]
    named = {kind.shape for kind in kinds} - {""}
    assert named <= set(document.shapes)
    assert "Problem" in named


def test_values_are_named_in_words(schema: Any) -> None:
    fields = {field.name: field for field in read_document(schema).shapes["AccountRow"]}
    assert fields["net_liquidation"].kind == Kind("number", "", " or null")
    assert fields["account_id"].kind == Kind("text")
    (rows,) = [
        field for field in read_document(schema).shapes["Accounts"] if field.name == "accounts"
    ]
    assert rows.kind == Kind("list of ", "AccountRow")


def test_every_operation_documents_its_failures(schema: Any) -> None:
    lacking = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            expected = {"400", "503"} | ({"401", "403"} if operation.get("security") else set())
            if "{" in path or any(
                p["name"] == "account_id" for p in operation.get("parameters", ())
            ):
                expected.add("404")
            if not expected <= set(operation["responses"]):
                lacking.append((method, path))
    assert lacking == []


def test_visitor_is_sent_to_the_log_in_and_a_program_is_told_how(client: Client) -> None:
    response = client.get("/api/docs")
    assert (response.status_code, response["Location"]) == (302, "/accounts/login?next=/api/docs")
    refused = client.get("/api/portfolio/accounts")
    assert refused.status_code == 401
    assert "/accounts/tokens" in refused.json()["error"]["message"]
    assert refused["WWW-Authenticate"].startswith("Bearer")
