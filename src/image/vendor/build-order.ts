/** Compares builds, numbers in them as numbers: 9.9 comes before 9.10. */
export function compareBuilds(one: string, other: string): number {
  const [left, right] = [partsOf(one), partsOf(other)];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const order = compareParts(left[index], right[index]);
    if (order !== 0) return order;
  }
  return 0;
}

function partsOf(build: string): string[] {
  return build.match(/\d+|\D+/g) ?? [];
}

function compareParts(one: string | undefined, other: string | undefined): number {
  // one that goes on is newer
  if (one === undefined || other === undefined)
    return Number(other === undefined) - Number(one === undefined);
  if (/^\d/.test(one) && /^\d/.test(other)) return compareNumbers(one, other);
  return one < other ? -1 : Number(one > other);
}

/** Compares numbers of any length. */
function compareNumbers(one: string, other: string): number {
  const difference = BigInt(one) - BigInt(other);
  return difference < 0n ? -1 : Number(difference > 0n);
}
