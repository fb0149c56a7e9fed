// A live body: by websocket, and by conditional GET where websockets do not get through.
//
// The server sends one snapshot and then changes, each with its version and the one before it. A
// change that does not follow the version held here is not applied: a snapshot is asked for.

const RETRY_FIRST = 1000;
const RETRY_MOST = 30_000;
const POLL_EVERY = 10_000;
const POLL_AFTER_FAILURES = 2;
// A socket silent for this long is asked for a snapshot, then closed.
const QUIET_AFTER = 60_000;
const ANSWER_WITHIN = 10_000;
const STATES = {
  connecting: "Connecting",
  live: "Live",
  polling: "Polling",
  offline: "Offline",
  ended: "Logged out",
  replay: "Replay",
};

/** Show a state in the page's header. False if it is shown already, or nothing there shows it. */
export function showState(element, state) {
  if (!element || element.dataset.state === state) return false;
  element.dataset.state = state;
  element.textContent = STATES[state];
  return true;
}

export class LiveFeed {
  #socket = null;
  #failures = 0;
  #retryTimer = 0;
  #pollTimer = 0;
  #watchTimer = 0;
  #etag = null;
  #version = null;
  #waitingForSnapshot = false;
  #asking = false;
  #ended = false;
  #snapshotType;
  #listening = new AbortController();

  /**
   * `name` is what the frames of the body are named by: portfolio.snapshot and its changes.
   * `connection` shows the state; onState is called when it shows another.
   *
   * @param {{socketPath: string, bodyPath: string, version: string|null, name?: string,
   *   changes?: string[], onSnapshot: (body: object, frame?: object) => void,
   *   onChange: (data: object, frame: object) => void,
   *   onFrame?: (frame: object) => void, connection: Element|null,
   *   onState?: (state: string) => void}} options
   */
  constructor(options) {
    const { name = "portfolio" } = options;
    this.options = { changes: [`${name}.changed`], onFrame() {}, onState() {}, ...options };
    this.#snapshotType = `${name}.snapshot`;
    this.#version = options.version;
  }

  start() {
    this.#connect();
    const { signal } = this.#listening;
    // A socket outlives a short cut of the network.
    addEventListener("offline", () => this.#state("offline"), { signal });
    addEventListener("online", () => (this.isOpen ? this.#state("live") : this.#reconnectNow()), { signal });
    addEventListener("pagehide", () => this.#drop(), { signal });
    const shown = (event) => {
      if (event.persisted) this.#reconnectNow();
    };
    addEventListener("pageshow", shown, { signal });
    const looked = () => {
      if (!document.hidden && this.#socket === null) this.#reconnectNow();
    };
    document.addEventListener("visibilitychange", looked, { signal });
  }

  /** End it: the page shows something else now. */
  stop() {
    this.#ended = true;
    this.#listening.abort();
    this.#drop();
  }

  /** Ask for the whole body once, past the socket: after a sync that only a poll has seen. */
  refresh() {
    return this.#poll();
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  #state(state) {
    if (showState(this.options.connection, state)) this.options.onState(state);
  }

  #connect() {
    if (this.#ended || this.#socket !== null) return;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.options.socketPath}`);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.#failures = 0;
      this.#waitingForSnapshot = true;
      this.#stopPolling();
      this.#state("live");
      this.#watch();
    });
    socket.addEventListener("message", (event) => this.#receive(event.data));
    socket.addEventListener("close", () => {
      if (this.#socket === socket) this.#lost();
    });
  }

  #lost() {
    this.#socket = null;
    clearTimeout(this.#watchTimer);
    if (this.#ended) return;
    this.#failures += 1;
    if (this.#failures >= POLL_AFTER_FAILURES) this.#startPolling();
    else this.#state("connecting");
    // Full jitter over a doubling delay: a thousand pages do not come back in one instant.
    const ceiling = Math.min(RETRY_MOST, RETRY_FIRST * 2 ** this.#failures);
    const delay = RETRY_FIRST / 2 + Math.random() * (ceiling - RETRY_FIRST / 2);
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(() => this.#connect(), delay);
  }

  #reconnectNow() {
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#watchTimer);
    this.#stopPolling();
    socket?.close();
  }

  #watch() {
    clearTimeout(this.#watchTimer);
    this.#watchTimer = setTimeout(() => {
      this.#resync();
      this.#watchTimer = setTimeout(() => this.#socket?.close(), ANSWER_WITHIN);
    }, QUIET_AFTER);
  }

  #resync() {
    this.#waitingForSnapshot = true;
    if (this.isOpen) this.#socket.send('{"type":"resync"}');
  }

  #receive(text) {
    this.#watch();
    const frame = JSON.parse(text);
    if (frame.type === "session.ended") {
      this.#end();
    } else if (frame.type === this.#snapshotType) {
      this.#waitingForSnapshot = false;
      this.#version = frame.version;
      this.options.onSnapshot(frame.data, frame);
    } else if (this.options.changes.includes(frame.type)) {
      this.#change(frame);
    } else {
      this.options.onFrame(frame);
    }
  }

  #change(frame) {
    if (this.#waitingForSnapshot) return;
    if (frame.previous_version !== this.#version) {
      this.#resync();
      return;
    }
    this.#version = frame.version;
    this.options.onChange(frame.data, frame);
  }

  #startPolling() {
    if (this.#pollTimer) return;
    this.#pollTimer = setInterval(() => this.#poll(), POLL_EVERY);
    this.#poll();
  }

  #stopPolling() {
    clearInterval(this.#pollTimer);
    this.#pollTimer = 0;
  }

  async #poll() {
    if (this.#asking || this.#ended) return;
    this.#asking = true;
    try {
      const headers = { Accept: "application/json" };
      if (this.#etag) headers["If-None-Match"] = this.#etag;
      const answer = await fetch(this.options.bodyPath, {
        headers,
        cache: "no-store",
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
      if (this.#ended) return;
      if (answer.status === 401 || answer.status === 403) {
        this.#end();
        return;
      }
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        const body = await answer.json();
        // A socket that opened meanwhile knows better.
        if (!this.isOpen || this.#waitingForSnapshot) {
          this.#etag = answer.headers.get("ETag");
          this.#version = body.version;
          this.options.onSnapshot(body);
        }
      }
      if (!this.isOpen) this.#state("polling");
    } catch {
      if (!this.isOpen && !this.#ended) this.#state("offline");
    } finally {
      this.#asking = false;
    }
  }

  #end() {
    this.#ended = true;
    this.#drop();
    this.#state("ended");
  }
}
