import { VM } from './parts.ts';
import type { Topic } from '../scenario.ts';

export const transientfile: Topic = {
  title: 'Transientfile.toml',
  intro:
    'The whole file is validated first, and all problems are reported at once. The same messages appear for the file given with `--config`, which contains the keys of a single VM table.',
  scenarios: [
    {
      form: 'no Transientfile.toml in DIRECTORY or any directory above it',
      typed: ['transient up'],
    },
    {
      form: 'cannot read PATH: REASON',
      typed: ['transient up --file shop.toml'],
    },
    {
      form: 'cannot read PATH: REASON',
      when: 'The file is one given with `--config`.',
      typed: ['transient run base --config web.toml'],
    },
    {
      form: 'the file is not UTF-8 text',
      prepare: (fixture) =>
        fixture.write('Transientfile.toml', Buffer.from('[vms.web]\nimage = "base"\n# caf\xe9\n', 'latin1')),
      typed: ['transient up'],
    },
    {
      form: 'invalid TOML: REASON',
      files: { 'Transientfile.toml': '[vms.web]\nimage = base\n' },
      typed: ['transient up'],
      advice: 'Text must be in quotes: `image = "base"`.',
    },
    {
      form: 'key "KEY" is given twice: as "KEY" and as "KEY"',
      files: { 'Transientfile.toml': `${VM}ssh_command = "make"\nssh-command = "make test"\n` },
      typed: ['transient up'],
    },
    {
      form: 'tables or lists are nested too deep',
      files: { 'Transientfile.toml': `${VM}${Array(40).fill('a').join('.')} = 1\n` },
      typed: ['transient up'],
    },
    {
      form: 'the file needs a table [TABLE]',
      files: { 'Transientfile.toml': '[project]\nname = "shop"\n' },
      typed: ['transient up'],
    },
    {
      form: 'the file defines no VM',
      files: { 'Transientfile.toml': '[vms]\n' },
      typed: ['transient up'],
    },
    {
      form: '[TABLE] needs a key "KEY"',
      files: { 'Transientfile.toml': '[images.base]\nsha256 = ""\n\n[vms.web]\nmemory = "2G"\n' },
      typed: ['transient up'],
    },
    {
      form: 'unknown key "KEY" in [TABLE]',
      files: { 'Transientfile.toml': `${VM}memmory = "2G"\n\n[image.base]\n` },
      typed: ['transient up'],
      advice:
        '`Transientfile.example.toml` shows every key; with `schemas/transientfile.schema.json`, editors complete them.',
    },
    {
      form: 'unknown key "KEY" in the file',
      when: 'The file is one given with `--config`.',
      files: { 'web.toml': 'image = "base"\nmemory = "2G"\n' },
      typed: ['transient run base --config web.toml'],
      advice:
        'Such a file contains the keys of one VM at its top level; the image is given on the command line.',
    },
    {
      form: 'KEY must be …',
      when: 'A value has the wrong type, range or syntax.',
      files: {
        'Transientfile.toml': `[project]
name = "-shop"

[images."a,b"]
source = "ftp=ftp://example.org/base"
sha256 = "abc"

[images.c]
source = "http=example.org/base"

[images.d]
source = "file="

[defaults]
cpus = "two"
ssh-timeout = -1
copy-timeout = inf
ssh-console = "yes"

[vms.web]
image = ""
memory = 0
name = "-web"
qemu-args = "-device virtio-rng-pci"
copy-in-before = ["app.conf"]
copy-out-after = ["out:./out"]
shared-folder = ["./src", { host = "./src", guest = "/" }, 5, { host = "./src", guest = "/srv", via = "9p", cache = 1 }]
forward = ["80"]
extra-image = [",file=./data.qcow2"]
depends-on = [7]
networks = [{ name = "lan", address = "10.77.0.300" }, 5]
vmstore = "\\u0000"

[networks.lan]
subnet = "10.77.0.1/24"

[networks.wan]
subnet = "10.0.0.0/4"

[networks.dmz]
subnet = "224.0.0.0/24"

[networks.mgmt]
subnet = "office"
`,
      },
      typed: ['transient up'],
    },
    {
      form: 'there is no image "NAME" in [images]',
      when: 'The name resembles one of `[images]`; any other name refers to an image of the backend.',
      files: {
        'Transientfile.toml': '[images.base]\nsource = "file=./base.qcow2"\n\n[vms.web]\nimage = "bsae"\n',
      },
      typed: ['transient up'],
    },
    {
      form: 'there is no VM "NAME" in the file',
      files: { 'Transientfile.toml': VM },
      typed: ['transient up wbe'],
    },
  ],
};
