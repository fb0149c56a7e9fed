// The browser's own notifications, where the reader asked for them in this browser.

const KEPT = "greekdesk_notifications";
const isPossible = "Notification" in window;
const isWanted = () => isPossible && Notification.permission === "granted" && localStorage.getItem(KEPT) === "on";

/** Notify of an alert if the page is not looked at. Several tabs show one: they share its tag. */
export function notify({ id, title, text }) {
  if (!document.hidden || !isWanted()) return;
  try {
    new Notification(title, { body: text, tag: `greekdesk-alert-${id}` });
  } catch {
    // Some phones allow notifications to service workers only; toast and count remain.
  }
}

/** The button that asks, and says what was answered. Nothing asks before it is pressed. */
export function offerNotifications(button, said) {
  if (!isPossible) return;
  const show = () => {
    button.hidden = Notification.permission === "denied";
    button.setAttribute("aria-pressed", String(isWanted()));
    said.textContent =
      Notification.permission === "denied" ? "This browser blocks notifications of the desk." : "";
  };
  button.addEventListener("click", async () => {
    const on = !isWanted() && (await Notification.requestPermission()) === "granted";
    localStorage.setItem(KEPT, on ? "on" : "off");
    show();
  });
  show();
}
