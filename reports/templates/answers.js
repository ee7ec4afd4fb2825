// One sample as a card: the right answer beside the answers, with what is wrong in them marked.
const CUT = "truncated";
const RANK = { fault: 0, diff: 1, hit: 2 };
const group = {};
for (const [name, kinds] of Object.entries(head.groups)) for (const kind of kinds) group[kind] = name;

// What is marked in one answer: spans [start, end, mark, why] of its text, texts that are gone, and a line of words.
const marksOf = (cell, sample, state, first, kind) => {
  const text = cell.t;
  const spans = [];
  let gone = [];
  let words = "";
  const begin = cell.b || 0;
  const fault = cell.s && cell.s[1] > cell.s[0] ? [unit(text, cell.s[0] - begin), unit(text, cell.s[1] - begin)] : null;
  // A fault that is nearly the whole answer (an id that is missing) points at nothing.
  const whole = fault && fault[1] - fault[0] > 0.6 * text.length && text.length > LONG;
  // Where a text was cut off nothing that stands there is wrong.
  if (fault && !whole && cell.w === undefined && kind !== CUT) spans.push([fault[0], fault[1], "fault", cell.d]);
  const against = (other, word) => {
    const found = wordDiff(other, text, word);
    found.added.forEach(({ start, end }) => spans.push([start, end, "diff", ""]));
    return found;
  };
  const right = sample.rights[cell.r || 0];
  if (cell.w !== undefined) {
    gone = against(cell.w, OBJECT).gone;
    words = "marked: what the repair changed";
  } else if (state.mark === "baseline" || right === null || right === undefined) {
    if (head.paired && first && cell !== first && first.t !== text) against(first.t);
  } else {
    const other = located(right);
    const own = other && (answerValue(text, other) || cutValue(text, other));
    if (own && other) {
      const found = compareValues(own, other, head.ranked);
      found.spans.forEach(({ start, end, why }) => spans.push([start, end, "diff", why]));
      if (own.cut) words = "marked: what differs in the part that was written";
      else if (found.missing.length) words = `missing: ${found.missing.slice(0, 8).join(", ")}${found.missing.length > 8 ? ", …" : ""}`;
    } else if (!other && text) against(right);
  }
  return { spans, gone, words };
};

// Where lines may break for the eye: before the items of a list that was written on one line.
const breaks = (text) => {
  const node = text.includes("\n") ? null : located(text);
  const parts = (node && (node.items || (node.fields || []).map((field) => ({ start: field.start })))) || [];
  return parts.length > 1 && text.length > LONG ? parts.map((part) => part.start) : [];
};

// Hits of the search, also inside other marks.
const hitsOf = (text, wanted) => {
  if (!wanted) return [];
  const [low, found] = [text.toLowerCase(), []];
  if (low.length !== text.length) return [];
  for (let at = low.indexOf(wanted); at >= 0 && found.length < 200; at = low.indexOf(wanted, at + wanted.length))
    found.push([at, at + wanted.length, "hit", ""]);
  return found;
};

const marked = (text, { spans, gone }, wanted) => {
  const box = element("pre");
  if (!text) box.append(element("span", "cut", "(no text)"));
  const all = [...spans, ...hitsOf(text, wanted)].filter(([start, end]) => start < end);
  const lines = breaks(text);
  const edges = new Set([0, text.length, ...lines, ...gone.map((one) => one.at)]);
  all.forEach(([start, end]) => edges.add(start).add(end));
  const places = [...edges].filter((at) => at >= 0 && at <= text.length).sort((a, b) => a - b);
  places.forEach((at, number) => {
    gone.filter((one) => one.at === at).forEach((one) => box.append(element("del", "gone", one.text)));
    if (lines.includes(at)) box.append("\n");
    const end = places[number + 1];
    if (end === undefined) return;
    const over = all.filter(([a, b]) => a <= at && end <= b).sort((a, b) => RANK[b[2]] - RANK[a[2]]);
    const part = visible(text.slice(at, end));
    if (!over.length) return void box.append(part);
    const made = element("mark", over[0][2]);
    made.textContent = part;
    const why = over.map((one) => one[3]).find(Boolean);
    if (why) made.title = visible(why);
    box.append(made);
  });
  return box;
};

