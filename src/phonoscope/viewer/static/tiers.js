// Phones and words around a token, as tiers below its picture.

export function tiersOf({ around, row, start, end, token, own }) {
  if (own) return [{ name: "phone", entries: [{ start, end, text: row.predicted, current: true }] }];
  const phones = around.map((one) => ({
    start: one.start, end: one.end, text: one.phone ?? one.label ?? one.class ?? "", token: one.token, current: one.token === token,
  }));
  // Phones that are no tokens of the run have no times: they stand where there is room, in grey.
  const before = around.filter((one) => one.end <= start + 1e-6).at(-1);
  const after = around.find((one) => one.start >= end - 1e-6);
  if (row.previous && !(before && start - before.end < 0.005)) phones.push({ start: start - 0.05, end: start, text: row.previous, faint: true });
  if (row.next && !(after && after.start - end < 0.005)) phones.push({ start: end, end: end + 0.05, text: row.next, faint: true });
  const tiers = [{ name: "phone", entries: phones }];
  const words = [];
  for (const one of around) {
    const last = words.at(-1);
    if (!one.word) continue;
    if (last && last.text === one.word && one.start - last.end < 0.5) last.end = one.end;
    else words.push({ start: one.start, end: one.end, text: one.word, current: false });
    if (one.token === token) words.at(-1).current = true;
  }
  if (words.length) tiers.push({ name: "word", entries: words });
  return tiers;
}

// The same tiers where the token was made longer or shorter: what follows it comes later or sooner.
export function shifted(tiers, end, by) {
  const at = (time) => (time >= end - 1e-6 ? time + by : time);
  return tiers.map(({ name, entries }) => ({ name, entries: entries.map((one) => ({ ...one, start: at(one.start), end: at(one.end) })) }));
}
