import * as z from 'zod';
import { lazily } from '../lazily.ts';
import { option } from './option.ts';
import { SESSION } from './scopes.ts';
import { flag, hostPath, seconds } from './values/primitives.ts';

/** Options of guests that cloud-init sets up: a part of the table. */
export const CLOUD_INIT_OPTIONS = {
  'cloud-init': option({
    type: flag,
    scopes: SESSION,
    default: false,
    unknownToPython: true,
    help: 'set up the guest with cloud-init: ssh-user, a login key, a host key and the network, from a seed disk',
    example: 'true',
  }),
  'user-data': option({
    type: hostPath,
    scopes: SESSION,
    placeholder: 'FILE',
    unknownToPython: true,
    help: 'user-data for cloud-init: a cloud-config, a script or MIME (implies cloud-init)',
    example: '"./user-data.yaml"',
  }),
  'wait-for': option({
    type: lazily(() => z.enum(['ssh', 'cloud-init'])),
    scopes: SESSION,
    placeholder: 'WHAT',
    default: 'ssh',
    unknownToPython: true,
    help: 'when the guest is ready: ssh, once it accepts a login; cloud-init, once that has ended its first boot, too',
    example: '"cloud-init"',
  }),
  'cloud-init-timeout': option({
    type: seconds,
    scopes: SESSION,
    placeholder: 'SECONDS',
    default: 1800,
    unknownToPython: true,
    help: 'how long cloud-init may take after the login, if it is waited for (wait-for)',
    example: '1800',
  }),
} as const;
