// Renders /api/v1/openapi.json and sends requests; needs nothing but the API itself.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];
let spec;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function resolved(node) {
  if (!node || !node.$ref) return node || {};
  return node.$ref.slice(2).split("/").reduce((part, key) => part[key], spec);
}

// Text in which `…` is code: nothing else of Markdown is used in the document.
function prose(tag, text, properties = {}) {
  const parts = text.split("`").map((part, place) => place % 2 ? element("code", { textContent: part }) : part);
  return element(tag, properties, ...parts);
}

function typeOf(schema) {
  const found = resolved(schema);
  const choices = found.anyOf || found.oneOf;
  if (choices) return choices.map(typeOf).join(" | ");
  if (found.properties && schema.$ref) return schema.$ref.split("/").pop();
  if (found.enum) return found.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (found.type === "array") return `array of ${typeOf(found.items)}`;
  return [].concat(found.type || "any").join(" | ");
}

function example(schema, depth = 0) {
  const found = resolved(schema);
  if (found.example !== undefined) return found.example;
  if (found.examples) return found.examples[0];
  if (found.default !== undefined) return found.default;
  if (found.enum) return found.enum[0];
  const type = [].concat(found.type || "object")[0];
  if (type === "array") return depth > 3 ? [] : [example(found.items, depth + 1)];
  if (type === "object") {
    const entries = Object.entries(found.properties || {}).filter(([, one]) => !one.readOnly);
    return depth > 3 ? {} : Object.fromEntries(entries.map(([key, one]) => [key, example(one, depth + 1)]));
  }
  return { string: found.format === "date-time" ? "2026-01-01T00:00:00Z" : "text", integer: found.minimum || 0,
           number: 0, boolean: false }[type] ?? null;
}

function fieldTable(schema) {
  const found = resolved(schema);
  const fields = Object.entries(found.properties || {});
  if (!fields.length) return null;
  const required = new Set(found.required || []);
  const rows = fields.map(([name, raw]) => {
    const one = { ...resolved(raw), ...raw };
    const note = one.deprecated ? `Deprecated. ${one.description || ""}` : one.description || "";
    const cells = [name + (required.has(name) ? " *" : ""), typeOf(raw)];
    return element("tr", {}, ...cells.map((text) => element("td", { textContent: text })), prose("td", note));
  });
  return element("table", {}, element("tbody", {}, ...rows));
}

function parameterInputs(parameters) {
  return parameters.map((raw) => {
    const one = resolved(raw);
    const input = element("input", { name: one.name, placeholder: typeOf(one.schema), required: one.required });
    input.dataset.place = one.in;
    const note = `${one.name}${one.required ? " *" : ""} (${one.in}) `;
    return element("label", { title: one.description || "" }, note, input, ` ${one.description || ""}`);
  });
}

async function send(form, path, method, mediaType, output) {
  let address = path;
  const query = new URLSearchParams();
  const headers = {};
  const token = document.getElementById("token").value;
  if (token) headers.Authorization = `Bearer ${token}`;
  for (const input of form.querySelectorAll("input[data-place]")) {
    if (!input.value) continue;
    if (input.dataset.place === "path") {
      address = address.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.dataset.place === "query") {
      query.append(input.name, input.value);
    } else {
      headers[input.name] = input.value;
    }
  }
  const body = form.querySelector("textarea");
  if (body && body.value.trim()) headers["Content-Type"] = mediaType;
  const answer = await fetch(address + (query.size ? `?${query}` : ""), {
    method: method.toUpperCase(), headers, body: body && body.value.trim() ? body.value : undefined,
  });
  let text = await answer.text();
  try {
    text = JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // not JSON: shown as it is
  }
  const names = ["etag", "link", "location", "retry-after", "x-request-id"];
  const shown = names.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
  output.textContent = [`${answer.status} ${answer.statusText}`, ...shown, "", text].join("\n");
}

