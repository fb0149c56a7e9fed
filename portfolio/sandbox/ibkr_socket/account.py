"""The gateway's answers about positions and money, and its messages when they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from greeks.sandbox.market import Market
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.ibkr_portal.payloads import conid
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.faults import GatewayFaults
from portfolio.sandbox.ibkr_socket.frames import UNSET, Field, Fields
from portfolio.sandbox.ibkr_socket.money import account_values, ledger_values
from portfolio.sandbox.ibkr_socket.session import Handler, Session, ignore
from portfolio.sandbox.ibkr_terms import quoted
from portfolio.sandbox.records import SimulatedPosition

LEDGER = "$LEDGER"
SUMMARY_SUBSCRIPTIONS = 2


class AccountDesk:
    """Requests about accounts, for every session of one gateway."""

    def __init__(
        self, market: Market, accounts: Sequence[SimulatedAccount], faults: GatewayFaults
    ) -> None:
        self._market = market
        self._accounts = {account.account_number: account for account in accounts}
        self._faults = faults

    def handlers(self) -> Mapping[int, Handler]:
        return {
            6: self._account_updates,
            17: self._managed_accounts,
            61: self._positions,
            62: self._summary,
            63: self._cancel_summary,
            64: self._cancel_positions,
            74: self._positions_multi,
            75: ignore,
            76: self._updates_multi,
            77: ignore,
            92: self._profit_and_loss,
            93: self._cancel_profit_and_loss,
            94: self._profit_and_loss,
            95: self._cancel_profit_and_loss,
        }

    def managed(self) -> Fields:
        return messages.managed_accounts(list(self._accounts))

    def send_changes(self, session: Session) -> None:
        """Send changed positions and profit and loss to a session that watches them."""
        if session.shown_positions is not None:
            self._send_positions(session)
        for request_id in session.profit_and_loss:
            self._send_profit_and_loss(session, request_id)

    def send_periodic(self, session: Session) -> None:
        """Send what a gateway repeats every few minutes."""
        if session.account_updates is not None:
            self._send_account(session, session.account_updates)
        for request_id, tags in session.summaries.items():
            self._send_summary(session, request_id, tags)

    # --- Requests -----------------------------------------------------------------------------
    def _managed_accounts(self, session: Session, fields: list[str]) -> None:
        session.send(*self.managed())

    def _positions(self, session: Session, fields: list[str]) -> None:
        session.shown_positions = {}
        self._send_positions(session)
        session.send(*messages.end(62))

    def _cancel_positions(self, session: Session, fields: list[str]) -> None:
        session.shown_positions = None

    def _account_updates(self, session: Session, fields: list[str]) -> None:
        """A second subscription replaces the first; no account number means the only account."""
        if fields[2] == "0":
            session.account_updates = None
            return
        account = self._find(session, -1, fields[3])
        if account is None:
            return
        session.account_updates = account.account_number
        self._send_account(session, account.account_number)
        session.send(*messages.end(54, account.account_number))

    def _summary(self, session: Session, fields: list[str]) -> None:
        request_id = int(fields[2])
        if len(session.summaries) >= SUMMARY_SUBSCRIPTIONS and request_id not in session.summaries:
            session.error(
                request_id,
                322,
                "Error processing request.-'bW' : cause - Maximum number of account summary "
                "requests exceeded",
            )
            return
        session.summaries[request_id] = tuple(tag.strip() for tag in fields[4].split(",") if tag)
        self._send_summary(session, request_id, session.summaries[request_id])
        session.send(*messages.end(64, request_id))

    def _cancel_summary(self, session: Session, fields: list[str]) -> None:
        session.summaries.pop(int(fields[2]), None)

    def _positions_multi(self, session: Session, fields: list[str]) -> None:
        request_id, model = int(fields[2]), fields[4]
        account = self._find(session, request_id, fields[3])
        if account is None:
            return
        for held in self._held(account):
            columns, quantity, cost = _position_columns(held)
            number = account.account_number
            session.send(
                *messages.position_multi(request_id, number, columns, quantity, cost, model)
            )
        session.send(*messages.end(72, request_id))

    def _updates_multi(self, session: Session, fields: list[str]) -> None:
        """Send only net liquidation and the ledger if the last field asks for that."""
        request_id, model, ledger_only = int(fields[2]), fields[4], fields[5] == "1"
        account = self._find(session, request_id, fields[3])
        if account is None:
            return
        for tag, value, currency in account_values(account):
            if ledger_only and tag != "NetLiquidation" and currency != "BASE":
                continue
            session.send(
                *messages.account_update_multi(
                    request_id, account.account_number, model, tag, value, currency
                )
            )
        session.send(*messages.end(74, request_id))

    def _profit_and_loss(self, session: Session, fields: list[str]) -> None:
        request_id = int(fields[1])
        account = self._find(session, request_id, fields[2])
        if account is None:
            return
        single = int(fields[4]) if fields[0] == "94" else None
        session.profit_and_loss[request_id] = (account.account_number, single)
        self._send_profit_and_loss(session, request_id)

    def _cancel_profit_and_loss(self, session: Session, fields: list[str]) -> None:
        session.profit_and_loss.pop(int(fields[1]), None)

    # --- Answers ------------------------------------------------------------------------------
    def _find(self, session: Session, request_id: int, number: str) -> SimulatedAccount | None:
        if number == "" and len(self._accounts) == 1:
            return next(iter(self._accounts.values()))
        account = self._accounts.get(number)
        if account is None:
            session.error(
                request_id,
                321,
                f"Error validating request.-'bO' : cause - Invalid account code '{number[:20]}'.",
            )
        return account

    def _held(self, account: SimulatedAccount) -> list[SimulatedPosition]:
        return [] if self._faults.state.empty_book else account.positions()

    def _send_positions(self, session: Session) -> None:
        """Send new and changed positions, and quantity 0 for those that are gone."""
        shown = session.shown_positions
        if shown is None:
            return
        present = {
            (account.account_number, conid(held.contract)): (held, *_position_columns(held))
            for account in self._accounts.values()
            for held in self._held(account)
        }
        for key, (_, columns, quantity, cost) in present.items():
            if shown.get(key) != (quantity, cost):
                shown[key] = (quantity, cost)
                session.send(*messages.position(key[0], columns, quantity, cost))
        for key in shown.keys() - present.keys():
            del shown[key]
            gone = self._market.contract(key[1])
            if gone is not None:
                columns = messages.contract_columns(gone, messages.listing_exchange(gone))
                session.send(*messages.position(key[0], columns, 0, 0.0))

    def _send_account(self, session: Session, number: str) -> None:
        account = self._accounts[number]
        for tag, value, currency in account_values(account):
            session.send(*messages.account_value(tag, value, currency, number))
        for held in self._held(account):
            columns, quantity, cost = _position_columns(held, primary=True)
            price = quoted(held.contract, held.price)
            money = (price, held.market_value, cost, held.unrealized_pnl, 0.0)
            session.send(*messages.portfolio_value(number, columns, quantity, *money))
        session.send(8, 1, f"{self._market.now():%H:%M}")

    def _send_summary(self, session: Session, request_id: int, tags: Sequence[str]) -> None:
        for account in self._accounts.values():
            for tag, value, currency in _summary_values(account, tags):
                session.send(
                    *messages.account_summary(
                        request_id, account.account_number, tag, value, currency
                    )
                )

    def _send_profit_and_loss(self, session: Session, request_id: int) -> None:
        number, single = session.profit_and_loss[request_id]
        account = self._accounts[number]
        if single is None:
            money = account.summary()
            daily = round(money.realized_pnl + money.unrealized_pnl, 2)
            session.send(
                *messages.profit_and_loss(
                    request_id, daily, money.unrealized_pnl, money.realized_pnl
                )
            )
            return
        for held in self._held(account):
            if conid(held.contract) == single:
                session.send(
                    *messages.profit_and_loss_single(
                        request_id,
                        held.quantity,
                        _since_yesterday(held),
                        held.unrealized_pnl,
                        0.0,
                        held.market_value,
                    )
                )


def _position_columns(
    held: SimulatedPosition, *, primary: bool = False
) -> tuple[Fields, int, float]:
    """Return contract, quantity and average cost (multiplier included)."""
    contract = held.contract
    exchange = contract.exchange if primary else messages.listing_exchange(contract)
    cost = round(held.average_price * float(contract.multiplier), 8)
    return messages.contract_columns(contract, exchange), held.quantity, cost


def _since_yesterday(held: SimulatedPosition) -> Field:
    """Return the day's change of the current holding; unset without a previous close."""
    if held.quote.previous_close is None:
        return UNSET
    units = held.quantity * float(held.contract.multiplier)
    return round(units * (held.price - held.quote.previous_close), 2)


def _summary_values(
    account: SimulatedAccount, tags: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the tags; ``$LEDGER`` has the base currency's, ``$LEDGER:ALL`` all."""
    wanted = {tag for tag in tags if not tag.startswith(LEDGER)}
    yield from (row for row in account_values(account) if row[0] in wanted and row[2] != "BASE")
    for tag in tags:
        if tag.startswith(LEDGER):
            _, _, currency = tag.partition(":")
            for row in ledger_values(account):
                if currency == "ALL" or row[2] == (currency or "BASE"):
                    yield row
