import { testEndings } from './cells.ts';

testEndings('guest.');
