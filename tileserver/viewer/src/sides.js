// What the two sides of a view are called, and what each of them is.

import { isMade, numberOf, SAMPLE } from "./documents.js";

const NATIVE = { name: "Original imagery", made: false, says: "the original imagery" };
const MADE = {
  name: "Super-resolved", made: true, says: "detail synthesised by a neural network",
};
const REPEATED = { name: "Imagery, enlarged", made: false, says: "the imagery's own pixels" };
const REFERENCE = { name: "Reference", made: false, says: "the true detail, of finer imagery" };
const MEAN = {
  name: "Best estimate, no texture", made: true, says: "the best estimate, without texture",
};
const PLAIN = { name: "Plain enlargement", made: false, says: "plain enlargement" };

// {left, right, same}: of the documents of a source, and the other side's name in the address;
// past: whether the view is past native. same: whether both sides show the same.
export function sidesOf({ made }, other, past) {
  const right = !past ? NATIVE : isMade(made) ? MADE : REPEATED;
  const left = other === "reference" ? REFERENCE : past ? otherSide(made, other) : NATIVE;
  return { left, right, same: left === right };
}

function otherSide(made, other) {
  if (other === "mean") return MEAN;
  const [, seed] = SAMPLE.exec(other) ?? [];
  if (!seed) return PLAIN;
  const number = numberOf(made, Number(seed));
  return { name: `Sample ${number}`, made: true, says: `sample ${number}, one of several that are plausible` };
}
