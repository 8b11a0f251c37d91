import type { CopyPair } from '../options/values/copy-pair.ts';
import type { Merged } from './merge.ts';

/** One copy, of an absolute path of the host, and whether rsync moves it. */
export interface CopySpec extends CopyPair {
  readonly rsync: boolean;
}

/** Custom kernel and initramfs of the builder VM. */
export interface BuilderSpec {
  readonly kernel?: string;
  readonly initrd?: string;
}

/** Copies made before a VM runs and after it has run. */
export interface CopiesSpec {
  readonly in: readonly CopySpec[];
  readonly out: readonly CopySpec[];
  /** Whether copies go over ssh while the VM runs, instead of through the builder while it is stopped. */
  readonly direct: boolean;
  /** Seconds that each copy may take. */
  readonly timeout?: number;
  readonly builder: BuilderSpec;
}

export function copiesOf({ option, values }: Merged): CopiesSpec {
  const timeout = values['copy-timeout'];
  const copies = (pairs: readonly CopyPair[]): CopySpec[] =>
    pairs.map((pair) => ({ ...pair, rsync: option('rsync') }));
  return {
    in: copies(option('copy-in-before')),
    out: copies(option('copy-out-after')),
    direct: option('direct-copy'),
    ...(timeout === undefined ? {} : { timeout }),
    builder: builderOf(values),
  };
}

/** Custom kernel and initramfs of the builder VM, from the options. */
export function builderOf(values: Merged['values']): BuilderSpec {
  const { 'builder-kernel': kernel, 'builder-initrd': initrd } = values;
  return { ...(kernel === undefined ? {} : { kernel }), ...(initrd === undefined ? {} : { initrd }) };
}
