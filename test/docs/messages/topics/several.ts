import type { Topic } from '../scenario.ts';
import { DB, VM } from './parts.ts';

export const several: Topic = {
  title: 'Several VMs',
  scenarios: [
    {
      form: 'there is no VM "NAME"',
      files: { 'Transientfile.toml': `${VM}depends-on = ["bd"]\n\n${DB}` },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" depends on itself',
      files: { 'Transientfile.toml': `${VM}depends-on = ["web"]\n` },
      typed: ['transient up'],
    },
    {
      form: 'circular dependency between VMs: NAMES',
      files: { 'Transientfile.toml': `${VM}depends-on = ["db"]\n\n${DB}depends-on = ["web"]\n` },
      typed: ['transient up'],
    },
    {
      form: 'VM "NAME" waits for VM "NAME" to be done, but "NAME" has no command',
      files: { 'Transientfile.toml': `${VM}depends-on = [{ vm = "db", until = "done" }]\n\n${DB}` },
      typed: ['transient up'],
    },
    {
      form: 'VMs "NAME" and "NAME" both need the terminal',
      files: { 'Transientfile.toml': `${VM}ssh-console = true\n\n${DB}ssh-console = true\n` },
      typed: ['transient up'],
      advice: 'A VM with neither a console nor a command is a service, which runs beside the others.',
    },
    {
      form: 'image "NAME" has two sources: SOURCE and SOURCE',
      files: {
        'Transientfile.toml':
          '[vms.web]\nimage = "base,file=./one.qcow2"\n\n[vms.db]\nimage = "base,file=./two.qcow2"\n',
      },
      typed: ['transient up'],
    },
    {
      form: `VMs "NAME" and "NAME" have the same name 'NAME' in the VM store`,
      files: { 'Transientfile.toml': `${VM}name = "shop"\n\n${DB}name = "shop"\n` },
      typed: ['transient up'],
    },
  ],
};
