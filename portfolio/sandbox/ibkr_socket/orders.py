"""The gateway's answers about orders and executions. The API is read-only: it takes no orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from greeks.sandbox.market import Market
from portfolio.domain import OrderStatus
from portfolio.sandbox.books import SimulatedAccount
from portfolio.sandbox.fills import SimulatedExecution
from portfolio.sandbox.ibkr_portal.payloads import sec_type
from portfolio.sandbox.ibkr_socket import messages
from portfolio.sandbox.ibkr_socket.faults import GatewayFaults
from portfolio.sandbox.ibkr_socket.frames import UNSET
from portfolio.sandbox.ibkr_socket.order_messages import completed_order, open_order, order_status
from portfolio.sandbox.ibkr_socket.session import Handler, Session, ignore
from portfolio.sandbox.ibkr_terms import quoted, ticker
from portfolio.sandbox.revisions import Revision, revisions

READ_ONLY = (
    "Error validating request.-'bY' : cause - The API interface is currently in Read-Only mode."
)
_DONE = (OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED)
#: Manual orders of TWS belong to this client.
MANUAL_CLIENT = 0


class OrderDesk:
    """Requests about orders and executions, for every session of one gateway."""

    def __init__(
        self,
        market: Market,
        accounts: Sequence[SimulatedAccount],
        faults: GatewayFaults,
        local_time: Callable[[datetime], datetime],
    ) -> None:
        self._market = market
        self._accounts = accounts
        self._faults = faults
        self._local_time = local_time
        self._corrections: dict[str, list[Revision]] = defaultdict(list)
        self._announced_until = market.now()
        self._commissions_due: list[tuple[SimulatedExecution, str]] = []

    def handlers(self) -> Mapping[int, Handler]:
        return {
            3: self._refuse_order,
            4: self._refuse_order,
            5: self._open_orders,
            7: self._executions,
            8: self._next_id,
            14: ignore,
            15: ignore,
            16: self._open_orders,
            58: self._refuse_order,
            99: self._completed_orders,
        }

    def correct(self, sessions: Sequence[Session], execution_id: str, price: float) -> str:
        """Correct an execution's price, tell everyone, return its new id. Raises ValueError.

        The correction is an additional execution: the last part of its id is one higher.
        """
        stem = execution_id.rpartition(".")[0]
        for account, fill in self._fills(days=7):
            if fill.execution_id.rpartition(".")[0] == stem:
                *_, (newest, _) = self._revisions(fill)
                revision = int(newest.rpartition(".")[2]) + 1
                corrected = Revision(f"{stem}.{revision:02d}", price)
                self._corrections[fill.execution_id].append(corrected)
                self.announce(sessions, account, fill)
                return corrected.execution_id
        raise ValueError(f"execution_id: no execution {execution_id!r} in seven days")

    def send_changes(self, sessions: Sequence[Session]) -> bool:
        """Send fills since the last look, and the commissions of those sent before.

        Returns whether anything was filled.
        """
        for fill, execution_id in self._commissions_due:
            for session in sessions:
                self._send_commission(session, fill, execution_id)
        self._commissions_due.clear()
        now, since = self._market.now(), self._announced_until
        self._announced_until = now
        filled = False
        for account in self._accounts:
            for fill in account.fills(since) if since < now else ():
                if since < fill.executed_at <= now:
                    filled = True
                    self.announce(sessions, account, fill)
        return filled

    def announce(
        self, sessions: Sequence[Session], account: SimulatedAccount, fill: SimulatedExecution
    ) -> None:
        """Send an execution unasked; its commission follows later."""
        if self._faults.state.empty_book:
            return
        *_, (execution_id, price) = self._revisions(fill)
        for session in sessions:
            self._send_execution(session, -1, account, fill, execution_id, price)
        self._commissions_due.append((fill, execution_id))

    # --- Requests -----------------------------------------------------------------------------
    def _refuse_order(self, session: Session, fields: list[str]) -> None:
        place = 2 if fields[0] == "4" else 1
        session.error(-1 if fields[0] == "58" else int(fields[place]), 321, READ_ONLY)

    def _next_id(self, session: Session, fields: list[str]) -> None:
        session.send(*messages.next_valid_id(1))

    def _open_orders(self, session: Session, fields: list[str]) -> None:
        """Send this client's orders, or all (16); manual ones belong to client 0."""
        with_manual = fields[0] == "16" or session.client_id == MANUAL_CLIENT
        state = self._faults.state
        if state.refuse_order_reads:
            session.error(-1, 321, READ_ONLY)
            return
        for account in self._accounts if with_manual and not state.empty_book else ():
            for order in account.orders():
                if order.status not in _DONE:
                    session.send(*open_order(account.account_number, order))
                    session.send(*order_status(order))
        session.send(*messages.end(53))

    def _completed_orders(self, session: Session, fields: list[str]) -> None:
        """Send completed orders. With the field set, only those placed by the API: none."""
        state = self._faults.state
        if state.refuse_order_reads:
            session.error(-1, 321, READ_ONLY)
            return
        for account in self._accounts if fields[1] != "1" and not state.empty_book else ():
            for order in account.orders():
                if order.status in _DONE:
                    done_at = self._local_time(order.updated_at)
                    session.send(*completed_order(account.account_number, order, done_at))
        session.send(102)

    def _executions(self, session: Session, fields: list[str]) -> None:
        """Send executions that pass the filter, each with its commission, then the end."""
        request_id, client, number, since, symbol, kind, exchange, side = fields[2:10]
        told: list[tuple[SimulatedExecution, str]] = []
        for account, fill in self._fills(days=self._faults.state.execution_days):
            agrees = (
                number in ("", account.account_number)
                and client in ("", "0")
                and symbol in ("", ticker(fill.contract))
                and kind in ("", sec_type(fill.contract))
                and exchange in ("", fill.contract.exchange)
                and side.upper()[:1] in ("", fill.side.value[:1])
                and (not since or fill.executed_at >= self._read_time(since))
            )
            for execution_id, price in self._revisions(fill) if agrees else ():
                self._send_execution(session, int(request_id), account, fill, execution_id, price)
                told.append((fill, execution_id))
        for fill, execution_id in told:
            self._send_commission(session, fill, execution_id)
        session.send(*messages.end(55, int(request_id)))

    # --- Answers ------------------------------------------------------------------------------
    def _fills(self, *, days: int) -> Iterator[tuple[SimulatedAccount, SimulatedExecution]]:
        """Yield the last ``days`` days' executions, by midnight in the gateway's time zone."""
        if self._faults.state.empty_book:
            return
        midnight = self._local_time(self._market.now()).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        for account in self._accounts:
            for fill in account.fills(midnight - timedelta(days=days - 1)):
                yield account, fill

    def _revisions(self, fill: SimulatedExecution) -> list[Revision]:
        """Return the original execution and each correction."""
        corrections = self._corrections.get(fill.execution_id, ())
        return [*revisions(fill, self._market.now()), *corrections]

    def _send_execution(
        self,
        session: Session,
        request_id: int,
        account: SimulatedAccount,
        fill: SimulatedExecution,
        execution_id: str,
        price: float,
    ) -> None:
        contract = fill.contract
        columns = messages.contract_columns(contract, contract.exchange)
        filled = sum(
            earlier.quantity
            for earlier in account.fills(fill.executed_at - timedelta(seconds=60))
            if earlier.order_id == fill.order_id
            and earlier.contract is contract
            and earlier.executed_at <= fill.executed_at
        )
        execution = messages.Execution(
            execution_id=execution_id,
            time=self._time(fill.executed_at),
            account=account.account_number,
            exchange=contract.exchange,
            side="BOT" if fill.signed_quantity > 0 else "SLD",
            shares=fill.quantity,
            price=quoted(contract, price),
            permanent_id=fill.order_id,
            client_id=MANUAL_CLIENT,
            liquidation=0,
            cumulative_quantity=filled,
            average_price=quoted(contract, price),
        )
        session.send(*messages.execution_details(request_id, 0, columns, execution))

    def _send_commission(
        self, session: Session, fill: SimulatedExecution, execution_id: str
    ) -> None:
        """Send the commission. An opening execution realises nothing: an unset number."""
        realized = UNSET if fill.realized_pnl is None else fill.realized_pnl
        currency = fill.contract.currency
        session.send(*messages.commission_report(execution_id, fill.commission, currency, realized))

    def _time(self, at: datetime) -> str:
        local = self._local_time(at)
        if self._faults.state.naive_times:
            return f"{local:%Y%m%d  %H:%M:%S}"
        return f"{local:%Y%m%d %H:%M:%S} US/Eastern"

    def _read_time(self, said: str) -> datetime:
        """Parse ``yyyymmdd-hh:mm:ss`` in UTC, or with a space in the gateway's time zone."""
        if "-" in said:
            return datetime.strptime(said[:17], "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
        day, clock = said.split()[:2]
        zone = self._local_time(self._market.now()).tzinfo
        return datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S").replace(tzinfo=zone)
