// Markdown as elements. The text is read by `marked`, and the elements are made here: no HTML of
// anybody's is ever put into the page, and links lead to the web or to mail only.

import { lexer, type Token, type Tokens } from "marked";
import type { ComponentChildren, JSX } from "preact";

export function Markdown({ text }: { text: string }) {
  return <div class="prose">{blocks(lexer(text, { gfm: true }))}</div>;
}

/** The first paragraph as plain text, for cards. */
export function firstWords(text: string): string {
  const paragraph = lexer(text).find((token) => token.type === "paragraph");
  return paragraph ? plain((paragraph as Tokens.Paragraph).tokens ?? []) : "";
}

function plain(tokens: Token[]): string {
  return tokens
    .map((token) => {
      if ("tokens" in token && token.tokens) return plain(token.tokens);
      if (token.type === "br") return " ";
      return unescaped("text" in token ? String(token.text) : "");
    })
    .join("");
}

function blocks(tokens: Token[]): ComponentChildren[] {
  return tokens.map((token, at) => block(token, at));
}

function block(token: Token, key: number): ComponentChildren {
  switch (token.type) {
    case "heading": {
      // The page has its own h1 and h2.
      const Heading = `h${Math.min(6, (token as Tokens.Heading).depth + 2)}` as "h3";
      return <Heading key={key}>{inline(token.tokens ?? [])}</Heading>;
    }
    case "paragraph":
      return <p key={key}>{inline(token.tokens ?? [])}</p>;
    case "text":
      return <span key={key}>{token.tokens ? inline(token.tokens) : unescaped(token.text)}</span>;
    case "code":
      return (
        <pre key={key}>
          <code>{token.text}</code>
        </pre>
      );
    case "blockquote":
      return <blockquote key={key}>{blocks(token.tokens ?? [])}</blockquote>;
    case "list": {
      const list = token as Tokens.List;
      const items = list.items.map((item, at) => <li key={at}>{blocks(item.tokens)}</li>);
      return list.ordered ? <ol key={key}>{items}</ol> : <ul key={key}>{items}</ul>;
    }
    case "table":
      return <Table key={key} table={token as Tokens.Table} />;
    case "hr":
      return <hr key={key} />;
    case "space":
    case "def":
      return null;
    default:
      return <p key={key}>{token.raw}</p>;
  }
}

function Table({ table }: { table: Tokens.Table }) {
  return (
    <table>
      <thead>
        <tr>
          {table.header.map((cell, at) => (
            <th key={at}>{inline(cell.tokens)}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {table.rows.map((row, y) => (
          <tr key={y}>
            {row.map((cell, x) => (
              <td key={x}>{inline(cell.tokens)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

const MARKS: Record<string, keyof JSX.IntrinsicElements> = {
  strong: "strong",
  em: "em",
  del: "del",
};

function inline(tokens: Token[]): ComponentChildren[] {
  return tokens.map((token, key) => {
    const Mark = MARKS[token.type] as "em" | undefined;
    if (Mark) return <Mark key={key}>{inline((token as Tokens.Em).tokens)}</Mark>;
    if (token.type === "codespan") return <code key={key}>{token.text}</code>;
    if (token.type === "br") return <br key={key} />;
    if (token.type === "link") return link(token as Tokens.Link, key);
    if (token.type === "image") return (token as Tokens.Image).text;
    if (token.type === "text" && token.tokens) return inline(token.tokens);
    return unescaped("text" in token ? String(token.text) : token.raw);
  });
}

function link(token: Tokens.Link, key: number): ComponentChildren {
  if (!/^(https?:|mailto:)/i.test(token.href)) return inline(token.tokens);
  return (
    <a key={key} href={token.href} target="_blank" rel="noopener noreferrer">
      {inline(token.tokens)}
    </a>
  );
}

/** Undoes the few escapes that `marked` puts into texts for those who make HTML of them. */
function unescaped(text: string): string {
  return text
    .replace(/&lt;/g, "<")
    .replace(/&gt;/g, ">")
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, "&");
}