const factsOf = (filters, arm, place, cell) => {
  const scores = head.metrics
    .map((name, at) => [name, filters.scoreAt(arm, at, place)])
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name} ${value}`);
  const tokens = filters.index.tokens[arm][place];
  const said = [tokens === null ? "tokens unknown" : `${tokens} tokens`, `finished by ${cell.f || "?"}`, ...filters.flagsAt(arm, place), ...scores];
  return (cell.v ? [cell.v, ...said] : said).join(" · ");
};

const heading = (mark, name, kind) => {
  const box = element("h4");
  if (mark) box.append(element("span", "mark", mark));
  box.append(element("span", "", name));
  if (kind) box.append(element("span", "badge", kind));
  return box;
};

const folded = (title, text) => {
  const box = element("details");
  box.append(element("summary", "", title), element("pre", "", text));
  return box;
};

const answerBox = (filters, state, place, arm, sample) => {
  const cell = sample.cells[arm];
  const kind = filters.kindAt(arm, place);
  const box = element("div", `answer g-${group[kind]}`);
  box.append(heading(head.arms.length > 1 ? `[${arm + 1}]` : "", head.arms[arm], kind));
  const facts = factsOf(filters, arm, place, cell);
  const quiet = kind === "ok" && !filters.flagsAt(arm, place).includes("repaired");
  box.append(element("p", "", quiet ? facts : `${cell.d} — ${facts}`));
  if (cell.same !== undefined && state.arm === "") {
    box.append(element("p", "cut", `the same text as [${cell.same + 1}]`));
    return box;
  }
  const marks = marksOf(cell, sample, state, sample.cells[0], kind);
  if (marks.words) box.append(element("p", "", marks.words));
  box.append(marked(cell.t, marks, state.text.trim().toLowerCase()));
  const length = [...cell.t].length;
  if (cell.n > length) box.append(element("p", "cut", `${length.toLocaleString("en")} of ${cell.n.toLocaleString("en")} characters`));
  (cell.a || []).forEach(([was, detail, text], at) => box.append(folded(`attempt ${at + 1} was ${was}: ${detail}`, text)));
  if (cell.z) box.append(folded("Reasoning", cell.z));
  return box;
};

const rightBoxes = (sample, arms) => {
  const boxes = [];
  sample.rights.forEach((right, at) => {
    const own = arms.filter((arm) => sample.cells[arm] && (sample.cells[arm].r || 0) === at);
    if (right === null || !own.length) return;
    const box = element("div", "answer right");
    box.append(heading("", "right answer"), marked(right, { spans: [], gone: [] }, ""));
    boxes.push(box);
  });
  return boxes;
};

const COLUMNS = { 1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3, 7: 4 };

const card = (filters, state, place, link) => {
  const { index } = filters;
  const box = element("article", "sample");
  box.dataset.place = place;
  const title = element("h3");
  const address = element("a", "", index.ids[place]);
  address.href = link(place);
  title.append(address, element("span", "", ` seed ${index.seeds[place]}`));
  box.append(title);
  const sample = answers.get(place);
  const arms = [...Array(filters.arms).keys()].filter(
    (arm) => filters.kindAt(arm, place) !== undefined && (state.arm === "" || arm === Number(state.arm) || (head.paired && arm === 0)),
  );
  if (!sample) {
    const kinds = arms.map((arm) => `[${arm + 1}] ${filters.kindAt(arm, place)}`).join(", ");
    const commands = new Set(arms.map((arm) => `listeval show ${quoted(head.paths[arm])} --kind any --sample ${quoted(index.ids[place])}`));
    box.append(element("p", "cut", `${kinds}. The page has no room for these answers:`), element("pre", "", [...commands].join("\n")));
    return box;
  }
  const boxes = [...rightBoxes(sample, arms), ...arms.map((arm) => answerBox(filters, state, place, arm, sample))];
  const grid = element("div", `answers columns-${COLUMNS[boxes.length] || 4}`);
  grid.append(...boxes);
  box.append(grid, promptBoxes(place, arms));
  return box;
};

// As one shell takes it for one word.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

// Each prompt once, with the arms of the card that were asked it.
const promptBoxes = (place, arms) => {
  const at = promptBlock.get(place);
  if (at === undefined) return element("p", "cut", "prompt left out");
  const boxes = element("div");
  const mine = head.asked[place] || [arms];
  mine.forEach((asked, number) => {
    const here = asked.filter((arm) => arms.includes(arm));
    if (!here.length) return;
    const box = element("details", "prompt");
    const text = element("pre");
    const whose = mine.length > 1 ? ` of ${here.map((arm) => `[${arm + 1}]`).join(", ")}` : "";
    box.append(element("summary", "", `Prompt${whose}`), text);
    box.addEventListener("toggle", async () => {
      await openPrompts(at);
      text.textContent = visible(prompts.get(place)[number]);
    });
    boxes.append(box);
  });
  return boxes;
};
