"""People in the admin: passwords, privileges, tokens and the trail."""

from __future__ import annotations

import pytest
from django.urls import reverse

from auth_tokens.api_tokens.reading import api_token_by_text
from auth_tokens.api_tokens.writing import create_api_token
from auth_tokens.models import ApiToken, AuditEvent, User
from tests.factories import PASSWORD
from tests.portfolio.admin.pages import change_url, list_url, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def test_password_hash_is_shown_nowhere(root: User) -> None:
    client = signed_in(root)
    hashes = [part for part in root.password.split("$") if len(part) > 4]
    for url in (list_url(User), change_url(root)):
        page = client.get(url).text
        assert root.password not in page
        assert not [part for part in hashes if part[:6] in page]
    assert reverse("admin:auth_user_password_change", args=[root.pk]) in page


def test_password_is_changed_on_its_own_page(root: User, ann: User) -> None:
    url = reverse("admin:auth_user_password_change", args=[ann.pk])
    new = "quite-another-passphrase"
    client = signed_in(root)
    response = client.post(url, {"password1": new, "password2": new, "usable_password": "true"})
    assert response.status_code == 302
    ann.refresh_from_db()
    assert ann.check_password(new)
    event = AuditEvent.objects.get(event="user.password_changed")
    assert (event.actor, event.subject) == (root, "ann")


def test_staff_cannot_give_themselves_privileges(ann: User) -> None:
    form = {"username": "ann", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "time_zone": "Asia/Kolkata"}  # fmt: skip
    assert signed_in(ann).post(change_url(ann), form).status_code == 302
    ann.refresh_from_db()
    assert (ann.is_superuser, ann.time_zone) == (False, "Asia/Kolkata")


def test_staff_cannot_touch_superusers(ann: User, root: User) -> None:
    client = signed_in(ann)
    password = reverse("admin:auth_user_password_change", args=[root.pk])
    delete = reverse("admin:auth_tokens_user_delete", args=[root.pk])
    assert client.post(change_url(root), {"username": "gone"}).status_code == 403
    assert client.post(password, {"password1": "x", "password2": "x"}).status_code == 403
    assert client.post(delete, {"post": "yes"}).status_code == 403
    client.post(
        list_url(User),
        {"action": "delete_selected", "_selected_action": [root.pk], "post": "yes"},
    )
    root.refresh_from_db()
    assert root.check_password(PASSWORD)


def test_unknown_time_zone_is_refused_for_a_user(root: User) -> None:
    form = {"username": "root", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "time_zone": "Mars/Olympus"}  # fmt: skip
    response = signed_in(root).post(change_url(root), form)
    assert response.status_code == 200
    assert "Unknown time zone" in response.text


def test_tokens_are_revoked_in_the_admin_by_action(root: User, ann: User) -> None:
    issued = create_api_token(user=ann, name="robot")
    client = signed_in(root)
    client.post(list_url(ApiToken), {"action": "revoke", "_selected_action": [issued.token.pk]})
    assert api_token_by_text(issued.text) is None
    event = AuditEvent.objects.get(event="api_token.revoked")
    assert (event.actor, event.detail["user"]) == (root, "ann")


def test_staff_see_and_revoke_only_their_own_tokens(ann: User, root: User) -> None:
    own = create_api_token(user=ann, name="robot")
    foreign = create_api_token(user=root, name="rootbot")
    client = signed_in(ann)
    page = client.get(list_url(ApiToken)).text
    assert own.token.prefix in page
    assert foreign.token.prefix not in page
    client.post(list_url(ApiToken), {"action": "revoke", "_selected_action": [foreign.token.pk]})
    assert api_token_by_text(foreign.text) is not None


def test_staff_see_only_what_they_did_themselves_in_the_trail(ann: User, root: User) -> None:
    create_api_token(user=root, name="rootbot")
    create_api_token(user=ann, name="robot")
    AuditEvent.objects.exclude(event="api_token.created").delete()
    client = signed_in(ann)
    AuditEvent.objects.filter(event="session.started").delete()
    events = client.get(list_url(AuditEvent)).context["cl"].result_list
    assert [event.actor for event in events] == [ann]
