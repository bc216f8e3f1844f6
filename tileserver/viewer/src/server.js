// Requests to the server: relative to the page, with the key that the page was opened with.

export const key = new URLSearchParams(location.search).get("key");

export class Refused extends Error {
  constructor(status) {
    super(`the server answers ${status}`);
    this.status = status;
  }
}

// Nobody answered.
export class Away extends Error {}

export function address(path) {
  const url = new URL(path, document.baseURI);
  if (key && !url.searchParams.has("key")) url.searchParams.set("key", key);
  return url.href;
}

// A JSON document; throws Refused or Away.
export const load = (path, options) => loaded(address(path), options);

// One whose addresses are not to hold the key, though it is asked for with the key.
export const loadKeyless = (path) => loaded(path, key ? { headers: { "X-API-Key": key } } : {});

async function loaded(url, options) {
  const answer = await fetch(url, options).catch(() => {
    throw new Away("the server does not answer");
  });
  if (!answer.ok) throw new Refused(answer.status);
  return answer.json();
}
