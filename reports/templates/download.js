// What is filtered, as a file: a line an answer, in the order that is shown.
const records = function* (filters, state, found) {
  for (const place of found) {
    const sample = answers.get(place);
    for (let arm = 0; arm < filters.arms; arm += 1) {
      const kind = filters.kindAt(arm, place);
      if (kind === undefined || (state.arm !== "" && arm !== Number(state.arm))) continue;
      const cell = sample && sample.cells[arm];
      const scores = Object.fromEntries(head.metrics.map((name, at) => [name, filters.scoreAt(arm, at, place)]));
      yield {
        arm: head.arms[arm],
        id: filters.index.ids[place],
        seed: filters.index.seeds[place],
        kind,
        detail: cell ? cell.d : null,
        flags: filters.flagsAt(arm, place),
        verdict: (cell && cell.v) || null,
        scores,
        tokens: filters.index.tokens[arm][place],
        finish_reason: cell ? cell.f : null,
        text: cell ? cell.t : null,
        text_is_cut: cell ? [...cell.t].length < cell.n : null,
        right: cell ? sample.rights[cell.r || 0] : null,
      };
    }
  }
};

// A row a line, whatever a reader takes for the end of one; what is hidden is an escape of JSON.
const asLines = (rows) => {
  const units = (sign) => [...Array(sign.length).keys()].map((at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, "0")}`);
  const line = (row) => JSON.stringify(row).replace(HIDDEN, (sign) => (sign === " " ? sign : units(sign).join("")));
  return rows.map((row) => `${line(row)}\n`).join("");
};

// RFC 4180, a column a score; what is missing is an empty cell.
const asTable = (rows) => {
  const cell = (value) => {
    const text = value === null || value === undefined ? "" : Array.isArray(value) ? value.join(" ") : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const { scores, ...plain } = rows[0] || { scores: {} };
  const columns = Object.keys(plain);
  const lines = rows.map((row) => [...columns.map((name) => row[name]), ...head.metrics.map((name) => row.scores[name])]);
  return [[...columns, ...head.metrics], ...lines].map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
};

const save = (text, name, type) => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
