"""The desk's own settings: freshness, model, brokers."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured

from config.schedule import beat_schedule
from config.settings.environment import env
from config.settings.rates import rates_by_currency

# False: every read fetches from the brokers first and background sync is off.
USE_PERSISTENT_CACHE = env.bool("USE_PERSISTENT_CACHE", default=True)
# Default seconds between two syncs of an account.
BRIDGE_POLL_INTERVAL = env.int("BRIDGE_POLL_INTERVAL", default=30)
# A book older than this is stale: the page says so and asks for a background sync.
STALE_AFTER_SECONDS = env.int("STALE_AFTER_SECONDS", default=60)
# A risk-monitor read refreshes Greeks in the background, never sooner than this after the last.
GREEKS_MINIMUM_AGE_SECONDS = env.int(
    "GREEKS_MINIMUM_AGE_SECONDS", default=env.int("PORTFOLIO_REFRESH_SECONDS", default=30)
)
# Greeks refreshes that all processes together may start in a minute.
GREEKS_CALLS_PER_MINUTE = env.int("GREEKS_CALLS_PER_MINUTE", default=30)
# Refreshes ask first: "broker" (the account's own) or a market-data provider ("polygon").
GREEKS_REFRESH_SOURCE = env.str("GREEKS_REFRESH_SOURCE", default="broker")
if GREEKS_REFRESH_SOURCE not in ("broker", "polygon"):
    raise ImproperlyConfigured(
        f"GREEKS_REFRESH_SOURCE is {GREEKS_REFRESH_SOURCE!r}: say broker or polygon."
    )
# Memory per web process for prepared bodies, including all compressed forms.
FRONT_DOOR_MEGABYTES = env.int("FRONT_DOOR_MEGABYTES", default=32)
# Calls per caller (session, token, else address) and second at the front door; more get 429.
# 0: no limit.
FRONT_DOOR_CALLS_PER_SECOND = env.int("FRONT_DOOR_CALLS_PER_SECOND", default=50_000)
# Who may read market data: everyone, or (false) only signed-in users and token holders.
MARKET_DATA_PUBLIC = env.bool("MARKET_DATA_PUBLIC", default=True)
# Memory per web process for market bodies, all days, ranges and resolutions together.
MARKET_CACHE_MEGABYTES = env.int("MARKET_CACHE_MEGABYTES", default=16)
# Annual, continuously compounded: the model's discount rates by currency ("EUR=0.02,INR=0.065"),
# and that of all other currencies.
RISK_FREE_RATES = rates_by_currency(env.list("RISK_FREE_RATES", default=[]))
RISK_FREE_RATE = env.float("RISK_FREE_RATE", default=0.04)
# Do not compute with an underlying's stored price older than this, in session. Delayed quotes are
# 15 minutes old.
SPOT_MAXIMUM_AGE_SECONDS = env.int("SPOT_MAXIMUM_AGE_SECONDS", default=1200)
# Days until nightly deletion; 0 keeps forever. Daily closing rows always stay.
KEEP_SYNC_RUNS_DAYS = env.int("KEEP_SYNC_RUNS_DAYS", default=30)
KEEP_QUARANTINE_DAYS = env.int("KEEP_QUARANTINE_DAYS", default=90)
KEEP_CONTRACT_MINUTES_DAYS = env.int("KEEP_CONTRACT_MINUTES_DAYS", default=400)
KEEP_ACCOUNT_MINUTES_DAYS = env.int("KEEP_ACCOUNT_MINUTES_DAYS", default=400)
# Market minutes: summed Greeks of chains, one row per minute.
KEEP_GREEK_SNAPSHOTS_DAYS = env.int("KEEP_GREEK_SNAPSHOTS_DAYS", default=400)
# Whole chains, a few an hour: some seven kilobytes each.
KEEP_CHAIN_SNAPSHOTS_DAYS = env.int("KEEP_CHAIN_SNAPSHOTS_DAYS", default=120)
# Gamma exposure of a symbol, one row each five minutes: some ten kilobytes each.
KEEP_GEX_SNAPSHOTS_DAYS = env.int("KEEP_GEX_SNAPSHOTS_DAYS", default=60)
# Betas and value at risk look back on 400 calendar days of closes.
KEEP_DAILY_CLOSES_DAYS = env.int("KEEP_DAILY_CLOSES_DAYS", default=500)
# Frozen market time (ISO 8601) when the sandbox serves a recorded chain; empty: the real clock.
MARKET_CLOCK = env.str("MARKET_CLOCK", default="")
# The simulated market never closes: its instruments have 24-hour sessions.
MARKET_ALWAYS_OPEN = env.bool("MARKET_ALWAYS_OPEN", default=False)
DEMO = env.bool("DEMO", default=False)
# How often the brokers are asked for new fills, whether or not the book is synced.
EXECUTION_RECONCILE_SECONDS = env.int("EXECUTION_RECONCILE_SECONDS", default=30)
BEAT_SCHEDULE = beat_schedule(
    sync_seconds=BRIDGE_POLL_INTERVAL,
    reconcile_seconds=EXECUTION_RECONCILE_SECONDS,
    enabled=USE_PERSISTENT_CACHE,
)

# Default benchmark for betas and beta-weighted delta.
RISK_BENCHMARK = env.str("RISK_BENCHMARK", default="SPY")

# --- Providers --------------------------------------------------------------------------------
PROVIDER_TIMEOUT_SECONDS = env.float("PROVIDER_TIMEOUT_SECONDS", default=5.0)
# How to reach IBKR: "portal" (Client Portal gateway, HTTP) or "socket" (TWS or IB Gateway).
IBKR_CONNECTION = env.str("IBKR_CONNECTION", default="portal")
if IBKR_CONNECTION not in ("portal", "socket"):
    raise ImproperlyConfigured(f"IBKR_CONNECTION is {IBKR_CONNECTION!r}: say portal or socket.")
BROKER_CONNECTIONS = {"IBKR": IBKR_CONNECTION}
# TWS listens on 7496 (paper 7497), IB Gateway on 4001 (paper 4002). Only the streams process
# connects, with this client id; commissions of other clients' orders need the Master Client ID.
IBKR_SOCKET_HOST = env.str("IBKR_SOCKET_HOST", default="127.0.0.1")
IBKR_SOCKET_PORT = env.int("IBKR_SOCKET_PORT", default=4001)
IBKR_SOCKET_CLIENT_ID = env.int("IBKR_SOCKET_CLIENT_ID", default=17)
# Zone of times the gateway sends without one: that of its machine.
IBKR_SOCKET_TIME_ZONE = env.str("IBKR_SOCKET_TIME_ZONE", default="America/New_York")
# Market-data lines this desk may hold at once; a standard subscription has 100.
IBKR_SOCKET_MARKET_DATA_LINES = env.int("IBKR_SOCKET_MARKET_DATA_LINES", default=90)
IBKR_PORTAL_URL = env.str("IBKR_PORTAL_URL", default="https://localhost:5000/v1/api")
# The gateway's certificate is self-signed: name its file, or accept any on loopback.
IBKR_PORTAL_CA_FILE = env.str("IBKR_PORTAL_CA_FILE", default="")
# The vendor allows ten calls a second in total; we use two fewer because arrival jitters.
# 0: no limit.
IBKR_PORTAL_CALLS_PER_SECOND = env.int("IBKR_PORTAL_CALLS_PER_SECOND", default=8)
# Accounts, orders and trades allow one call per five seconds each; add a margin. 0: no limit.
IBKR_PORTAL_ENDPOINT_SECONDS = env.float("IBKR_PORTAL_ENDPOINT_SECONDS", default=6.0)
# After too many calls (429) the gateway refuses for about this long, without Retry-After.
IBKR_PORTAL_PENALTY_SECONDS = env.float("IBKR_PORTAL_PENALTY_SECONDS", default=900.0)
# How long to poll a snapshot until its prices and Greeks arrive.
IBKR_PORTAL_SNAPSHOT_SECONDS = env.float("IBKR_PORTAL_SNAPSHOT_SECONDS", default=4.0)
# IBKR's Flex Web Service brings what neither socket nor portal tells: expirations, assignments,
# splits, cash. The token lives for a year at most; say on which day it ends to be warned in time.
IBKR_FLEX_URL = env.str(
    "IBKR_FLEX_URL",
    default="https://ndcdyn.interactivebrokers.com/AccountManagement/FlexWebService",
)
IBKR_FLEX_TOKEN = env.str("IBKR_FLEX_TOKEN", default="")
IBKR_FLEX_TOKEN_EXPIRES = env.str("IBKR_FLEX_TOKEN_EXPIRES", default="")
IBKR_FLEX_QUERY_ID = env.str("IBKR_FLEX_QUERY_ID", default="")
TASTYTRADE_URL = env.str("TASTYTRADE_URL", default="https://api.tastyworks.com")
TASTYTRADE_CLIENT_SECRET = env.str("TASTYTRADE_CLIENT_SECRET", default="")
TASTYTRADE_REFRESH_TOKEN = env.str("TASTYTRADE_REFRESH_TOKEN", default="")
# Polygon.io, renamed Massive; not used without a key.
POLYGON_URL = env.str("POLYGON_URL", default="https://api.massive.com")
POLYGON_API_KEY = env.str("POLYGON_API_KEY", default="")
# Calls per minute across all processes; the free plan allows five. 0: no limit.
POLYGON_CALLS_PER_MINUTE = env.int("POLYGON_CALLS_PER_MINUTE", default=5)
# Cboe's delayed quotes of US options, no key needed. Empty: not used.
CBOE_URL = env.str("CBOE_URL", default="https://cdn.cboe.com/api/global")
# One download holds all expiries of a symbol and is used this long. Its quotes are 15 minutes old.
CBOE_REFRESH_SECONDS = env.float("CBOE_REFRESH_SECONDS", default=15.0)
# Gamma exposure of US symbols, whose chains come from GEX_SOURCE: cboe, polygon, ibkr or service.
# Polled instruments have it from their polled chains anyway.
GEX_SYMBOLS: list[str] = env.list("GEX_SYMBOLS", default=[])
GEX_SOURCE = env.str("GEX_SOURCE", default="cboe")
# How it is defined, and what dealers are assumed to hold: see docs/gex.md.
GEX_DEFINITION = env.str("GEX_DEFINITION", default="settlement_instant")
GEX_DEALERS = env.str("GEX_DEALERS", default="long_calls_short_puts")
# With GEX_SOURCE=service: an address with {symbol}, a bearer token, and where in its JSON our
# fields are, as dotted paths.
GEX_SERVICE_URL = env.str("GEX_SERVICE_URL", default="")
GEX_SERVICE_TOKEN = env.str("GEX_SERVICE_TOKEN", default="")
GEX_SERVICE_FIELDS: dict[str, str] = env.dict("GEX_SERVICE_FIELDS", default={})
# Upstox. With an analytics token (read only, valid one year) nothing else is needed; without it the
# desk logs in daily with mobile number, TOTP and PIN in a headless browser.
UPSTOX_URL = env.str("UPSTOX_URL", default="https://api.upstox.com")
UPSTOX_ANALYTICS_TOKEN = env.str("UPSTOX_ANALYTICS_TOKEN", default="")
# Log-in page; the API's own dialog if unset.
UPSTOX_LOGIN_URL = env.str("UPSTOX_LOGIN_URL", default="")
UPSTOX_API_KEY = env.str("UPSTOX_API_KEY", default="")
UPSTOX_API_SECRET = env.str("UPSTOX_API_SECRET", default="")
# As registered with the app at Upstox. Nothing needs to answer there: the browser stops first.
UPSTOX_REDIRECT_URI = env.str("UPSTOX_REDIRECT_URI", default="https://127.0.0.1/upstox")
UPSTOX_MOBILE = env.str("UPSTOX_MOBILE", default="")
UPSTOX_TOTP_SECRET = env.str("UPSTOX_TOTP_SECRET", default="")
UPSTOX_PIN = env.str("UPSTOX_PIN", default="")
# Browser and driver for the log-in; found on PATH if unset, never downloaded.
CHROMIUM_PATH = env.str("CHROMIUM_PATH", default="")
CHROMEDRIVER_PATH = env.str("CHROMEDRIVER_PATH", default="")
USER_AGENT = "greekdesk/0.1"

# --- Alerts -----------------------------------------------------------------------------------
# Apprise services whose addresses users may enter; see greeks/alerts/sending/messengers.py.
ALERT_SCHEMAS: list[str] = env.list(
    "ALERT_SCHEMAS",
    default=["tgram", "discord", "slack", "pover", "ntfys", "gotifys", "mailtos", "jsons"],
)
# true: alerts may go to addresses inside this desk's own network.
ALERT_PRIVATE_ADDRESSES = env.bool("ALERT_PRIVATE_ADDRESSES", default=False)
# Days until raised alerts are deleted from users' lists.
KEEP_ALERTS_DAYS = env.int("KEEP_ALERTS_DAYS", default=90)
# Log-ins of the last day are counted from these events, so keep at least one day.
KEEP_TOKEN_EVENTS_DAYS = env.int("KEEP_TOKEN_EVENTS_DAYS", default=400)
# Who did what to access and secrets.
KEEP_AUDIT_DAYS = env.int("KEEP_AUDIT_DAYS", default=730)
# The market that the sandbox simulates, and the accounts in it.
SANDBOX_MARKET = "greeks.sandbox.market.Market"
SANDBOX_BOOKS = "portfolio.sandbox.books.SimulatedBooks"
