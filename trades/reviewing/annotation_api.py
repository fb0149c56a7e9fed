"""The API of a trade's notes, tags and state of review."""

from __future__ import annotations

from typing import cast

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from auth_tokens.models import User
from config.core.api.idempotency import idempotent
from config.core.api.parameters import QueryParameters
from config.core.api.shapes import read_shape
from config.core.errors import NotFound
from portfolio.accounts.answers import private_json
from trades.annotations import writing
from trades.models import Trade, TradeNote
from trades.reviewing import shapes
from trades.reviewing.api import note_item
from trades.reviewing.detail import trade_for_user


class TradeNotesView(APIView):
    """The notes of one trade, newest first, and new ones."""

    @extend_schema(operation_id="trade_notes", responses=shapes.TradeNotes)
    def get(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return _notes(trade_for_user(request.user, key))

    @extend_schema(
        operation_id="trade_note_create",
        request=shapes.TradeNoteWrite,
        responses={201: shapes.TradeNotes},
    )
    @idempotent
    def post(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        found = trade_for_user(request.user, key)
        sent = read_shape(shapes.TradeNoteWrite, request.data)
        writing.add_note(user=_person(request), trade=found, text=sent.text)
        return _notes(found, status=201)


class TradeNoteView(APIView):
    """One note. What it said before is kept."""

    @extend_schema(
        operation_id="trade_note_update",
        request=shapes.TradeNoteWrite,
        responses=shapes.TradeNotes,
    )
    def put(self, request: Request, key: int, note_id: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        sent = read_shape(shapes.TradeNoteWrite, request.data)
        return self._change(request, key, note_id, sent.text)

    @extend_schema(operation_id="trade_note_delete", responses=shapes.TradeNotes)
    def delete(self, request: Request, key: int, note_id: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        return self._change(request, key, note_id, "")

    @staticmethod
    def _change(request: Request, key: int, note_id: int, text: str) -> HttpResponse:
        found = trade_for_user(request.user, key)
        note = TradeNote.objects.filter(pk=note_id, opening__in=writing.opening_keys(found)).first()
        if note is None:
            raise NotFound("No such note.")
        writing.change_note(user=_person(request), note=note, text=text)
        return _notes(found)


class TradeReviewView(APIView):
    """A trade's state of review and its tags."""

    @extend_schema(
        operation_id="trade_review_update",
        request=shapes.TradeReviewWrite,
        responses=shapes.TradeReviewed,
    )
    def put(self, request: Request, key: int) -> HttpResponse:
        QueryParameters(request.query_params, allowed=())
        found, user = trade_for_user(request.user, key), _person(request)
        sent = read_shape(shapes.TradeReviewWrite, request.data)
        tags = writing.parse_tags(sent.tags)
        writing.set_review(user=user, trades=[found], state=sent.review)
        writing.set_tags(user=user, trade=found, names=tags)
        body = shapes.TradeReviewed(id=str(found.key), review=sent.review, tags=sorted(tags))
        return private_json(body)


def _notes(trade: Trade, *, status: int = 200) -> HttpResponse:
    rows = TradeNote.objects.filter(opening__in=writing.opening_keys(trade))
    rows = rows.select_related("created_by").order_by("-created_at", "-pk")
    body = shapes.TradeNotes(notes=[note_item(row) for row in rows])
    answer = private_json(body)
    answer.status_code = status
    return answer


def _person(request: Request) -> User:
    return cast("User", request.user)
