// Asks the wallet's own server.

/** Ask, and give what came as an object. An Error says what did not work; it has the problem's members, such as `field`. */
export async function ask(method, path, body) {
  const options = { method };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "content-type": "application/json" };
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The wallet cannot be reached. Please try again.");
  }
  const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(told.detail ?? "This did not work. Please try again."), told);
  return told;
}
