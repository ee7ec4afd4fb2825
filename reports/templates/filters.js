// Which samples are shown, in which order: a function of the form's fields, which the address can hold.
const ZERO = "0".charCodeAt(0);
const FIELDS = ["arm", "kind", "from", "flag", "metric", "least", "most", "sort", "mark", "text", "changed"];

const makeFilters = (index) => {
  const n = index.ids.length;
  const arms = index.kinds.length;
  const flags = index.flags.map((pairs) => new Map(pairs));
  // The kind of an arm's answer; nothing where it has no such sample.
  const kindAt = (arm, place) => head.kinds[index.kinds[arm].charCodeAt(place) - ZERO];
  const flagsAt = (arm, place) => (flags[arm].get(place) || []).map((code) => head.flags[code]);
  const scoreAt = (arm, metric, place) => index.scores[arm][metric][place];

  // The order that `sort` names (`score:NAME:up`), over the arm that is chosen, else the first: [key, descending].
  const sorting = (state) => {
    const [what, name, way] = state.sort.split("|");
    const arm = state.arm === "" ? 0 : Number(state.arm);
    const metric = head.metrics.indexOf(name);
    const minus = (one, other) => (one === null || other === null ? null : one - other);
    const keys = {
      id: (place) => index.ids[place],
      tokens: (place) => (kindAt(arm, place) === undefined ? null : index.tokens[arm][place]),
      score: (place) => scoreAt(arm, metric, place),
      change: (place) => minus(scoreAt(arm || arms - 1, metric, place), scoreAt(0, metric, place)),
    };
    return keys[what] && [keys[what], way === "down"];
  };

  const matcher = (state) => {
    const chosen = state.arm === "" ? [...Array(arms).keys()] : [Number(state.arm)];
    const metric = head.metrics.indexOf(state.metric);
    const least = state.least === "" ? -Infinity : Number(state.least);
    const most = state.most === "" ? Infinity : Number(state.most);
    const text = state.text.trim().toLowerCase();
    const told = (place) => {
      if (index.ids[place].toLowerCase().includes(text)) return true;
      const found = answers.get(place);
      return Boolean(found) && chosen.some((arm) => found.cells[arm] && found.cells[arm].t.toLowerCase().includes(text));
    };
    // Kind, flag and score have to be of one and the same answer.
    const fits = (arm, place) => {
      const kind = kindAt(arm, place);
      if (kind === undefined) return false;
      if (state.kind && !(state.kind === "!ok" ? kind !== "ok" : kind === state.kind)) return false;
      if (state.flag && !flagsAt(arm, place).includes(state.flag)) return false;
      if (metric < 0) return true;
      const score = scoreAt(arm, metric, place);
      return score !== null && score >= least && score <= most;
    };
    return (place) => {
      if (state.from && kindAt(0, place) !== state.from) return false;
      if (state.changed && new Set(index.kinds.map((kinds) => kinds[place])).size === 1) return false;
      return chosen.some((arm) => fits(arm, place)) && (!text || told(place));
    };
  };

  const find = (state) => {
    const matches = matcher(state);
    const found = [];
    for (let place = 0; place < n; place += 1) if (matches(place)) found.push(place);
    const order = sorting(state);
    if (!order) return found;
    const [key, down] = order;
    const absent = (value) => value === null;
    const values = new Map(found.map((place) => [place, key(place)]));
    // What has no value comes last, whichever way.
    return found.sort((a, b) => {
      const [x, y] = [values.get(a), values.get(b)];
      if (absent(x) || absent(y)) return absent(x) - absent(y) || a - b;
      return (x < y ? -1 : x > y ? 1 : 0) * (down ? -1 : 1) || a - b;
    });
  };
  return { find, kindAt, flagsAt, scoreAt, count: n, arms };
};

// The address's part after the hash: `samples?kind=no_json&sample=ID&seed=0`.
const MARK = "#samples?";
const fromHash = (hash) => (hash.startsWith(MARK) ? Object.fromEntries(new URLSearchParams(hash.slice(MARK.length))) : null);
const toHash = (state) => {
  const set = Object.entries(state).filter(([, value]) => value !== "" && value !== false && value !== undefined);
  return set.length ? MARK + new URLSearchParams(set.map(([name, value]) => [name, value === true ? "1" : value])) : "#samples";
};
