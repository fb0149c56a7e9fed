"""Pages of the simulated log-in site: one that works, one after a redesign, one that blocks."""

from __future__ import annotations

from html import escape
from typing import Final

_STYLE: Final = """
  body { font: 16px system-ui, sans-serif; margin: 3rem auto; max-width: 22rem; }
  input, button { display: block; font: inherit; margin: .5rem 0; padding: .6rem; width: 100%; }
  [role=alert] { color: #a00; }
"""

# Steps follow one another without a page load, as in the vendor's own application: a step's
# elements exist only once it has begun.
_SCRIPT: Final = """
  const steps = {
    mobile: ["Mobile number", "mobileNum", "getOtp", "Get OTP", "tel"],
    code: ["OTP or TOTP", "otpNum", "continueBtn", "Continue", "text"],
    pin: ["6-digit PIN", "pinCode", "pinContinueBtn", "Continue", "password"],
  };
  const form = document.getElementById("steps");
  const failed = document.getElementById("failed");
  const show = (name) => {
    const [label, field, button, text, type] = steps[name];
    form.innerHTML = `<label for="${field}">${label}</label>
      <input id="${field}" type="${type}" autocomplete="off" maxlength="10">
      <button id="${button}" type="submit">${text}</button>`;
    form.dataset.step = name;
    document.getElementById(field).focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    failed.textContent = "";
    const step = form.dataset.step;
    const value = document.getElementById(steps[step][1]).value;
    const answer = await fetch(`${form.dataset.base}/${step}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ value }),
    });
    const said = await answer.json();
    if (said.location) location.assign(said.location);
    else if (said.next) show(said.next);
    else failed.textContent = said.message;
  });
  show("mobile");
"""


def log_in_page(base: str) -> str:
    """Return the log-in site; ``base`` is the URL its steps are sent to."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>Log in (simulated Upstox)</title><style>{_STYLE}</style></head><body>"
        "<h1>Simulated Upstox</h1>"
        f'<form id="steps" data-base="{escape(base)}"></form><p id="failed" role="alert"></p>'
        f"<script>{_SCRIPT}</script></body></html>"
    )
