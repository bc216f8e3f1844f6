// Requests to the server: relative to the page, with the key that the page was opened with.

export const key = new URLSearchParams(location.search).get("key");

export class Refused extends Error {
  constructor(status) {
    super(`the server answers ${status}`);
    this.status = status;
  }
}

export function address(path) {
  const url = new URL(path, document.baseURI);
  if (key && !url.searchParams.has("key")) url.searchParams.set("key", key);
  return url.href;
}

// A JSON document; throws Refused, or TypeError where the server is away.
export async function load(path, options) {
  const answer = await fetch(address(path), options);
  if (!answer.ok) throw new Refused(answer.status);
  return answer.json();
}
