// Shows JSON schemas to people: as lists of fields, and as a body to begin with.

const DEEPEST = 4;

/** Makes an element with text or children; nothing is ever read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'class') element.className = value;
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Text with `code` in backquotes. */
export function prose(text) {
  const parts = (text ?? '').split(/`([^`]+)`/);
  const span = make('span');
  parts.forEach((part, place) => span.append(place % 2 ? make('code', {}, part) : part));
  return span;
}

/** The schema that a reference names, with what stands beside the reference. */
export function resolve(api, schema) {
  if (!schema?.$ref) return schema ?? {};
  const name = schema.$ref.split('/').pop();
  const { $ref, ...beside } = schema;
  return { ...api.components.schemas[name], ...beside, title: name };
}

/** What a value may be, in a few words. */
export function kindOf(api, given) {
  const schema = resolve(api, given);
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.type === 'array') return `list of ${kindOf(api, schema.items)}`;
  if (schema.type === 'object' && schema.title) return schema.title;
  if (schema.type === 'object' && schema.additionalProperties) {
    return `map of ${kindOf(api, schema.additionalProperties)}`;
  }
  const limits = [];
  if (schema.format) limits.push(schema.format);
  if (schema.maxLength) limits.push(`at most ${schema.maxLength} characters`);
  if (schema.pattern && !schema.format) limits.push(schema.pattern);
  return [schema.type ?? 'anything', ...limits].join(', ');
}

/** The fields of a schema, as a list that unfolds. */
export function fieldList(api, given, depth = 0) {
  const schema = resolve(api, given);
  const inner = schema.type === 'array' ? resolve(api, schema.items) : schema;
  if (!inner.properties || depth >= DEEPEST) return null;
  const required = new Set(inner.required ?? []);
  const list = make('ul', { class: 'schema' });
  for (const [name, property] of Object.entries(inner.properties)) {
    const deeper = fieldList(api, property, depth + 1);
    const label = make('code', {
      class: required.has(name) && api.marksRequired ? 'must' : '',
    }, name);
    const line = make('span', {}, label, ' ', make('span', { class: 'kind' }, kindOf(api, property)),
      make('span', { class: 'about' }, prose(property.description)));
    list.append(deeper
      ? make('li', {}, make('details', {}, make('summary', {}, line), deeper))
      : make('li', {}, line));
  }
  return list;
}

/** A body to begin with: what is required, and an example of each. */
export function sample(api, given, depth = 0) {
  const schema = resolve(api, given);
  if (schema.examples?.length) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  if (schema.type === 'array') return depth < DEEPEST ? [sample(api, schema.items, depth + 1)] : [];
  if (schema.type === 'object') {
    const out = {};
    for (const name of schema.required ?? []) {
      out[name] = sample(api, schema.properties?.[name] ?? {}, depth + 1);
    }
    return out;
  }
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum > 0 ? schema.minimum : 0;
  if (schema.type === 'boolean') return false;
  return '';
}
