// Why a question to the desk has no answer, in words that a page can show.

export class LoggedOut extends Error {}

/** The desk answered, and said why it cannot do what was asked. */
export class Refused extends Error {
  /** @param {Response} answer a failed one; its body is the API's error or a page. */
  static async by(answer) {
    const told = await answer.json().catch(() => null);
    const said = told?.error?.message ?? `The desk answered with an error (${answer.status}).`;
    return Object.assign(new Refused(said), { status: answer.status });
  }
}

/** The reason of an error that `fetch` or reading its answer threw. */
export function reasonOf(error) {
  if (error instanceof LoggedOut) return "You are logged out. Log in again to continue; what you typed stays.";
  if (error instanceof Refused) return error.message;
  return navigator.onLine ? "The desk did not answer." : "You are offline.";
}
