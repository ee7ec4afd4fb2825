// Answers as JSON values that know where in the text they stand, and which of them are not the right ones.
const TOKEN = /\s*(?:([[\]{},:])|("(?:[^"\\]|\\.)*")|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/y;
// What may stand at the end of a text that breaks off: nothing, or the beginning of a text, a number or a word.
const UNFINISHED = /^\s*(?:|"(?:[^"\\]|\\.)*\\?|-?[\d.eE+-]*|t(?:r(?:u)?)?|f(?:a(?:l(?:s)?)?)?|n(?:u(?:l)?)?)$/s;
const BROKEN_OFF = "the text breaks off";
const DEEPEST = 60;
const LONG = 80; // Two longer texts (a line of thought, a program) are not compared: they differ always.

// The value that stands at `start`, as {start, end, value} with `items` or `fields`; null where there is no JSON. Of a text
// that breaks off (`cut`) it is what was written whole, and every list and record that was still open says `cut`.
const located = (text, start = 0, cut = false) => {
  let at = start;
  const next = () => {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (!found) throw new SyntaxError(UNFINISHED.test(text.slice(at)) ? BROKEN_OFF : "not JSON");
    at = TOKEN.lastIndex;
    // What stands at the end may have been meant to go on: 12 of 125.
    if (cut && found[3] && at === text.length) throw new SyntaxError(BROKEN_OFF);
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
  let broken = false;
  // `body` reads what stands in a list or record; where the text breaks off in it, what was read so far stays.
  const open = (node, body) => {
    try {
      body();
    } catch (error) {
      if (!cut || error.message !== BROKEN_OFF) throw error;
      broken = true;
    }
    return Object.assign(node, { end: at }, broken ? { cut: true } : {});
  };
  const list = (begin, depth) => {
    const items = [];
    const node = { start: begin, items };
    return open(node, () =>
      until("]", () => {
        items.push(read(depth + 1));
        if (broken) throw new SyntaxError(BROKEN_OFF);
      }),
    );
  };
  const record = (begin, depth) => {
    const fields = [];
    const node = { start: begin, fields };
    return open(node, () =>
      until("}", () => {
        const name = next();
        if (!name.token.startsWith('"') || next().sign !== ":") throw new SyntaxError("no name");
        fields.push({ name: JSON.parse(name.token), start: name.start, node: read(depth + 1) });
        if (broken) throw new SyntaxError(BROKEN_OFF);
      }),
    );
  };
  try {
    return read(0);
  } catch {
    return null;
  }
};

// The answer's value; where words or other values stand around it, the first whole list or record, whichever the right
// answer is. A part of a list that breaks off is not the answer.
const answerValue = (text, right) => {
  const whole = located(text);
  if (whole && Boolean(whole.items) === Boolean(right.items)) return whole;
  for (const found of text.slice(0, 4000).matchAll(/[[{]/g)) {
    const node = located(text, found.index);
    if (node && Boolean(node.items) === Boolean(right.items)) return node;
    // Whatever follows stands inside a value that breaks off, and is a part of it.
    if (!node && located(text, found.index, true)) return null;
  }
  return whole;
};

// What was written of an answer that breaks off; null where that is nothing, or another thing than the right answer.
const cutValue = (text, right) => {
  for (const found of text.slice(0, 4000).matchAll(/[[{]/g)) {
    const node = located(text, found.index, true);
    if (node && node.cut) return Boolean(node.items) === Boolean(right.items) ? node : null;
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

// A number, also one that a text spells; null where it is none.
const NUMBER = /^\s*-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\s*$/;
const numberOf = (value) => (typeof value === "number" ? value : typeof value === "string" && NUMBER.test(value) ? Number(value) : null);

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
    if (own.cut) return;
    for (const field of other.fields) if (!fieldOf(own, field.name)) missing.push(`${path}.${field.name}`);
  };
  const list = (own, other, path) => {
    const key = keyOf(other.items);
    if (key) return byKey(own, other, key, path);
    own.items.forEach((item, at) => {
      if (other.items[at]) walk(item, other.items[at], `${path}[${at}]`);
      else mark(item, undefined, "beyond the right answer");
    });
    for (let at = own.items.length; at < other.items.length && !own.cut; at += 1) missing.push(`${path}[${at}]`);
    return undefined;
  };
  const byKey = (own, other, key, path) => {
    const seen = new Set();
    const pairs = [];
    for (const item of own.items) {
      const name = keyed(item, key);
      if (name === undefined && item.cut) continue;
      const match = seen.has(name) ? undefined : other.items.find((one) => keyed(one, key) === name);
      if (match) pairs.push([item, match]);
      else mark(item, undefined, seen.has(name) ? "named twice" : "not in the right answer");
      seen.add(name);
    }
    for (const item of own.cut ? [] : other.items) if (!seen.has(keyed(item, key))) missing.push(`${key} ${keyed(item, key)}`);
    const score = ranked && pairs.length ? scoreOf(pairs.map(([, match]) => match)) : null;
    if (score) byRank(pairs, score, path);
    else for (const [item, match] of pairs) walk(item, match, `${path}[${keyed(item, key)}]`);
  };
  // A score that is no number ranks nothing: it is marked, and the others are ranked without it.
  const byRank = (pairs, score, path) => {
    const able = pairs.filter(([item]) => numberOf(keyed(item, score)) !== null);
    for (const pair of pairs) if (!able.includes(pair)) walk(pair[0], pair[1], `${path}[${pair[0].start}]`);
    const [own, right] = [0, 1].map((side) => ranks(able.map((pair) => numberOf(keyed(pair[side], score)))));
    able.forEach(([item], at) => {
      const [mine, theirs] = [own[at], right[at]];
      const apart = mine[1] < theirs[0] || theirs[1] < mine[0];
      if (apart) mark(fieldOf(item, score).node, undefined, `rank ${rankWords(mine)}, right is ${rankWords(theirs)}`);
    });
  };
  walk(node, right, "");
  return { spans, missing: missing.map((path) => path.replace(/^\./, "")) };
};
