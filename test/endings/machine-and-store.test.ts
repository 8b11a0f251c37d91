import { testEndings } from './cells.ts';

testEndings('machine.', 'vm.', 'image.');