function tryIt(path, method, operation, parameters) {
  const content = resolved(operation.requestBody).content;
  const mediaType = content && Object.keys(content)[0];
  const output = element("pre", { hidden: true });
  const form = element("form", {}, ...parameterInputs(parameters));
  if (content) {
    const given = content[mediaType].example ?? example(content[mediaType].schema);
    form.append(element("label", { textContent: `Body (${mediaType})` }),
                element("textarea", { value: JSON.stringify(given, null, 2), spellcheck: false }));
  }
  form.append(element("button", { textContent: "Send" }));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    output.hidden = false;
    output.textContent = "…";
    try {
      await send(form, path, method, mediaType, output);
    } catch (error) {
      output.textContent = String(error);
    }
  });
  return element("div", {}, form, output);
}

function shown(value) {
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function responses(operation) {
  return Object.entries(operation.responses || {}).map(([status, raw]) => {
    const one = resolved(raw);
    const [kind, media] = Object.entries(one.content || {})[0] || [];
    const title = prose("summary", `${status} ${one.description || ""}${kind ? ` \`${kind}\`` : ""}`);
    if (!kind) return element("details", { className: "answer" }, title);
    const sample = media.example === undefined ? null : element("pre", { textContent: shown(media.example) });
    return element("details", { className: "answer" }, title, fieldTable(media.schema), sample);
  });
}

function details(path, method, operation, shared) {
  const summary = element("summary", {},
    element("span", { className: `method ${method}`, textContent: method.toUpperCase() }),
    element("code", { textContent: path }),
    prose("span", operation.summary || "", { className: "summary" }));
  const made = element("details", {}, summary);
  made.dataset.words = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
  made.addEventListener("toggle", () => {
    if (made.children.length > 1) return;
    const content = resolved(operation.requestBody).content;
    made.append(element("div", {},
      prose("p", operation.description || ""),
      content ? fieldTable(Object.values(content)[0].schema) : null,
      tryIt(path, method, operation, [...shared, ...(operation.parameters || [])]),
      element("h4", { textContent: "Answers" }),
      ...responses(operation)));
  });
  return made;
}

function render() {
  document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}`;
  document.getElementById("about").replaceWith(prose("p", spec.info.description || "", { id: "about" }));
  const sections = new Map((spec.tags || []).map((tag) => [tag.name, [tag.description || "", []]]));
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const [, list] = sections.get((item[method].tags || ["other"])[0]);
      list.push(details(path, method, item[method], item.parameters || []));
    }
  }
  const made = [...sections].filter(([, [, list]]) => list.length).map(([name, [about, list]]) =>
    element("section", {}, element("h2", { textContent: name }), element("p", { textContent: about }), ...list));
  document.getElementById("operations").replaceChildren(...made);
}

function find(event) {
  const word = event.target.value.toLowerCase();
  for (const one of document.querySelectorAll("section > details")) one.hidden = !one.dataset.words.includes(word);
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("details:not([hidden])");
  }
}

// A token of this page's own, which ends within the day.
async function logIn(event) {
  event.preventDefault();
  const [user, password, told] = ["user", "password", "told"].map((id) => document.getElementById(id));
  const bytes = new TextEncoder().encode(`${user.value}:${password.value}`);
  const answer = await fetch("/api/v1/tokens", {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(String.fromCharCode(...bytes))}`, "Content-Type": "application/json" },
    body: JSON.stringify({ description: "API page", expires_at: new Date(Date.now() + 864e5).toISOString() }),
  });
  const body = await answer.json();
  if (answer.ok) {
    document.getElementById("token").value = body.token;
    password.value = "";
  }
  told.textContent = answer.ok ? `Logged in as ${user.value} until ${body.expires_at}.` : body.detail;
}

async function start() {
  document.getElementById("login").addEventListener("submit", logIn);
  try {
    spec = await (await fetch("/api/v1/openapi.json")).json();
    render();
    document.getElementById("find").addEventListener("input", find);
  } catch (error) {
    document.getElementById("operations").textContent = `The document could not be read: ${error}`;
  }
}

start();
