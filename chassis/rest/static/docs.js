// The page to try the API: lists the operations of /openapi.json, and sends what is filled in.

import { fieldList, kindOf, make, prose, sample } from './explain.js';

const MOST_SHOWN = 200_000;
const token = document.getElementById('token');

async function begin() {
  const answer = await fetch('/openapi.json');
  const api = await answer.json();
  document.title = api.info.title;
  document.getElementById('title').textContent = api.info.title;
  document.getElementById('version').textContent = api.info.version;
  const operations = Object.entries(api.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([verb, operation]) => ({ path, verb, ...operation })));
  const main = document.getElementById('operations');
  main.replaceChildren();
  const index = document.getElementById('index');
  for (const tag of api.tags) {
    const own = operations.filter((one) => one.tags.includes(tag.name));
    main.append(make('section', { 'data-tag': tag.name },
      make('h2', {}, tag.name), make('p', { class: 'quiet' }, prose(tag.description)),
      ...own.map((one) => card(api, one))));
    index.append(make('div', {}, make('h2', {}, tag.name), ...own.map((one) =>
      make('a', { href: `#${one.operationId}` }, verbOf(one), one.operationId))));
  }
  document.getElementById('search').addEventListener('input', search);
  addEventListener('hashchange', openNamed);
  openNamed();
}

function verbOf(operation) {
  return make('span', { class: `verb ${operation.verb}` }, operation.verb.toUpperCase());
}

/** Shows only the operations that contain the text. */
function search(event) {
  const wanted = event.target.value.trim().toLowerCase();
  for (const link of document.querySelectorAll('#index a')) {
    const found = document.getElementById(link.hash.slice(1));
    const shown = found.textContent.toLowerCase().includes(wanted)
      || found.dataset.says.toLowerCase().includes(wanted);
    link.hidden = found.hidden = !shown;
    link.style.display = shown ? '' : 'none';
  }
}

function openNamed() {
  const found = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found instanceof HTMLDetailsElement) {
    found.open = true;
    found.scrollIntoView();
  }
}

/** One operation; what is inside is made when it is first opened. */
function card(api, operation) {
  const details = make('details', {
    class: 'operation', id: operation.operationId, 'data-says': operation.description ?? '',
  }, make('summary', {}, verbOf(operation), make('span', { class: 'path' }, operation.path),
    make('span', { class: 'says' }, operation.summary)));
  details.addEventListener('toggle', () => {
    if (details.open && details.children.length === 1) details.append(inside(api, operation));
  });
  return details;
}

function inside(api, operation) {
  const parameters = operation.parameters ?? [];
  const inputs = new Map();
  const box = make('div', { class: 'inside' });
  for (const paragraph of operation.description.split('\n\n')) box.append(make('p', {}, prose(paragraph)));
  if (parameters.length) {
    box.append(make('h3', {}, 'Parameters'), make('div', { class: 'fields' },
      ...parameters.flatMap((one) => parameterRow(api, operation, one, inputs))));
  }
  const body = operation.requestBody?.content?.['application/json'];
  let text = null;
  if (body) {
    const example = body.examples?.example?.value ?? sample({ ...api }, body.schema);
    text = make('textarea', { spellcheck: 'false', 'aria-label': 'Body' });
    text.value = JSON.stringify(example, null, 2);
    box.append(make('h3', {}, 'Body'), text, folded('Fields', fieldList({ ...api, marksRequired: true }, body.schema)));
  }
  const result = make('div', { class: 'result' });
  const send = make('button', { class: 'main', type: 'button' }, 'Send');
  const stop = make('button', { type: 'button', disabled: true }, 'Stop');
  send.addEventListener('click', () => run(operation, inputs, text, result, send, stop));
  box.append(make('div', { class: 'actions' }, send, stop), result, make('h3', {}, 'Answers'), answers(api, operation));
  return box;
}

function parameterRow(api, operation, parameter, inputs) {
  const label = `${operation.operationId}-${parameter.in}-${parameter.name}`;
  const choices = parameter.schema.enum;
  const input = choices
    ? make('select', { id: label }, make('option', { value: '' }, ''), ...choices.map((one) => make('option', { value: one }, one)))
    : make('input', { id: label, autocomplete: 'off', placeholder: parameter.schema.examples?.[0] ?? '' });
  inputs.set(parameter, input);
  return [
    make('label', { class: 'name', for: label },
      make('code', { class: parameter.required ? 'must' : '' }, parameter.name),
      make('small', {}, `${parameter.in} · ${kindOf(api, parameter.schema)}`)),
    make('div', {}, input, make('span', { class: 'about' }, prose(parameter.description))),
  ];
}

function folded(title, content) {
  return content ? make('details', {}, make('summary', {}, title), content) : '';
}

function answers(api, operation) {
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const content = response.content ?? {};
    const [kind, shape] = Object.entries(content)[0] ?? [];
    const schema = (content['application/x-ndjson'] ?? shape)?.schema;
    const cell = make('td', {}, prose(response.description));
    if (kind && status === '200') cell.append(folded(`Fields (${Object.keys(content).join(', ')})`, fieldList(api, schema)));
    return make('tr', {}, make('td', {}, status), cell);
  });
  return make('table', {}, make('tbody', {}, ...rows));
}

/** Sends the request, and shows the answer as it comes. */
async function run(operation, inputs, text, result, send, stop) {
  let path = operation.path;
  const query = new URLSearchParams();
  const headers = {};
  for (const [parameter, input] of inputs) {
    const value = input.value;
    if (parameter.in === 'path') {
      path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    } else if (value !== '') {
      if (parameter.in === 'query') query.append(parameter.name, value);
      else headers[parameter.name] = value;
    }
  }
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  if (text) headers['Content-Type'] = 'application/json';
  const url = query.size ? `${path}?${query}` : path;
  const status = make('p', { class: 'status' }, 'Sending …');
  const shown = make('pre', {}, '');
  result.replaceChildren(make('h3', {}, 'Answer'), make('p', { class: 'path' }, `${operation.verb.toUpperCase()} ${url}`), status, shown);
  const gone = new AbortController();
  stop.onclick = () => gone.abort();
  send.disabled = true;
  stop.disabled = false;
  const began = performance.now();
  try {
    const answer = await fetch(url, {
      method: operation.verb.toUpperCase(), headers, body: text ? text.value : undefined, signal: gone.signal,
    });
    status.textContent = `${answer.status} ${answer.statusText} · ${Math.round(performance.now() - began)} ms`;
    status.classList.add(answer.ok ? 'good' : 'bad');
    await show(answer, shown);
  } catch (error) {
    if (!gone.signal.aborted) {
      status.textContent = String(error);
      status.classList.add('bad');
    }
  } finally {
    send.disabled = false;
    stop.disabled = true;
  }
}

async function show(answer, shown) {
  const kind = answer.headers.get('content-type') ?? '';
  if (kind.includes('json') && !kind.includes('ndjson')) {
    const value = await answer.json();
    shown.textContent = JSON.stringify(value, null, 2);
    if (typeof value.accessToken === 'string' && value.accessToken) {
      token.value = value.accessToken;
    }
    return;
  }
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    shown.textContent = (shown.textContent + value).slice(-MOST_SHOWN);
    shown.scrollTop = shown.scrollHeight;
  }
}

begin().catch((error) => {
  document.getElementById('operations').replaceChildren(make('p', { class: 'status bad' }, `The document cannot be read: ${error}`));
});
