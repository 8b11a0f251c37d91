import almalinux from './distributions/almalinux.toml';
import alpine from './distributions/alpine.toml';
import amazonlinux from './distributions/amazonlinux.toml';
import arch from './distributions/arch.toml';
import centosStream from './distributions/centos-stream.toml';
import debian from './distributions/debian.toml';
import fedora from './distributions/fedora.toml';
import freebsd from './distributions/freebsd.toml';
import opensuse from './distributions/opensuse.toml';
import rocky from './distributions/rocky.toml';
import ubuntu from './distributions/ubuntu.toml';

/** The bundled distributions: the text of the TOML file of each, by its name. */
export const BUNDLED: Readonly<Record<string, string>> = {
  almalinux,
  alpine,
  amazonlinux,
  arch,
  'centos-stream': centosStream,
  debian,
  fedora,
  freebsd,
  opensuse,
  rocky,
  ubuntu,
};
