// Answers as JSON values that know where in the text they stand, and which of them are not the right ones.
const TOKEN = /\s*(?:([[\]{},:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;
const DEEPEST = 60;
const LONG = 80; // Two longer texts (a line of thought, a program) are not compared: they differ always.

// The value that stands at `start`, as {start, end, value} with `items` or `fields`; null where there is no JSON.
const located = (text, start = 0) => {
  let at = start;
  const next = () => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) throw new SyntaxError("not JSON");
    at = TOKEN.lastIndex;
    const token = found[1] || found[2] || found[3];
    return { sign: found[1], token, start: at - token.length, end: at };
  };
  const read = (depth) => {
    const first = next();
    if (depth > DEEPEST) throw new SyntaxError("too deep");
    if (!first.sign) return { start: first.start, end: first.end, value: JSON.parse(first.token) };
    if (first.sign !== "[" && first.sign !== "{") throw new SyntaxError("not a value");
    return first.sign === "[" ? list(first.start, depth) : record(first.start, depth);
  };
  const until = (close, one) => {
    const before = at;
    if (next().sign === close) return;
    at = before;
    for (;;) {
      one();
      const sign = next().sign;
      if (sign === close) return;
      if (sign !== ",") throw new SyntaxError("no comma");
    }
  };
  const list = (begin, depth) => {
    const items = [];
    until("]", () => items.push(read(depth + 1)));
    return { start: begin, end: at, items };
  };
  const record = (begin, depth) => {
    const fields = [];
    until("}", () => {
      const name = next();
      if (!name.token.startsWith('"') || next().sign !== ":") throw new SyntaxError("no name");
      fields.push({ name: JSON.parse(name.token), start: name.start, node: read(depth + 1) });
    });
    return { start: begin, end: at, fields };
  };
  try {
    return read(0);
  } catch {
    return null;
  }
};

// The first JSON list or record in an answer, wherever it begins.
const answerValue = (text) => {
  const whole = located(text);
  if (whole) return whole;
  for (const found of text.slice(0, 4000).matchAll(/[[{]/g)) {
    const node = located(text, found.index);
    if (node) return node;
  }
  return null;
};

const fieldOf = (node, name) => node.fields && node.fields.find((field) => field.name === name);
const keyed = (node, name) => {
  const field = fieldOf(node, name);
  return field && field.node.value;
};

// The field whose values name the items of a list, each once; null where there is none.
const keyOf = (items) => {
  if (!items.length || !items.every((item) => item.fields)) return null;
  const names = items[0].fields.filter((field) => typeof field.node.value === "string").map((field) => field.name);
  return names.find((name) => new Set(items.map((item) => keyed(item, name))).size === items.length) || null;
};

// The first field that is a number in every item: what ranks them.
const scoreOf = (items) => {
  const names = items[0].fields.filter((field) => typeof field.node.value === "number").map((field) => field.name);
  return names.find((name) => items.every((item) => typeof keyed(item, name) === "number")) || null;
};

// First and last rank that each score has, where equal scores share their ranks.
const ranks = (scores) => {
  const sorted = [...scores].sort((a, b) => b - a);
  return scores.map((score) => [sorted.indexOf(score) + 1, sorted.lastIndexOf(score) + 1]);
};
const rankWords = ([first, last]) => (first === last ? `${first}` : `${first} to ${last}`);

// Spans of `node` that are not as in `right`, each with a reason, and paths that it lacks. `ranked`: the order of a list's
// scores counts, not the scores.
const compareValues = (node, right, ranked) => {
  const spans = [];
  const missing = [];
  const mark = (from, start, why) => spans.push({ start: start === undefined ? from.start : start, end: from.end, why });
  const walk = (own, other, path) => {
    if (own.fields && other.fields) return record(own, other, path);
    if (own.items && other.items) return list(own, other, path);
    const same = "value" in own && "value" in other && own.value === other.value;
    const long = [own, other].every((one) => typeof one.value === "string" && one.value.length > LONG);
    if (!same && !long) mark(own, undefined, "not the right value");
    return undefined;
  };
  const record = (own, other, path) => {
    for (const field of own.fields) {
      const match = fieldOf(other, field.name);
      if (match) walk(field.node, match.node, `${path}.${field.name}`);
      else mark(field.node, field.start, "not in the right answer");
    }
    for (const field of other.fields) if (!fieldOf(own, field.name)) missing.push(`${path}.${field.name}`);
  };
  const list = (own, other, path) => {
    const key = keyOf(other.items);
    if (key) return byKey(own, other, key, path);
    own.items.forEach((item, at) => {
      if (other.items[at]) walk(item, other.items[at], `${path}[${at}]`);
      else mark(item, undefined, "beyond the right answer");
    });
    for (let at = own.items.length; at < other.items.length; at += 1) missing.push(`${path}[${at}]`);
    return undefined;
  };
  const byKey = (own, other, key, path) => {
    const seen = new Set();
    const pairs = [];
    for (const item of own.items) {
      const name = keyed(item, key);
      const match = seen.has(name) ? undefined : other.items.find((one) => keyed(one, key) === name);
      if (match) pairs.push([item, match]);
      else mark(item, undefined, seen.has(name) ? "named twice" : "not in the right answer");
      seen.add(name);
    }
    for (const item of other.items) if (!seen.has(keyed(item, key))) missing.push(`${key} ${keyed(item, key)}`);
    const score = ranked && pairs.length ? scoreOf(pairs.map(([, match]) => match)) : null;
    if (score) byRank(pairs, score, path);
    else for (const [item, match] of pairs) walk(item, match, `${path}[${keyed(item, key)}]`);
  };
  // A score that is no number ranks nothing: it is marked, and the others are ranked without it.
  const byRank = (pairs, score, path) => {
    const able = pairs.filter(([item]) => typeof keyed(item, score) === "number");
    for (const pair of pairs) if (!able.includes(pair)) walk(pair[0], pair[1], `${path}[${pair[0].start}]`);
    const [own, right] = [0, 1].map((side) => ranks(able.map((pair) => keyed(pair[side], score))));
    able.forEach(([item], at) => {
      const [mine, theirs] = [own[at], right[at]];
      const apart = mine[1] < theirs[0] || theirs[1] < mine[0];
      if (apart) mark(fieldOf(item, score).node, undefined, `rank ${rankWords(mine)}, right is ${rankWords(theirs)}`);
    });
  };
  walk(node, right, "");
  return { spans, missing: missing.map((path) => path.replace(/^\./, "")) };
};
